//! The state of an account: the fold of its events.

use serde::{Deserialize, Serialize};

use super::{
    Purpose, SigningKey,
    intent::{Intent, Limit},
    revocations::{Revocations, jwt_bytes},
};
use crate::{as_json, name::Name, stamp::Role, text::Title, time::Timestamp, word::states};

/// The most that the templates add to the JSON of an account's claims, without the roles of its signing keys, in bytes.
const TEMPLATE_BYTES: usize = 28_672;
/// The most that they say of a role.
const ROLE_BYTES: usize = 8_192;
/// The most that leave to import adds to the JSON of an import, in bytes.
const LEAVE_BYTES: usize = 1_536;

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
    #[serde(with = "as_json")]
    pub signing_keys: Vec<SigningKey>,
    /// What it is to be.
    #[serde(with = "as_json")]
    pub intent: Intent,
    /// The operator's signing key that signs its JWT.
    pub issuer: Box<str>,
    /// Whose JWTs are refused.
    pub revocations: Revocations,
    /// The `iat` of its newest JWT.
    pub issued_at: i64,
    /// The `iat` of the newest JWT seen on every server.
    pub confirmed: Option<i64>,
    /// The `iat` of its first JWT that says this intent, in seconds: when it was given leave to import.
    pub intended_at: i64,
    /// The most that its claims have in JSON, without revocations, in bytes.
    pub(super) claims_bytes: usize,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its newest JWT was decided.
    pub changed_at: Timestamp,
}

impl Account {
    /// The length of its JWT with so many revocations, in bytes: never less than it is, whatever version of the templates it stands on.
    #[must_use]
    pub const fn jwt_bytes(&self, revocations: usize) -> usize {
        jwt_bytes(self.claims_bytes, revocations)
    }

    /// The most that its claims have in JSON, without revocations, in bytes.
    pub(super) fn weigh(&self) -> usize {
        let json = |text: Result<String, _>| text.map_or(0, |text: String| text.len());
        let own = self.intent.claims(Limit::Unlimited, Limit::Unlimited);
        let imports = json(serde_json::to_string(&self.intent.imports));
        let keys = self.signing_keys.iter().map(|key| {
            let scope = key.scope.as_ref();
            let own = scope.map_or(0, |scope| 2 * json(serde_json::to_string(scope)));
            let role = key.role.map_or(0, |_| ROLE_BYTES);
            own + role + 2 * key.nkey.len() + 64
        });
        let template = match self.purpose {
            Purpose::System | Purpose::Plain => 0,
            Purpose::Service | Purpose::Views | Purpose::Agents | Purpose::Client => TEMPLATE_BYTES,
        };
        json(serde_json::to_string(&own))
            + imports
            + self.intent.imports.len() * LEAVE_BYTES
            + keys.sum::<usize>()
            + template
    }

    /// The signing key that issues users of `role`, or unscoped ones.
    #[must_use]
    pub fn signing_key(&self, role: Option<Role>) -> Option<&SigningKey> {
        let mut newest_first = self.signing_keys.iter().rev();
        newest_first.find(|key| key.role == role && key.scope.is_none())
    }

    /// The `iat` of its next JWT: now, and strictly more than the last one's.
    #[must_use]
    pub fn next_issued_at(&self, now: Timestamp) -> i64 {
        now.seconds().max(self.issued_at + 1)
    }
}
