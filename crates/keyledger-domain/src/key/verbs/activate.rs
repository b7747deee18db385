//! `key.activate`.

use super::OfKey;
use crate::{
    command::body,
    event::Event,
    key::{self, Key, State, dates::check_not_over},
    ledger::{Deciding, Decision},
    rejection::Rejection,
    senders::Senders,
    time::Timestamp,
    verb::{Nothing, Urgency, Verb},
};

body! { Key "activate", optional reason;
    /// Activate a pre-active key: from now on it protects and processes
    Activate {}
}

impl Verb for Activate {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::AndServices;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        let key = on.key()?;
        on.check_sound()?;
        on.check_not_the_ledgers()?;
        on.check_not_on_a_token(key)?;
        on.check_not_behind_trust()?;
        key.activate(on.now).map(|events| on.writes(events))
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Key(key::Event::Activated(_)))
    }
}

impl Key {
    /// What its activation writes, as far as its own history goes.
    pub(crate) fn activate(&self, now: Timestamp) -> Result<Vec<key::Event>, Rejection> {
        match self.state {
            State::PreActive => {
                check_not_over(self, now)?;
                Ok(vec![self.activated(now)])
            }
            State::Active => Ok(vec![]), // already so: nothing to record
            state @ (State::Suspended
            | State::Deactivated
            | State::Compromised
            | State::Destroyed
            | State::DestroyedCompromised) => Err(Activate::not_allowed(state)),
        }
    }
}
