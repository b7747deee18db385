//! What tokens need of the service: keys of a task, what cryptography finds in an agent's report, secrets.
//!
//! *Invariant:* nothing here decides. What is found goes to the domain as facts, and the domain's rules let it pass or not.

mod attestation_authorities;
mod escrow;
mod findings;
mod prepare;
mod secrets;

pub(crate) use attestation_authorities::{authorities, to_trust};
pub(crate) use escrow::{hand_over, recover};
pub(crate) use prepare::{report, task};
pub(crate) use secrets::{Given, release, release_at};
