//! The state of a key: the fold of its events.

use serde::{Deserialize, Serialize};

use super::{Certified, Classification, Custodian, Material, RevocationReason};
use crate::{
    algorithm::{Algorithm, Purposes},
    name::Name,
    text::{Labels, Note, Reason, Title},
    time::Timestamp,
    word::states,
};

states! {
    /// The states of a key: the union of NIST SP 800-57 part 1 §7 and KMIP 2.1 §4.57.
    State {
        /// It exists and may not be used.
        PreActive => "pre-active",
        /// It protects and processes.
        Active => "active",
        /// It protects nothing for now.
        Suspended => "suspended",
        /// It only processes what it protected.
        Deactivated => "deactivated",
        /// Somebody else has, or may have, the secret.
        Compromised => "compromised",
        /// Its material is gone; the record stays.
        Destroyed => "destroyed",
        /// Its material is gone, and it was compromised.
        DestroyedCompromised => "destroyed-compromised",
    }
}

impl State {
    /// True of a key whose secret somebody else has, or may have: for ever.
    #[must_use]
    pub const fn is_compromised(self) -> bool {
        matches!(self, Self::Compromised | Self::DestroyedCompromised)
    }

    /// True once the material is gone.
    #[must_use]
    pub const fn is_destroyed(self) -> bool {
        matches!(self, Self::Destroyed | Self::DestroyedCompromised)
    }
}

/// One version of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Counted from 1.
    pub number: u32,
    /// Base64 of the DER `SubjectPublicKeyInfo`.
    pub public_key: Option<Box<str>>,
    /// The public nkey.
    pub nkey: Option<Box<str>>,
    /// What tells a symmetric key from another.
    pub check_value: Option<Box<str>>,
    /// Where its secret half is; nothing if it is not kept here.
    pub material: Option<Material>,
    /// When it came to be.
    pub created_at: Timestamp,
}

/// How a key was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationRecord {
    /// Why, in KMIP's words.
    pub reason: RevocationReason,
    /// When it was revoked.
    pub revoked_at: Timestamp,
    /// When the compromise happened, as far as is known.
    pub compromise_occurred_at: Option<Timestamp>,
    /// When it was noticed.
    pub compromise_detected_at: Option<Timestamp>,
    /// Why, in the words of who revoked it.
    pub why: Option<Reason>,
}

/// How one certificate was revoked, while the key that it is over goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRevocation {
    /// The key that signed it.
    pub issuer: Name,
    /// Its serial number, lower-case hex.
    pub serial: Box<str>,
    /// Why, in KMIP's words.
    pub reason: RevocationReason,
    /// When.
    pub revoked_at: Timestamp,
}

/// A key as its history left it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// Its state.
    pub state: State,
    /// The algorithm and length.
    pub algorithm: Algorithm,
    /// What it is for.
    pub purposes: Purposes,
    /// Who holds the secret half.
    pub custodian: Custodian,
    /// True while it is in the archive.
    pub archived: bool,
    /// True once the erased material was looked for in vain.
    pub erased: bool,
    /// True between the day rotation fell due and the rotation.
    pub rotation_overdue: bool,
    /// How sensitive it is.
    pub classification: Classification,
    /// Days between rotations.
    pub rotation_period_days: u16,
    /// The principal that answers for it.
    pub owner: Option<Name>,
    /// Who answered for it last, where nobody does now.
    pub former_owner: Option<Name>,
    /// The key above it.
    pub parent: Option<Name>,
    /// What people call it.
    pub title: Option<Title>,
    /// What it may be used for, in words.
    pub usage: Option<Note>,
    /// How it is to be handled.
    pub handling: Option<Note>,
    /// How it is to be disposed of.
    pub disposal: Option<Note>,
    /// Its labels.
    pub labels: Labels,
    /// Its versions, oldest first; never empty.
    pub versions: Vec<Version>,
    /// When it came to be.
    pub created_at: Timestamp,
    /// When it was activated.
    pub activated_at: Option<Timestamp>,
    /// When it is to be activated.
    pub activation_at: Option<Timestamp>,
    /// The end of its originator-usage period.
    pub protect_stop_at: Option<Timestamp>,
    /// The end of its recipient-usage period.
    pub process_stop_at: Option<Timestamp>,
    /// When rotation falls due.
    pub rotation_due_at: Option<Timestamp>,
    /// When it was last rotated.
    pub rotated_at: Option<Timestamp>,
    /// When it was deactivated.
    pub deactivated_at: Option<Timestamp>,
    /// When it was destroyed.
    pub destroyed_at: Option<Timestamp>,
    /// How it was revoked.
    pub revocation: Option<Box<RevocationRecord>>,
    /// The certificates over it, oldest first: few keys have one, and millions pay for the place.
    pub certificates: Option<Box<Vec<Certified>>>,
    /// Those of them that were revoked by themselves.
    pub revoked_certificates: Option<Box<Vec<CertificateRevocation>>>,
}

impl Key {
    /// The newest version: the one that protects.
    #[must_use]
    pub fn newest(&self) -> Option<&Version> {
        self.versions.last()
    }

    /// The entries of the material bucket that hold its secret halves.
    pub fn entries(&self) -> impl Iterator<Item = &str> {
        let materials = self.versions.iter().filter_map(|v| v.material.as_ref());
        materials.filter_map(Material::entry)
    }
}
