//! `principal.recover-key`.

use crate::{
    command::body,
    event::Event,
    ledger::{Deciding, Decision, Fingerprint},
    name::Name,
    principal::{self, KeyRecovered},
    record::Record,
    rejection::Rejection,
    senders::Senders,
    stamp::Stamp,
    user::check_nkey,
    verb::{SealedSecrets, Urgency, Verb},
};

body! { Principal "recover-key", required reason;
    /// Recover a key in custody that decrypts for a principal, also one that was revoked with a lost token, sealed to your curve
    /// key; for approvers
    RecoverKey {
        /// Which key; the newest if absent.
        key: Option<Name>,
        /// The requester's public curve key (`X…`): it is sealed to it.
        seal_to: String,
    }
}

/// Custody holds the key, and opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recoverable;

impl Verb for RecoverKey {
    type Made = Option<Recoverable>;
    type Gives = SealedSecrets;

    const SENDERS: Senders = Senders::Approvers;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, made: &Option<Recoverable>) -> Result<Decision, Rejection> {
        on.ledger
            .check_sound("seal_to", Fingerprint::of_nkey(&self.seal_to))?;
        let principal = on.principal()?;
        check_nkey("seal_to", &self.seal_to, 'X', "a public curve key (`X…`)")?;
        let escrowed = principal.escrowed_as(self.key.as_ref());
        let escrowed = escrowed.ok_or_else(|| Rejection::BadValue {
            field: "key",
            fault: format!("custody has made no such key for {}", on.name()),
        })?;
        if made.is_none() {
            return Err(Rejection::NoMaterial {
                key: escrowed.key.clone(),
                why: "custody did not open it",
            });
        }
        Ok(on.writes([principal::Event::KeyRecovered(KeyRecovered {
            key: escrowed.key.clone(),
            seal_to: self.seal_to.as_str().into(),
        })]))
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Principal(principal::Event::KeyRecovered(_)))
    }

    fn is_retry_of(&self, first: &Record, sender: &Stamp) -> bool {
        let Event::Principal(principal::Event::KeyRecovered(before)) = &first.event else {
            return false;
        };
        let is_key = self.key.as_ref().is_none_or(|key| *key == before.key);
        first.principal.is_same_user(sender) && is_key && *before.seal_to == *self.seal_to
    }
}
