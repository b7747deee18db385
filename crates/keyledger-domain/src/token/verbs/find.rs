//! `token.find`.

use super::OfToken;
use crate::{
    command::body,
    event::Event,
    ledger::{Deciding, Decision},
    rejection::Rejection,
    senders::Senders,
    token::{self, At, Phase},
    verb::{Nothing, Urgency, Verb},
};

body! { Token "find", required reason;
    /// Declare a lost token found: it must be reset before anything else
    Find {}
}

impl Verb for Find {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        let token = on.token()?;
        let refused = |remedy| Err(Self::refused(on.name(), token, remedy));
        match token.phase {
            Phase::Lost => Ok(on.writes([token::Event::Found(At { at: on.now })])),
            Phase::Seen => refused("enrol it first"),
            Phase::Enrolled
            | Phase::Provisioning
            | Phase::Provisioned
            | Phase::Quarantined
            | Phase::Retired
            | Phase::Destroyed => refused("see `keyledger token show`"),
        }
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Token(token::Event::Found(_)))
    }
}
