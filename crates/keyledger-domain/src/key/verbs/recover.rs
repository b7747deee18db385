//! `key.recover`.

use super::OfKey;
use crate::{
    command::body,
    event::Event,
    key::{self, State},
    ledger::{Deciding, Decision},
    rejection::Rejection,
    senders::Senders,
    verb::{Nothing, Urgency, Verb},
};

body! { Key "recover", required reason;
    /// Recover an archived key
    Recover {}
}

impl Verb for Recover {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        let key = on.key()?;
        on.check_not_the_ledgers()?;
        on.check_not_behind_trust()?;
        match key.state {
            // Already so: nothing to record.
            State::Deactivated | State::Compromised if !key.archived => Ok(Decision::default()),
            State::Deactivated | State::Compromised => {
                Ok(on.writes([key::Event::Recovered(key::Nothing {})]))
            }
            state @ (State::PreActive
            | State::Active
            | State::Suspended
            | State::Destroyed
            | State::DestroyedCompromised) => Err(Self::not_allowed(state)),
        }
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Key(key::Event::Recovered(_)))
    }
}
