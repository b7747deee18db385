//! For Keyledger's tests only: specs, conformance suites, a nats-server harness.
