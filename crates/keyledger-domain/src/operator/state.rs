//! The state of the operator: the fold of its events.

use serde::{Deserialize, Serialize};

use super::{AttestationAuthority, RollbackAccepted, SigningKey};
use crate::{name::Name, text::Title, time::Timestamp, word::states};

states! {
    /// The states of the operator.
    State {
        /// It signs accounts.
        Active => "active",
    }
}

/// The operator as its history left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// What people call it.
    pub title: Title,
    /// Its identity's public nkey.
    pub nkey: Box<str>,
    /// The key aggregate of the identity.
    pub key: Name,
    /// The public nkey of the system account.
    pub system_account: Box<str>,
    /// Its JWT.
    pub jwt: Box<str>,
    /// Its signing keys, oldest first.
    pub signing_keys: Vec<SigningKey>,
    /// The authorities for attestations that it trusts beside the embedded ones, oldest first.
    pub attestation_authorities: Vec<AttestationAuthority>,
    /// The rollbacks of the ledger that were accepted, oldest first.
    pub rollbacks: Vec<RollbackAccepted>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Operator {
    /// True if it trusts the authority for attestations whose certificate has this SHA-256.
    #[must_use]
    pub fn trusts(&self, sha256: &str) -> bool {
        let mut trusted = self.attestation_authorities.iter();
        trusted.any(|authority| *authority.sha256 == *sha256)
    }

    /// True if this rollback was accepted before.
    #[must_use]
    pub fn accepts(&self, rollback: &RollbackAccepted) -> bool {
        self.rollbacks.iter().any(|before| before.is_same(rollback))
    }
}
