//! `token.assign`.

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

body! { Token "assign", optional reason;
    /// Assign an enrolled token to a principal
    Assign {
        /// The principal that holds it.
        principal: Name,
    }
}

impl Verb for Assign {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        on.acting(&self.principal)?;
        let token = on.token()?;
        let refused = |remedy| Err(Self::refused(on.name(), token, remedy));
        match token.phase {
            Phase::Enrolled => match &token.principal {
                Some(holder) if *holder == self.principal => Ok(Decision::default()),
                Some(_) => refused("it is another's: transfer it"),
                None => Ok(on.writes([token::Event::Assigned(Assigned {
                    principal: self.principal.clone(),
                })])),
            },
            Phase::Seen => refused("enrol it first"),
            Phase::Provisioning
            | Phase::Provisioned
            | Phase::Quarantined
            | Phase::Lost
            | Phase::Retired
            | Phase::Destroyed => refused("see `keyledger token show`"),
        }
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Token(token::Event::Assigned(_)))
    }
}
