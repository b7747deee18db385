//! `token.enrol`.

use crate::{
    command::body,
    event::Event,
    ledger::{Deciding, Decision},
    rejection::Rejection,
    senders::Senders,
    text::Title,
    token::{self, Enrolled, Phase},
    verb::{Nothing, Urgency, Verb},
};

body! { Token "enrol", optional reason;
    /// Enrol a token, by its serial number: from now on it is the organisation's
    Enrol {
        /// What people call it.
        title: Option<Title>,
    }
}

impl Verb for Enrol {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        on.serial()?;
        match on.ledger.token(on.name()).map(|entry| entry.state.phase) {
            None | Some(Phase::Seen) => Ok(on.writes([token::Event::Enrolled(Enrolled {
                title: self.title.clone(),
            })])),
            Some(
                Phase::Enrolled
                | Phase::Provisioning
                | Phase::Provisioned
                | Phase::Quarantined
                | Phase::Lost
                | Phase::Retired
                | Phase::Destroyed,
            ) => Err(Rejection::NameTaken(on.target.clone())),
        }
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Token(token::Event::Enrolled(_)))
    }
}
