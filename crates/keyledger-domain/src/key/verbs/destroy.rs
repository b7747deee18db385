//! `key.destroy`.

use super::OfKey;
use crate::{
    command::body,
    event::Event,
    key::{self, Destroyed, Key, State},
    ledger::{Deciding, Decision},
    rejection::Rejection,
    senders::Senders,
    time::Timestamp,
    verb::{Nothing, Urgency, Verb},
};

body! { Key "destroy", required reason;
    /// Destroy a key's material for good; its record stays
    Destroy {}
}

impl Verb for Destroy {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::TakesTrustAway;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        let key = on.key()?;
        on.check_not_the_ledgers()?;
        on.check_not_on_a_token(key)?;
        on.check_not_behind_trust()?;
        on.ledger.check_lists_no_more(on.name(), on.now)?;
        key.destroy(on.now).map(|events| on.writes(events))
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Key(key::Event::Destroyed(_)))
    }
}

impl Key {
    /// What its destruction writes, as far as its own history goes.
    pub(crate) fn destroy(&self, now: Timestamp) -> Result<Vec<key::Event>, Rejection> {
        match self.state {
            State::PreActive | State::Deactivated | State::Compromised => {
                let entries = self.entries().map(Box::from).collect();
                Ok(vec![key::Event::Destroyed(Destroyed {
                    destroyed_at: now,
                    entries,
                })])
            }
            State::Destroyed | State::DestroyedCompromised => Ok(vec![]), // already so
            state @ (State::Active | State::Suspended) => Err(Destroy::not_allowed(state)),
        }
    }
}
