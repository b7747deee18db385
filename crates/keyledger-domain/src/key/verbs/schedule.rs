//! `key.schedule`.

use super::OfKey;
use crate::{
    command::body,
    event::Event,
    key::{self, Dates, State, dates::scheduled},
    ledger::{Deciding, Decision},
    rejection::Rejection,
    senders::Senders,
    time::Timestamp,
    verb::{Nothing, Urgency, Verb},
};

body! { Key "schedule", optional reason;
    /// Schedule a key's dates and its rotation period; what is absent stays as it is
    Schedule {
        /// When it is to be activated; only while it is pre-active.
        activation_at: Option<Timestamp>,
        /// The end of its originator-usage period.
        protect_stop_at: Option<Timestamp>,
        /// The end of its recipient-usage period.
        process_stop_at: Option<Timestamp>,
        /// Days of 86,400 seconds after which rotation falls due, 1 to 7,300.
        rotation_period_days: Option<u16>,
    }
}

impl Verb for Schedule {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        let key = on.key()?;
        // A date would end the ledger's own; only its rotation may be planned.
        if self.protect_stop_at.is_some() || self.process_stop_at.is_some() {
            on.check_not_the_ledgers()?;
        }
        on.check_not_behind_trust()?;
        match key.state {
            State::PreActive | State::Active | State::Suspended => {
                let new = Dates {
                    activation_at: self.activation_at,
                    protect_stop_at: self.protect_stop_at,
                    process_stop_at: self.process_stop_at,
                    rotation_period_days: self.rotation_period_days,
                };
                scheduled(key, new, on.now).map(|events| on.writes(events))
            }
            state @ (State::Deactivated
            | State::Compromised
            | State::Destroyed
            | State::DestroyedCompromised) => Err(Self::not_allowed(state)),
        }
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Key(key::Event::Scheduled(_)))
    }
}
