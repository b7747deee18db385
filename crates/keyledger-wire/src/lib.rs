//! Keyledger's subjects, headers, requests and replies, and the Rust client for CIM services.
