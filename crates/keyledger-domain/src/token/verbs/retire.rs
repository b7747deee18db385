//! `token.retire`.

use super::OfToken;
use crate::{
    command::body,
    event::Event,
    ledger::{Deciding, Decision},
    rejection::Rejection,
    senders::Senders,
    token::{self, At, Phase, UNDER_WAY},
    verb::{Nothing, Urgency, Verb},
};

body! { Token "retire", required reason;
    /// Retire a token that was reset or lost
    Retire {}
}

impl Verb for Retire {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        let token = on.token()?;
        let refused = |remedy| Err(Self::refused(on.name(), token, remedy));
        match token.phase {
            // It would come back to life.
            Phase::Enrolled if token.task.is_some() => refused(UNDER_WAY),
            Phase::Enrolled | Phase::Lost => {
                Ok(on.writes([token::Event::Retired(At { at: on.now })]))
            }
            Phase::Retired => Ok(Decision::default()), // already so: nothing to record
            Phase::Seen
            | Phase::Provisioning
            | Phase::Provisioned
            | Phase::Quarantined
            | Phase::Destroyed => refused("reset it first, or declare it lost"),
        }
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Token(token::Event::Retired(_)))
    }
}
