//! The program as a shell sees it: help, argument errors, exit codes, and what works without a server.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod arguments;
mod connecting;
mod contexts;
mod fake;
mod help;
mod init;
mod offline_ca;
mod openpgp;
mod support;
mod unanswered;
mod unit;
mod verify;
