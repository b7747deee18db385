//! `key.archive`.

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

body! { Key "archive", optional reason;
    /// Archive a key that is no longer active
    Archive {}
}

impl Verb for Archive {
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
            State::Deactivated | State::Compromised if key.archived => Ok(Decision::default()),
            State::Deactivated | State::Compromised => {
                Ok(on.writes([key::Event::Archived(key::Nothing {})]))
            }
            state @ (State::PreActive
            | State::Active
            | State::Suspended
            | State::Destroyed
            | State::DestroyedCompromised) => Err(Self::not_allowed(state)),
        }
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Key(key::Event::Archived(_)))
    }
}
