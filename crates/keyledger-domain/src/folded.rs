//! What the ledger asks of the state of an aggregate.

use std::fmt;

use serde::Serialize;

use crate::{
    group::Fingerprint, key::Certified, name::Name, record::Why, time::Timestamp, word::Word,
};

/// The state of an aggregate: what the events of one history made of it.
pub trait Folded: Sized + Clone + fmt::Debug + PartialEq + Serialize {
    /// What happens to it.
    type Event;
    /// The states it can be in.
    type State: Word;

    /// The state that a history begins with; nothing if the event begins none.
    fn begin(event: &Self::Event, at: Timestamp) -> Option<Self>;

    /// Takes in what happened at `at`. Holds no rule: whatever happened, happened.
    fn fold(&mut self, event: &Self::Event, at: Timestamp);

    /// The state it is in.
    fn state(&self) -> Self::State;

    /// Takes in why it was done, in the words of who did it: an event's envelope says so, not its body.
    fn explain(&mut self, _event: &Self::Event, _why: &Why) {}

    /// How the event is found later, besides by its history.
    fn indexed(_event: &Self::Event) -> Vec<Indexed<'_>> {
        Vec::new()
    }

    /// The public keys that it bears.
    fn public_keys(&self) -> Vec<Fingerprint> {
        Vec::new()
    }

    /// The next moment at which something falls due of it; `ends` is false of a key that no clock may end.
    fn next_due(&self, _ends: bool) -> Option<Timestamp> {
        None
    }

    /// The version that must come next and the one that the event claims to be, where these differ.
    fn wrong_version(&self, _event: &Self::Event) -> Option<(u32, u32)> {
        None
    }
}

/// How something is found in the ledger, besides by its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indexed<'a> {
    /// It bears this public key; none if what was written is no public key.
    PublicKey(Option<Fingerprint>),
    /// It has this certificate.
    Certificate(&'a Certified),
    /// It is the account with this public nkey.
    Account(&'a str),
    /// It is the user with this public nkey.
    User(&'a str),
    /// NATS trust of it stands on this key.
    TrustOn(&'a Name),
}
