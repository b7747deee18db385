//! What Go's `github.com/nats-io/jwt/v2` v2.8.3 wrote, held against this crate.
//!
//! `data/` is made by `generate/` (`go run . generate ../data`): each `NAME.jwt` with `NAME.json`, what Go reads
//! in it. Set `KEYLEDGER_JUDGE_DIR` to write our own tokens for `go run . judge DIR`.

#![allow(
    clippy::unwrap_used,
    reason = "clippy counts helpers of tests as outside tests"
)]

mod bad_input;
mod go;
mod nats_jwt;
mod ours;
mod support;
mod validation;
