//! `key.resume`.

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

body! { Key "resume", optional reason;
    /// Resume a suspended key
    Resume {}
}

impl Verb for Resume {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::AndServices;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        let key = on.key()?;
        on.check_sound()?;
        on.check_not_the_ledgers()?;
        on.check_on_a_trusted_token(key)?;
        on.check_not_behind_trust()?;
        key.resume(on.now).map(|events| on.writes(events))
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Key(key::Event::Resumed(_)))
    }
}

impl Key {
    /// What its resumption writes, as far as its own history goes.
    pub(crate) fn resume(&self, now: Timestamp) -> Result<Vec<key::Event>, Rejection> {
        match self.state {
            State::Suspended => {
                check_not_over(self, now)?;
                Ok(vec![key::Event::Resumed(key::Nothing {})])
            }
            State::Active => Ok(vec![]), // already so: nothing to record
            state @ (State::PreActive
            | State::Deactivated
            | State::Compromised
            | State::Destroyed
            | State::DestroyedCompromised) => Err(Resume::not_allowed(state)),
        }
    }
}
