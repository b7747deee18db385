//! What is written of what happens to a key.

use serde::{Deserialize, Serialize};

use super::{Classification, RevocationReason};
use crate::{
    algorithm::{Algorithm, Purposes},
    name::Name,
    text::{Labels, Note, Title},
    time::Timestamp,
};

/// A key's owner was offboarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandedOver {
    /// Who owned it.
    pub from: Name,
    /// Who owns it from now on; nobody if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Name>,
}

/// An event that says all by its type.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Who holds a key's secret half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Custodian {
    /// This service, sealed under the root key, in its material bucket.
    Software,
    /// Somebody else: only the public half is known here.
    External,
    /// A sealed file that is not on any server: the operator's identity key.
    Offline,
    /// A token: the secret half was made on it and cannot leave it.
    Token,
}

impl Custodian {
    /// True if this service has the key sign and decrypt, and makes its next version.
    #[must_use]
    pub const fn is_here(self) -> bool {
        match self {
            Self::Software => true,
            Self::External | Self::Offline | Self::Token => false,
        }
    }

    /// True if the key's whole life is in the ledger: it was made under the ledger's eyes, and not somewhere else before.
    #[must_use]
    pub const fn knows_its_birth(self) -> bool {
        match self {
            Self::Software | Self::Token => true,
            Self::External | Self::Offline => false,
        }
    }

    /// True if the key can get another version: its secret half is not bound to one place for good.
    #[must_use]
    pub const fn rotates(self) -> bool {
        match self {
            Self::Software | Self::External => true,
            Self::Offline | Self::Token => false,
        }
    }
}

/// A certificate was issued over a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certified {
    /// The key that signed it; the key itself of a root.
    pub issuer: Name,
    /// Its serial number, lower-case hex.
    pub serial: Box<str>,
    /// From when on it holds.
    pub not_before: Timestamp,
    /// Until when it holds.
    pub not_after: Timestamp,
    /// True if the key may issue certificates under it.
    pub authority: bool,
    /// Base64 of the DER.
    pub certificate: Box<str>,
}

/// A certificate over a key was revoked by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateRevoked {
    /// The key that signed it.
    pub issuer: Name,
    /// Its serial number, lower-case hex.
    pub serial: Box<str>,
    /// Why, in KMIP's words.
    pub revocation_reason: RevocationReason,
    /// When it was revoked.
    pub revoked_at: Timestamp,
}

/// Where the secret half of a version is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Material {
    /// It lies sealed in this entry of the material bucket.
    Entry(Box<str>),
    /// Its custodian keeps it under this handle, and lets it out to nobody.
    Handle(Box<str>),
}

impl Material {
    /// The entry in the material bucket, if it lies there.
    #[must_use]
    pub fn entry(&self) -> Option<&str> {
        match self {
            Self::Entry(entry) => Some(entry),
            Self::Handle(_) => None,
        }
    }
}

/// The public face of a version: never anything secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Public {
    /// Base64 of the DER `SubjectPublicKeyInfo`; absent of a symmetric key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<Box<str>>,
    /// The public nkey, where the key serves NATS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nkey: Option<Box<str>>,
    /// Eight bytes in hex that tell a symmetric key from another without telling anything of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_value: Option<Box<str>>,
}

/// A key came to be, pre-active.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Created {
    /// The algorithm and length.
    pub algorithm: Algorithm,
    /// What it is for.
    pub purposes: Purposes,
    /// Who holds the secret half.
    pub custodian: Custodian,
    /// Version 1's public face.
    pub public: Public,
    /// Version 1's sealed material, where custody holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub material: Option<Material>,
    /// The key above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Name>,
    /// Its description.
    pub description: Description,
    /// Its dates; the rotation period is always there.
    pub schedule: Dates,
}

/// What people say of a key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Title>,
    /// The principal that answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Name>,
    /// How sensitive it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<Classification>,
    /// What it may be used for, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Note>,
    /// How it is to be handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handling: Option<Note>,
    /// How it is to be disposed of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disposal: Option<Note>,
    /// All its labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
}

/// A key's dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dates {
    /// When it is to be activated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation_at: Option<Timestamp>,
    /// The end of its originator-usage period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protect_stop_at: Option<Timestamp>,
    /// The end of its recipient-usage period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_stop_at: Option<Timestamp>,
    /// Days after activation or the last rotation when rotation falls due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_period_days: Option<u16>,
}

/// A key was activated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activated {
    /// When.
    pub activated_at: Timestamp,
    /// The end of its originator-usage period, reckoned now if it was not scheduled.
    pub protect_stop_at: Timestamp,
    /// When rotation falls due.
    pub rotation_due_at: Timestamp,
}

/// A key was deactivated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deactivated {
    /// When.
    pub deactivated_at: Timestamp,
}

/// A key was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// Why, in KMIP's words.
    pub revocation_reason: RevocationReason,
    /// When it was revoked.
    pub revoked_at: Timestamp,
    /// When the compromise happened, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compromise_occurred_at: Option<Timestamp>,
    /// When it was noticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compromise_detected_at: Option<Timestamp>,
}

/// A key has a new version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotated {
    /// The new version's number.
    pub version: u32,
    /// Its public face.
    pub public: Public,
    /// Its sealed material, where custody holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub material: Option<Material>,
    /// When.
    pub rotated_at: Timestamp,
    /// The end of the new version's originator-usage period.
    pub protect_stop_at: Timestamp,
    /// The end of the key's recipient-usage period, moved along where one was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_stop_at: Option<Timestamp>,
    /// When the next rotation falls due.
    pub rotation_due_at: Timestamp,
}

/// A rotation fell due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotationDue {
    /// When it fell due.
    pub rotation_due_at: Timestamp,
}

/// A key is to be destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destroyed {
    /// When.
    pub destroyed_at: Timestamp,
    /// The entries of the material bucket to erase.
    pub entries: Vec<Box<str>>,
}

/// A key's material is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaterialErased {
    /// The entries that were erased and looked for in vain.
    pub entries: Vec<Box<str>>,
    /// When that was seen.
    pub erased_at: Timestamp,
}
