//! The state of the operator: the fold of its events.

use serde::{Deserialize, Serialize};

use super::{AttestationAuthority, Event, RollbackAccepted, SigningKey};
use crate::{name::Name, text::Title, time::Timestamp};

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
    /// The operator as its first event makes it; nothing if that is not its creation.
    #[must_use]
    pub fn create(event: &Event, at: Timestamp) -> Option<Self> {
        let Event::Created(created) = event else {
            return None;
        };
        let created = created.clone();
        Some(Self {
            title: created.title,
            nkey: created.nkey,
            key: created.key,
            system_account: created.system_account,
            jwt: created.jwt,
            signing_keys: Vec::new(),
            attestation_authorities: Vec::new(),
            rollbacks: Vec::new(),
            created_at: at,
        })
    }

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

    /// Takes in what happened.
    pub fn evolve(&mut self, event: &Event) {
        match event {
            Event::OfVerb(event) => event.evolve(self),
            Event::Created(_) => {}
            Event::SigningKeyAdded(key) => self.signing_keys.push(key.clone()),
            Event::Described(described) => self.title = described.title.clone(),
            Event::AttestationAuthorityTrusted(authority) => {
                self.attestation_authorities.push(authority.clone());
            }
            Event::RollbackAccepted(rollback) => self.rollbacks.push(rollback.clone()),
        }
    }
}
