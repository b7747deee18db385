//! Tests of X.509: real attestations, forged ones, the `openssl` CLI as the judge, hostile bytes.

mod algorithms;
mod attestation;
mod authority;
mod believed;
mod certificates;
mod exchange;
mod forged;
mod hostile;
mod lists;
mod names;
mod openssl;
mod organisation;
mod refusals;
mod requests;
mod workshop;

use crate::Moment;

fn at(text: &str) -> Moment {
    text.parse().unwrap()
}

fn now() -> Moment {
    at("2026-11-25T12:00:00Z")
}
