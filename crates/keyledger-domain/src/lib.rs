//! Every rule, process and view of Keyledger; pure.
//!
//! A [`Command`] is decided against the [`Ledger`] (the fold of every event ever written) and gives
//! events or a [`Rejection`]; an event is written once as a [`Record`], named by the [`EventCid`] of its exact
//! bytes and chained to its predecessor. Clock, random numbers, sockets and secrets never enter this
//! crate: they come in as facts: what was made for a command, and the time.
//!
//! *Invariant:* nothing here can see a clock, a socket, a random number or a secret; `decide` changes
//! nothing, `evolve` never fails.

/// The aggregates: a line each, from which all that has a place for each of them is made. `Name: module, map of their states, a name as an
/// example shows it`. A module has the state `Name`, its `Event`, `Command` and `Prepared`, and the `VerbEvents` of its verbs.
macro_rules! aggregates {
    ($make:ident) => {
        $make! {
            /// A cryptographic key.
            Key: key, keys, "orders-db";
            /// A person, a service, a workstation, a unit.
            Principal: principal, principals, "ada";
            /// A NATS operator.
            Operator: operator, operators, "acme";
            /// A NATS account.
            Account: account, accounts, "orders";
            /// A NATS user.
            User: user, users, "ada";
            /// A YubiKey.
            Token: token, tokens, "12345678";
            /// The seal of the organisation's custody.
            Vault: vault, vaults, "custody";
        }
    };
}

macro_rules! modules {
    ($( $(#[doc = $doc:literal])* $name:ident: $module:ident, $all:ident, $example:literal; )+) => {
        $( pub mod $module; )+
    };
}
aggregates! { modules }

pub mod address;
pub mod algorithm;
mod as_json;
mod binds;
pub mod cid;
pub mod command;
mod each_once;
pub mod event;
pub mod folded;
pub mod form;
pub mod group;
pub mod ledger;
pub mod name;
mod payload;
pub mod pem;
pub mod private_key;
pub mod record;
pub mod rejection;
mod senders;
pub mod signed;
pub mod stamp;
mod table;
mod tables;
pub mod template;
pub mod text;
pub mod time;
pub mod verb;
pub mod verify;
pub mod views;
mod why;
pub mod word;

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
