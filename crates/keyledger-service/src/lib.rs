//! Keyledger's shell: endpoint, handler, store, projector, effects, resolver, scheduler.
