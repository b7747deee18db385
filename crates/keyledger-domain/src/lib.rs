//! Every rule, process and view of Keyledger; pure.
//!
//! A [`Command`] is decided against the [`Ledger`] (the fold of every event ever written) and gives
//! events or a [`Rejection`]; an event is written once as a [`Record`], named by the [`EventCid`] of its exact
//! bytes and chained to its predecessor. Clock, random numbers, sockets and secrets never enter this
//! crate: they come in as facts: what was made for a command, and the time.
//!
//! *Invariant:* nothing here can see a clock, a socket, a random number or a secret; `decide` changes
//! nothing, `evolve` never fails.

pub mod account;
pub mod address;
pub mod algorithm;
pub mod cid;
pub mod command;
mod each_once;
pub mod event;
pub mod form;
pub mod group;
pub mod key;
pub mod ledger;
pub mod name;
pub mod operator;
pub mod pem;
pub mod principal;
pub mod private_key;
pub mod record;
pub mod rejection;
mod senders;
pub mod signed;
pub mod stamp;
pub mod text;
pub mod time;
pub mod token;
pub mod user;
pub mod verb;
pub mod verify;
pub mod views;
mod why;

pub use algorithm::{Algorithm, Purpose, Purposes};
pub use cid::EventCid;
pub use command::{Command, Prepared, Target};
pub use event::Event;
pub use ledger::{Deciding, Decision, LEDGER_SIGNING_KEY, Ledger};
pub use name::{Aggregate, Name};
pub use record::Record;
pub use rejection::Rejection;
pub use stamp::{Role, Stamp, VerifiedBy};
pub use time::Timestamp;
