//! What is written of what happens to a user.

use serde::{Deserialize, Serialize};

use crate::{name::Name, stamp::Role, time::Timestamp};

/// A user's JWT was issued. The JWT is a function of these fields and its issuer's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issued {
    /// The account it belongs to.
    pub account: Name,
    /// Its public nkey.
    pub nkey: Box<str>,
    /// True if the seed was generated here, sealed to the requester and forgotten.
    pub generated: bool,
    /// Its role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The account's signing key that signs its JWT.
    pub issuer: Box<str>,
    /// The principal it stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Name>,
    /// The `iat` of its JWT, in seconds.
    pub issued_at: i64,
    /// The `exp` of its JWT, in seconds; 0 if never, as only the service's own are.
    pub expires_at: i64,
    /// Keys it may command besides its namesake.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Name>,
    /// Subjects it may publish to; everything if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<Vec<Box<str>>>,
    /// Subjects it may subscribe to; everything if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscribe: Option<Vec<Box<str>>>,
}

/// A user was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// Its public nkey.
    pub nkey: Box<str>,
    /// When.
    pub revoked_at: Timestamp,
}

/// A revocation was seen on every server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationConfirmed {
    /// Milliseconds from the decision until the last server was seen to refuse it.
    pub took_ms: u64,
    /// The servers, by name.
    pub servers: Vec<Box<str>>,
}
