//! The state of the operator: the fold of its events.

use serde::{Deserialize, Serialize};

use super::{Event, SigningKey};
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
            created_at: at,
        })
    }

    /// Takes in what happened.
    pub fn evolve(&mut self, event: &Event) {
        match event {
            Event::Created(_) => {}
            Event::SigningKeyAdded(key) => self.signing_keys.push(key.clone()),
            Event::Described(described) => self.title = described.title.clone(),
        }
    }
}
