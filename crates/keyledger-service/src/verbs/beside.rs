//! What was made for a command beside the facts for its decision.

use keyledger_domain::{Ledger, Name};
use keyledger_wire::Sealed;

use super::key::VersionTurn;
use crate::{handler::Failure, shared::Shared};

/// What was made for a command beside the facts for its decision.
#[derive(Default)]
pub(crate) struct Beside {
    /// Entries written for it.
    pub(super) entries: Vec<String>,
    /// The creds, sealed to the requester.
    pub(super) creds: Option<Sealed>,
    /// The turn to write to the key that it is for: nobody else makes a version of it meanwhile.
    pub(super) _turn: Option<VersionTurn>,
}

impl Beside {
    /// These entries were written.
    pub(crate) fn wrote(entries: Vec<String>) -> Self {
        Self {
            entries,
            ..Self::default()
        }
    }

    /// Erases material that was made for nothing. It stays if an event names it after all: the event's acknowledgement was lost, and the
    /// event was found again.
    pub(crate) async fn discard(&self, shared: &Shared) {
        for entry in &self.entries {
            if is_named(&shared.live.ledger.read(), entry) {
                continue;
            }
            if let Err(error) = shared.materials.erase(entry).await {
                tracing::warn!(%error, %entry, "unused material was not erased");
            }
        }
    }

    /// Erases what was made for a command that certainly wrote nothing.
    pub(crate) async fn forget(&self, shared: &Shared, failure: &Failure) {
        // If nobody knows whether the event is stored, the material that it names must stay.
        if matches!(failure, Failure::Rejected(_) | Failure::Full(_)) {
            self.discard(shared).await;
        }
    }
}

/// True of an entry that an event names, or whose user an event tells of.
pub(crate) fn is_named(ledger: &Ledger, entry: &str) -> bool {
    match entry.split_once('.') {
        Some(("creds", tail)) => tail
            .rsplit_once('.')
            .is_some_and(|(_, nkey)| ledger.user_of_nkey(nkey).is_some()),
        Some(("token", tail)) => tail
            .split_once('.')
            .and_then(|(token, _)| ledger.token(&Name::new(token).ok()?))
            .is_some_and(|token| token.state.names(entry)),
        Some((key, _)) => Name::new(key)
            .ok()
            .and_then(|key| ledger.key(&key))
            .is_some_and(|key| key.state.entries().any(|named| named == entry)),
        None => false,
    }
}
