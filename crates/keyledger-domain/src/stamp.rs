//! Who did it, as verified: the principal that stands in every event.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::name::Name;

/// The roles of an importing account: each is a scoped signing key.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Commands everything.
    Administrator,
    /// Approves what others asked for.
    Approver,
    /// Reads everything, commands nothing.
    Auditor,
    /// A program: commands the keys that bear its name or stand in its tags.
    Service,
    /// A workstation's agent: takes its own tasks and reports, commands nothing.
    Agent,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Administrator,
        Self::Approver,
        Self::Auditor,
        Self::Service,
        Self::Agent,
    ];

    /// Those of accounts that import this service; an agent's is of the service's own account.
    pub const OF_CLIENTS: [Self; 4] = [
        Self::Administrator,
        Self::Approver,
        Self::Auditor,
        Self::Service,
    ];

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Approver => "approver",
            Self::Auditor => "auditor",
            Self::Service => "service",
            Self::Agent => "agent",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// How an identity was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerifiedBy {
    /// nats-server's own stamp on a shared service import.
    RequestInfo,
    /// That stamp, and besides a signature over the command by a key on the sender's own token: [`Stamp::key`].
    TokenSignature,
    /// The subject it was published on, pinned by a scoped signing key.
    Subject,
    /// It is the service itself: its scheduler or an effect's outcome.
    Service,
    /// It is the offline trust bootstrap, under the operator's signature.
    Genesis,
}

/// Who did it: authority goes by the nkeys, the names are for people.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Stamp {
    /// The account's public nkey.
    pub account: Arc<str>,
    /// The user's public nkey.
    pub user: Arc<str>,
    /// The user's name, from its JWT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// The role whose signing key issued the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The host it connected from, as nats-server saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Arc<str>>,
    /// How this was verified.
    pub verified_by: VerifiedBy,
    /// The key on a token that signed the command, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Name>,
}

impl Stamp {
    /// True of the same user of the same account, by nkeys: names are for people.
    #[must_use]
    pub fn is_same_user(&self, other: &Self) -> bool {
        (&self.account, &self.user) == (&other.account, &other.user)
    }
}
