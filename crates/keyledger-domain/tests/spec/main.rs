//! Given what happened, when a command comes, then this is written or refused: the rules, each by its name.

#![allow(clippy::unwrap_used)] // a test has nobody to return an error to

mod account;
mod algorithm;
mod authority;
mod bearers;
mod certificates;
mod certify;
mod corpus;
mod ending;
mod escrow;
mod fold;
mod install;
mod key;
mod key_dates;
mod key_table;
mod operator;
mod pem;
mod principal;
mod private_key;
mod profile;
mod reads;
mod rejection;
mod render;
mod retry;
mod revocations;
mod schema;
mod signed;
mod text;
mod time;
mod timeline;
mod token;
mod token_ends;
mod token_evidence;
mod token_reports;
mod token_secrets;
mod token_table;
mod token_trust;
mod user;
mod verify;
mod verify_export;
mod views;

#[path = "../support/mod.rs"]
mod support;
