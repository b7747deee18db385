//! Walks of tasks with virtual tokens behind the real pcscd, in front of a desk that plays the service and the person.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod desk;
mod end;
mod held;
mod killed;
mod looks;
mod openpgp;
mod provision;
mod pulled;
mod refused;
mod repair;
mod service;
mod silence;
