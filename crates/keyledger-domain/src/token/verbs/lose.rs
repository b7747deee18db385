//! `token.lose`.

use super::OfToken;
use crate::{
    command::body,
    event::Event,
    ledger::{Deciding, Decision, Ledger},
    name::Name,
    rejection::Rejection,
    senders::Senders,
    token::{self, At, Phase},
    verb::{Nothing, Urgency, Verb},
};

body! { Token "lose", required reason;
    /// Declare a token lost: revokes every key on it, their certificates, and the NATS users bound to it
    Lose {}
}

impl Verb for Lose {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::TakesTrustAway;
    const CHANGES_ACCOUNT_JWTS: bool = true;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        let token = on.token()?;
        let refused = |remedy| Err(Self::refused(on.name(), token, remedy));
        match token.phase {
            Phase::Lost => Ok(Decision::default()), // already so: nothing to record
            Phase::Enrolled | Phase::Provisioning | Phase::Provisioned | Phase::Quarantined => {
                let mut decision = on.writes([token::Event::Lost(At { at: on.now })]);
                on.ledger.lose(token, on.now, &mut decision)?;
                Ok(decision)
            }
            Phase::Seen => refused("enrol it first"),
            Phase::Retired | Phase::Destroyed => refused("see `keyledger token show`"),
        }
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Token(token::Event::Lost(_)))
    }

    fn remarks(&self, ledger: &Ledger, on: &Name, changed: bool) -> Vec<String> {
        match ledger.token(on) {
            Some(token) if changed => {
                ledger.after_revocation(token.state.may_hold(), token.head.at)
            }
            Some(_) | None => Vec::new(),
        }
    }
}
