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

use keyledger_domain::time::Timestamp;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-25T12:00:00Z")
}
