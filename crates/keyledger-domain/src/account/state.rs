//! The state of an account: the fold of its events.

use serde::{Deserialize, Serialize};

use super::{
    Purpose,
    revocations::{Revocations, jwt_bytes},
};
use crate::{name::Name, stamp::Role, text::Title, time::Timestamp, word::states};

/// A signing key as the state keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signing {
    /// The key aggregate.
    pub key: Name,
    /// Its public nkey.
    pub nkey: Box<str>,
    /// The role of its users.
    pub role: Option<Role>,
    /// The JSON of its scope's template.
    pub template: Option<Box<str>>,
}

states! {
    /// The states of an account.
    State {
        /// Its users connect.
        Active => "active",
    }
}

/// An account as its history left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// What people call it.
    pub title: Title,
    /// What it is for.
    pub purpose: Purpose,
    /// Its identity's public nkey.
    pub nkey: Box<str>,
    /// The key aggregate of the identity.
    pub key: Name,
    /// Its signing keys, oldest first.
    pub signing_keys: Vec<Signing>,
    /// The JSON of its JWT's `nats` object without signing keys and revocations.
    pub claims: Box<str>,
    /// The operator's signing key that signs its JWT.
    pub issuer: Box<str>,
    /// Whose JWTs are refused.
    pub revocations: Revocations,
    /// The `iat` of its newest JWT.
    pub issued_at: i64,
    /// The `iat` of the newest JWT seen on every server.
    pub confirmed: Option<i64>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its newest JWT was decided.
    pub changed_at: Timestamp,
}

impl Account {
    /// The length of its JWT with so many revocations, in bytes: never less than it is.
    #[must_use]
    pub fn jwt_bytes(&self, revocations: usize) -> usize {
        let keys = self.signing_keys.iter().map(|key| {
            let template = key.template.as_ref().map_or(0, |template| template.len());
            template + 2 * key.nkey.len() + 64
        });
        jwt_bytes(self.claims.len() + keys.sum::<usize>(), revocations)
    }

    /// The signing key that issues users of `role`, or unscoped ones.
    #[must_use]
    pub fn signing_key(&self, role: Option<Role>) -> Option<&Signing> {
        self.signing_keys.iter().rev().find(|k| k.role == role)
    }

    /// The `iat` of its next JWT: now, and strictly more than the last one's.
    #[must_use]
    pub fn next_issued_at(&self, now: Timestamp) -> i64 {
        now.seconds().max(self.issued_at + 1)
    }
}
