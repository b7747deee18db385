//! `token.transfer`.

use super::OfToken;
use crate::{
    command::body,
    event::Event,
    ledger::{Deciding, Decision},
    name::Name,
    rejection::Rejection,
    senders::Senders,
    token::{self, Assigned, Phase},
    verb::{Nothing, Urgency, Verb},
};

body! { Token "transfer", required reason;
    /// Transfer a token to another principal, after it was reset
    Transfer {
        /// The principal that holds it from now on.
        principal: Name,
    }
}

impl Verb for Transfer {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        on.acting(&self.principal)?;
        let token = on.token()?;
        let refused = |remedy| Err(Self::refused(on.name(), token, remedy));
        match token.phase {
            Phase::Enrolled => Ok(on.writes([token::Event::Assigned(Assigned {
                principal: self.principal.clone(),
            })])),
            Phase::Provisioned | Phase::Quarantined => refused("reset it first"),
            Phase::Seen => refused("enrol it first"),
            Phase::Provisioning | Phase::Lost | Phase::Retired | Phase::Destroyed => {
                refused("see `keyledger token show`")
            }
        }
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Token(token::Event::Assigned(_)))
    }
}
