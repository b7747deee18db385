//! The agent's runtime against a real nats-server, under the permissions that an enrolled agent has.
//!
//! The agent is a process of its own (this binary, see `process.rs`), so that it can be killed. The tests play the service, which answers
//! reports. A small double plays the tokens, which are files.

#![allow(clippy::unwrap_used)] // a test that cannot go on ends there

mod crash;
mod forged;
mod journal;
mod offline;
mod plugging;
mod process;
mod scripted;
mod service;
mod trust;
mod walking;
mod world;
