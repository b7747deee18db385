//! `key.suspend`.

use super::OfKey;
use crate::{
    command::body,
    event::Event,
    key::{self, Key, State},
    ledger::{Deciding, Decision},
    rejection::Rejection,
    senders::Senders,
    verb::{Nothing, Urgency, Verb},
};

body! { Key "suspend", required reason;
    /// Suspend an active key: it protects nothing until it is resumed
    Suspend {}
}

impl Verb for Suspend {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::AndServices;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        let key = on.key()?;
        on.check_not_the_ledgers()?;
        on.check_not_behind_trust()?;
        key.suspend().map(|events| on.writes(events))
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Key(key::Event::Suspended(_)))
    }
}

impl Key {
    /// What its suspension writes, as far as its own history goes.
    pub(crate) fn suspend(&self) -> Result<Vec<key::Event>, Rejection> {
        match self.state {
            State::Active => Ok(vec![key::Event::Suspended(key::Nothing {})]),
            State::Suspended => Ok(vec![]), // already so: nothing to record
            state @ (State::PreActive
            | State::Deactivated
            | State::Compromised
            | State::Destroyed
            | State::DestroyedCompromised) => Err(Suspend::not_allowed(state)),
        }
    }
}
