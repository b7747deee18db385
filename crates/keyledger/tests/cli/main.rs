//! The program as a shell sees it: help, argument errors, exit codes, and what works without a server.

mod arguments;
mod connecting;
mod help;
mod init;
mod support;
mod verify;
