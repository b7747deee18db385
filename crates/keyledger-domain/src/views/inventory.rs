//! The inventory: every key with all that may be known of it, a flat row each.

use serde::{Deserialize, Serialize};

use crate::{
    algorithm::{Algorithm, Purposes},
    cid::EventCid,
    key::{Class, Classification, Custodian, Key, RevocationReason, RevocationRecord, State},
    ledger::{Entry, Ledger},
    name::Name,
    text::{Labels, Note, Reason, Title},
    time::Timestamp,
};

/// A key, flat: what is not known of it, or does not apply, is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct InventoryRow {
    /// Its name.
    pub name: Name,
    /// Its state.
    pub state: State,
    /// The algorithm and length.
    pub algorithm: Algorithm,
    /// What it is for.
    pub purposes: Purposes,
    /// What the key management plan counts it as.
    pub class: Class,
    /// Who holds its secret half.
    pub custodian: Custodian,
    /// How sensitive it is.
    pub classification: Classification,
    /// The principal that answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Name>,
    /// Who answered for it last, where nobody does since it left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_owner: Option<Name>,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Title>,
    /// What it may be used for, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Note>,
    /// How it is to be handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handling: Option<Note>,
    /// How it is to be disposed of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disposal: Option<Note>,
    /// Its labels.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// The key above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Name>,
    /// The number of its newest version: the one that protects.
    pub version: u32,
    /// How many versions it has.
    pub versions: usize,
    /// Base64 of the newest version's DER `SubjectPublicKeyInfo`; absent of a symmetric key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// The newest version's public nkey, where the key serves NATS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nkey: Option<String>,
    /// Eight bytes in hex that tell a symmetric key from another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_value: Option<String>,
    /// When it came to be.
    pub created_at: Timestamp,
    /// When it is to be activated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation_at: Option<Timestamp>,
    /// When it was activated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activated_at: Option<Timestamp>,
    /// The end of its originator-usage period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protect_stop_at: Option<Timestamp>,
    /// The end of its recipient-usage period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_stop_at: Option<Timestamp>,
    /// Days of 86,400 seconds between rotations.
    pub rotation_period_days: u16,
    /// When rotation falls due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_due_at: Option<Timestamp>,
    /// True once rotation fell due, until it is rotated.
    pub rotation_overdue: bool,
    /// When it was last rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated_at: Option<Timestamp>,
    /// When it was deactivated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deactivated_at: Option<Timestamp>,
    /// When it was destroyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destroyed_at: Option<Timestamp>,
    /// True while it is in the archive.
    pub archived: bool,
    /// True once its erased material was looked for in vain.
    pub erased: bool,
    /// How it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<Revocation>,
    /// The newest certificate over it that was not revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<NewestCertificate>,
    /// The end of the last of its certificates that was not revoked by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certified_until: Option<Timestamp>,
    /// The serial numbers of certificates over it that were revoked by themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked_certificates: Vec<String>,
    /// The newest revision of its history.
    pub revision: u32,
    /// The CID of that revision.
    pub cid: EventCid,
    /// When that was.
    pub changed_at: Timestamp,
}

/// The newest certificate over a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NewestCertificate {
    /// The key that signed it; the key itself of a root.
    pub issuer: Name,
    /// Its serial number, lower-case hex.
    pub serial: String,
    /// From when on it holds.
    pub not_before: Timestamp,
    /// Until when it holds.
    pub not_after: Timestamp,
    /// True if the key may issue certificates under it.
    pub authority: bool,
}

/// How a key was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Revocation {
    /// Why, in KMIP's words.
    pub reason: RevocationReason,
    /// When.
    pub revoked_at: Timestamp,
    /// When the compromise happened, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compromise_occurred_at: Option<Timestamp>,
    /// When it was noticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compromise_detected_at: Option<Timestamp>,
    /// Why, in the words of who revoked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Reason>,
}

/// The inventory's row of the key `name`; nothing if there is no such key.
#[must_use]
pub fn row(ledger: &Ledger, name: &Name) -> Option<InventoryRow> {
    ledger.key(name).map(|entry| row_of(name, entry))
}

pub(super) fn row_of(name: &Name, entry: &Entry<Key>) -> InventoryRow {
    let key = &entry.state;
    let newest = key.newest();
    let text = |value: Option<&Box<str>>| value.map(|v| v.to_string());
    InventoryRow {
        name: name.clone(),
        state: key.state,
        algorithm: key.algorithm,
        purposes: key.purposes,
        class: Class::of(key.algorithm, key.purposes),
        custodian: key.custodian,
        classification: key.classification,
        owner: key.owner.clone(),
        former_owner: key.former_owner.clone(),
        title: key.title.clone(),
        usage: key.usage.clone(),
        handling: key.handling.clone(),
        disposal: key.disposal.clone(),
        labels: key.labels.clone(),
        parent: key.parent.clone(),
        version: newest.map_or(0, |v| v.number),
        versions: key.versions.len(),
        public_key: text(newest.and_then(|v| v.public_key.as_ref())),
        nkey: text(newest.and_then(|v| v.nkey.as_ref())),
        check_value: text(newest.and_then(|v| v.check_value.as_ref())),
        created_at: key.created_at,
        activation_at: key.activation_at,
        activated_at: key.activated_at,
        protect_stop_at: key.protect_stop_at,
        process_stop_at: key.process_stop_at,
        rotation_period_days: key.rotation_period_days,
        rotation_due_at: key.rotation_due(),
        rotation_overdue: key.rotation_overdue,
        rotated_at: key.rotated_at,
        deactivated_at: key.deactivated_at,
        destroyed_at: key.destroyed_at,
        archived: key.archived,
        erased: key.erased,
        revocation: key.revocation.as_deref().cloned().map(Revocation::from),
        certificate: newest_certificate(key),
        certified_until: key.certified_until(),
        revoked_certificates: revoked_certificates(key),
        revision: entry.head.revision,
        cid: entry.head.cid,
        changed_at: entry.head.at,
    }
}

fn newest_certificate(key: &Key) -> Option<NewestCertificate> {
    let mut newest_first = key.certificates().rev();
    let newest = newest_first.find(|c| key.revocation_of(c).is_none())?;
    Some(NewestCertificate {
        issuer: newest.issuer.clone(),
        serial: newest.serial.to_string(),
        not_before: newest.not_before,
        not_after: newest.not_after,
        authority: newest.authority,
    })
}

fn revoked_certificates(key: &Key) -> Vec<String> {
    let revoked = key
        .certificates()
        .filter(|c| key.revocation_of(c).is_some());
    revoked.map(|c| c.serial.to_string()).collect()
}

impl From<RevocationRecord> for Revocation {
    fn from(r: RevocationRecord) -> Self {
        Self {
            reason: r.reason,
            revoked_at: r.revoked_at,
            compromise_occurred_at: r.compromise_occurred_at,
            compromise_detected_at: r.compromise_detected_at,
            why: r.why,
        }
    }
}
