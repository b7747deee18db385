//! `token.destroy`.

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

body! { Token "destroy", required reason;
    /// Record that a token was physically destroyed
    Destroy {}
}

impl Verb for Destroy {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        let token = on.token()?;
        match token.phase {
            Phase::Destroyed => Ok(Decision::default()), // already so: nothing to record
            Phase::Retired | Phase::Lost => {
                let mut decision = on.writes([token::Event::Destroyed(At { at: on.now })]);
                for gone in token.all_keys() {
                    on.ledger.destroy_key(&gone.key, on.now, &mut decision);
                }
                Ok(decision)
            }
            Phase::Seen
            | Phase::Enrolled
            | Phase::Provisioning
            | Phase::Provisioned
            | Phase::Quarantined => Err(Self::refused(on.name(), token, "retire it first")),
        }
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Token(token::Event::Destroyed(_)))
    }
}
