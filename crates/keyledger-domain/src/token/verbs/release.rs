//! `token.release`.

use super::OfToken;
use crate::{
    command::body,
    event::Event,
    ledger::{Deciding, Decision, Fingerprint},
    record::Record,
    rejection::Rejection,
    senders::Senders,
    stamp::Stamp,
    token::{self, SecretsReleased},
    user::check_nkey,
    verb::{SealedSecrets, Urgency, Verb},
};

body! { Token "release", required reason;
    /// Release a token's PUK and management key, sealed to your curve key; for approvers
    Release {
        /// The requester's public curve key (`X…`): they are sealed to it.
        seal_to: String,
    }
}

/// Custody holds the token's secrets, and opens them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Releasable;

impl Verb for Release {
    type Made = Option<Releasable>;
    type Gives = SealedSecrets;

    const SENDERS: Senders = Senders::Approvers;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, made: &Option<Releasable>) -> Result<Decision, Rejection> {
        on.ledger
            .check_sound("seal_to", Fingerprint::of_nkey(&self.seal_to))?;
        let token = on.token()?;
        if token.entry.is_none() {
            return Err(Self::refused(
                on.name(),
                token,
                "no secrets of it are in custody",
            ));
        }
        check_nkey("seal_to", &self.seal_to, 'X', "a public curve key (`X…`)")?;
        if made.is_none() {
            return Err(Self::refused(
                on.name(),
                token,
                "custody did not open its secrets: try again",
            ));
        }
        Ok(on.writes([token::Event::SecretsReleased(SecretsReleased {
            seal_to: self.seal_to.as_str().into(),
            task: None,
        })]))
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Token(token::Event::SecretsReleased(_)))
    }

    fn is_retry_of(&self, first: &Record, sender: &Stamp) -> bool {
        let Event::Token(token::Event::SecretsReleased(before)) = &first.event else {
            return false;
        };
        let is_own = first.principal.is_same_user(sender) && before.task.is_none();
        is_own && *before.seal_to == *self.seal_to
    }
}
