//! The only place where Keyledger's secret bytes exist.
