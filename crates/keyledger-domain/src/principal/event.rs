//! What can happen to a principal.

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::{
    event::events,
    group::Group,
    key::Escrowed,
    name::Name,
    text::{Labels, Title},
    time::Timestamp,
};

events! {
    /// It was registered.
    "principal.v1.registered" => Registered(Registered),
    /// Its description changed: what is absent stayed as it was.
    "principal.v1.described" => Described(Description),
    /// Its OpenPGP certificate was published: the newest one holds all that the earlier ones held.
    "principal.v1.openpgp_published" => OpenpgpPublished(OpenpgpPublished),
    /// Custody made a key that decrypts for it: its tokens hold that from now on.
    "principal.v1.key_escrowed" => KeyEscrowed(Escrowed),
    /// A key that decrypts for it was given to somebody, sealed.
    "principal.v1.key_recovered" => KeyRecovered(KeyRecovered),
    /// It acts no more.
    "principal.v1.offboarded" => Offboarded(Offboarded),
}

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

impl Event {
    /// The groups that its history is in from then on, if it was not before.
    #[must_use]
    pub fn joins(&self) -> Vec<Group> {
        let described = match self {
            Self::Registered(registered) => &registered.description,
            Self::Described(described) => described,
            Self::OpenpgpPublished(_)
            | Self::KeyEscrowed(_)
            | Self::KeyRecovered(_)
            | Self::Offboarded(_) => {
                return Vec::new();
            }
            Self::OfVerb(event) => return event.joins(),
        };
        let responsible = described.responsible.clone();
        responsible.map(Group::AnsweredBy).into_iter().collect()
    }
}
