//! `key.deactivate`.

use super::OfKey;
use crate::{
    command::body,
    event::Event,
    key::{self, Deactivated, Key, State},
    ledger::{Deciding, Decision},
    rejection::Rejection,
    senders::Senders,
    time::Timestamp,
    verb::{Nothing, Urgency, Verb},
};

body! { Key "deactivate", optional reason;
    /// Deactivate a key at the end of its use: it still processes what it protected
    Deactivate {}
}

impl Verb for Deactivate {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::AndServices;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        let key = on.key()?;
        on.check_not_the_ledgers()?;
        on.check_not_behind_trust()?;
        key.deactivate(on.now).map(|events| on.writes(events))
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Key(key::Event::Deactivated(_)))
    }
}

impl Key {
    /// What its deactivation writes, as far as its own history goes.
    pub(crate) fn deactivate(&self, now: Timestamp) -> Result<Vec<key::Event>, Rejection> {
        match self.state {
            State::Active | State::Suspended => Ok(vec![key::Event::Deactivated(Deactivated {
                deactivated_at: now,
            })]),
            State::Deactivated => Ok(vec![]), // already so: nothing to record
            state @ (State::PreActive
            | State::Compromised
            | State::Destroyed
            | State::DestroyedCompromised) => Err(Deactivate::not_allowed(state)),
        }
    }
}
