//! Keyledger's rules, processes and views; pure.
