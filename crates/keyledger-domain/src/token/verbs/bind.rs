//! `token.bind`.

use super::OfToken;
use crate::{
    command::body,
    event::Event,
    ledger::{Deciding, Decision},
    name::{Aggregate, HistoryId, Name},
    rejection::Rejection,
    senders::Senders,
    token::{self, MAX_BOUND_USERS, Phase, UserBound},
    verb::{Nothing, Urgency, Verb},
};

body! { Token "bind", optional reason;
    /// Bind a NATS user to a token: when the token is lost, the user is revoked
    Bind {
        /// The user.
        user: Name,
    }
}

impl Verb for Bind {
    type Made = Nothing;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::Administrators;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, _made: &Nothing) -> Result<Decision, Rejection> {
        let user = HistoryId::new(Aggregate::User, self.user.clone());
        match on.ledger.user(&self.user) {
            None => return Err(Rejection::NotFound(user)),
            Some(entry) if !entry.state.is_live(on.now) => return Err(Rejection::Ended(user)),
            Some(_) => {}
        }
        let token = on.token()?;
        let refused = |remedy| Err(Self::refused(on.name(), token, remedy));
        match token.phase {
            Phase::Enrolled | Phase::Provisioning | Phase::Provisioned | Phase::Quarantined => {}
            Phase::Seen => return refused("enrol it first"),
            Phase::Lost | Phase::Retired | Phase::Destroyed => {
                return refused("see `keyledger token show`");
            }
        }
        if token.users.contains(&self.user) {
            return Ok(Decision::default()); // already so: nothing to record
        }
        if token.users.len() >= MAX_BOUND_USERS {
            return Err(Rejection::LimitReached {
                what: "users bound to a token",
                max: MAX_BOUND_USERS,
            });
        }
        Ok(on.writes([token::Event::UserBound(UserBound {
            user: self.user.clone(),
        })]))
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Token(token::Event::UserBound(_)))
    }
}
