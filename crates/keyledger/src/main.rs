//! Keyledger.

fn main() {}
