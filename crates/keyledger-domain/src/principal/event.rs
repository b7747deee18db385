//! What is written of what happens to a principal.

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::{
    name::Name,
    text::{Labels, Title},
    time::Timestamp,
};

/// A principal was registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// What it is.
    pub kind: Kind,
    /// Its description; the title is always there.
    pub description: Description,
}

/// What people say of a principal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Title>,
    /// Where to write to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Title>,
    /// The unit it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Name>,
    /// The person who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responsible: Option<Name>,
    /// All its labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
}

/// An OpenPGP certificate was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenpgpPublished {
    /// Its primary key's fingerprint, 40 digits of hex.
    pub fingerprint: Box<str>,
    /// Base64 of the certificate.
    pub certificate: Box<str>,
}

/// A key of custody was given away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecovered {
    /// The key aggregate.
    pub key: Name,
    /// The public curve key that it was sealed to.
    pub seal_to: Box<str>,
}

/// A principal was offboarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offboarded {
    /// When.
    pub offboarded_at: Timestamp,
    /// Who was named to get what it owned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Name>,
}
