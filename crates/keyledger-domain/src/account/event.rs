//! What is written of what happens to an account.

use serde::{Deserialize, Serialize};

use super::intent::{Intent, Scope};
use crate::{name::Name, stamp::Role, template::TemplateVersion, text::Title, time::Timestamp};

/// What an account is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The servers' own account.
    System,
    /// The account that this service lives in.
    Service,
    /// The account of the inventory bucket.
    Views,
    /// The account of the agents on workstations.
    Agents,
    /// An account whose users command this service.
    Client,
    /// An account that knows nothing of this service.
    Plain,
}

impl Purpose {
    /// True of the accounts that only this service, its agents and the servers connect to.
    #[must_use]
    pub const fn is_own(self) -> bool {
        match self {
            Self::System | Self::Service | Self::Views | Self::Agents => true,
            Self::Client | Self::Plain => false,
        }
    }

    /// What the accounts are for that one of this purpose imports from, as the templates say.
    #[must_use]
    pub const fn imports_from(self) -> &'static [Self] {
        match self {
            Self::Service => &[Self::Views],
            Self::Agents => &[Self::Service],
            Self::Client => &[Self::Service, Self::Views],
            Self::System | Self::Views | Self::Plain => &[],
        }
    }
}

/// A signing key of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningKey {
    /// The key aggregate.
    pub key: Name,
    /// Its public nkey.
    pub nkey: Box<str>,
    /// The role of this service that its users have. What it means is for the templates to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The role of the organisation's own making that its users have instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Box<Scope>>,
}

/// An account was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Created {
    /// What people call it.
    pub title: Title,
    /// What it is for.
    pub purpose: Purpose,
    /// Its identity: a public nkey (`A…`).
    pub nkey: Box<str>,
    /// The key aggregate of the identity.
    pub key: Name,
    /// Its signing keys.
    pub signing_keys: Vec<SigningKey>,
    /// What it is to be: limits, exports, imports, and the version of the templates.
    pub intent: Intent,
    /// The operator's signing key that signs its JWT.
    pub issuer: Box<str>,
    /// The `iat` of its JWT, in seconds.
    pub issued_at: i64,
}

/// It stands on another version of the templates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateAdopted {
    /// The version.
    pub template: TemplateVersion,
    /// The `iat` of the account's new JWT, in seconds: strictly more than the last one's.
    pub issued_at: i64,
}

/// A user was put on the revocation list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationAdded {
    /// The user.
    pub user: Name,
    /// Its public nkey.
    pub nkey: Box<str>,
    /// JWTs issued until this second are refused.
    pub until: i64,
    /// When the last JWT it refuses expires, in seconds; 0 if never. The entry may leave after that.
    pub expires_at: i64,
    /// The `iat` of the account's new JWT, in seconds: strictly more than the last one's.
    pub issued_at: i64,
    /// When the newest JWT that it refuses was issued, in seconds; not written before lists could collapse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_issued_at: Option<i64>,
}

/// Entries left a revocation list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationsExpired {
    /// Those left that refuse only JWTs that expired before this second.
    pub before: i64,
    /// The `iat` of the account's new JWT, in seconds: strictly more than the last one's.
    pub issued_at: i64,
}

/// A revocation list became shorter, and refuses the same users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationsCollapsed {
    /// All JWTs issued until this second are refused. Every one of a user who stays was issued later.
    pub until: i64,
    /// The `iat` of the account's new JWT, in seconds: strictly more than the last one's.
    pub issued_at: i64,
}

/// The same JWT under a newer `iat`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renewed {
    /// Why.
    pub cause: RenewalCause,
    /// The `iat` of the account's new JWT, in seconds: strictly more than the last one's.
    pub issued_at: i64,
}

/// Why an account's JWT was signed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RenewalCause {
    /// A server lost its copy, and takes no JWT that it believes it has.
    Lost,
    /// A server holds a newer one, and an administrator said that the ledger counts.
    Overridden,
}

/// All servers hold the JWT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmed {
    /// The `iat` of the JWT.
    pub issued_at: i64,
    /// The servers that were seen to hold it, by name.
    pub servers: Vec<Box<str>>,
    /// Milliseconds from the decision until the last of them was seen to hold it.
    pub took_ms: u64,
    /// When that was.
    pub confirmed_at: Timestamp,
}

/// A server was found with another JWT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftRepaired {
    /// The server's name.
    pub server: Box<str>,
    /// The `jti` of what it held; none if it held nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Box<str>>,
    /// The `iat` of what it was given.
    pub issued_at: i64,
    /// How often that was since it was last written down, where it was more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}
