//! The virtual tokens themselves, judged by clients that were written for real ones.
#![allow(
    clippy::unwrap_used,
    reason = "in a test an unwrap is an assertion, in its helpers too"
)]

mod attestation;
mod client;
mod gpg;
mod hand;
mod keys;
mod openpgp;
mod references;
mod ykman;
