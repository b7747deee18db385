//! The state of a key: the fold of its events.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    Certified, Classification, Created, Custodian, Dates, Description, Event, Material, Public,
    RevocationReason,
};
use crate::{
    algorithm::{Algorithm, Purposes},
    name::Name,
    record::Why,
    text::{Labels, Note, Reason, Title},
    time::Timestamp,
};

/// The states of a key: the union of NIST SP 800-57 part 1 §7 and KMIP 2.1 §4.57.
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
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It exists and may not be used.
    PreActive,
    /// It protects and processes.
    Active,
    /// It protects nothing for now.
    Suspended,
    /// It only processes what it protected.
    Deactivated,
    /// Somebody else has, or may have, the secret.
    Compromised,
    /// Its material is gone; the record stays.
    Destroyed,
    /// Its material is gone, and it was compromised.
    DestroyedCompromised,
}

impl State {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 7] = [
        Self::PreActive,
        Self::Active,
        Self::Suspended,
        Self::Deactivated,
        Self::Compromised,
        Self::Destroyed,
        Self::DestroyedCompromised,
    ];

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreActive => "pre-active",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deactivated => "deactivated",
            Self::Compromised => "compromised",
            Self::Destroyed => "destroyed",
            Self::DestroyedCompromised => "destroyed-compromised",
        }
    }

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

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
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
    /// The key as its first event makes it; nothing if that is not a creation.
    #[must_use]
    pub fn create(event: &Event, at: Timestamp) -> Option<Self> {
        let (Event::Generated(created) | Event::Registered(created)) = event else {
            return None;
        };
        let Created {
            algorithm,
            purposes,
            custodian,
            public,
            material,
            parent,
            description,
            schedule,
        } = created.clone();
        let mut key = Self {
            state: State::PreActive,
            algorithm,
            purposes,
            custodian,
            archived: false,
            erased: false,
            rotation_overdue: false,
            classification: Classification::default(),
            rotation_period_days: 0,
            owner: None,
            former_owner: None,
            parent,
            title: None,
            usage: None,
            handling: None,
            disposal: None,
            labels: Labels::default(),
            versions: Vec::with_capacity(1),
            created_at: at,
            activated_at: None,
            activation_at: None,
            protect_stop_at: None,
            process_stop_at: None,
            rotation_due_at: None,
            rotated_at: None,
            deactivated_at: None,
            destroyed_at: None,
            revocation: None,
            certificates: None,
            revoked_certificates: None,
        };
        key.add_version(1, public, material, at);
        key.describe(description);
        key.schedule(schedule);
        Some(key)
    }

    /// Takes in what happened at `at`. Holds no rule: whatever happened, happened.
    pub fn evolve(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::OfVerb(event) => event.evolve(self),
            Event::Generated(_) | Event::Registered(_) => {}
            Event::Activated(a) => {
                self.state = State::Active;
                self.activated_at = Some(a.activated_at);
                self.activation_at = None;
                self.protect_stop_at = Some(a.protect_stop_at);
                self.rotation_due_at = Some(a.rotation_due_at);
            }
            Event::Suspended(_) => self.state = State::Suspended,
            Event::Resumed(_) => self.state = State::Active,
            Event::Deactivated(d) => {
                self.state = State::Deactivated;
                self.deactivated_at = Some(d.deactivated_at);
                self.end();
            }
            Event::Revoked(r) => {
                // What was never active, or is so no more, does not end now.
                if matches!(self.state, State::Active | State::Suspended) {
                    self.deactivated_at = Some(r.revoked_at);
                }
                self.state = match (
                    r.revocation_reason.is_compromise(),
                    self.state.is_destroyed(),
                ) {
                    (true, false) => State::Compromised,
                    (true, true) => State::DestroyedCompromised,
                    (false, _) => State::Deactivated,
                };
                self.revocation = Some(Box::new(RevocationRecord {
                    reason: r.revocation_reason,
                    revoked_at: r.revoked_at,
                    compromise_occurred_at: r.compromise_occurred_at,
                    compromise_detected_at: r.compromise_detected_at,
                    why: None,
                }));
                self.end();
            }
            Event::Rotated(r) => {
                self.add_version(r.version, r.public.clone(), r.material.clone(), at);
                self.rotated_at = Some(r.rotated_at);
                self.protect_stop_at = Some(r.protect_stop_at);
                self.process_stop_at = r.process_stop_at.or(self.process_stop_at);
                self.rotation_due_at = Some(r.rotation_due_at);
                self.rotation_overdue = false;
            }
            Event::RotationDue(_) => self.rotation_overdue = true,
            Event::Destroyed(d) => {
                self.state = match self.state {
                    State::Compromised => State::DestroyedCompromised,
                    _ => State::Destroyed,
                };
                self.destroyed_at = Some(d.destroyed_at);
                self.archived = false; // nothing is left to lie there
                self.end();
            }
            Event::MaterialErased(_) => self.erased = true,
            Event::Archived(_) => self.archived = true,
            Event::Recovered(_) => self.archived = false,
            Event::Described(description) => self.describe(description.clone()),
            Event::Scheduled(schedule) => self.schedule(*schedule),
            Event::Certified(certified) => self.certified(certified),
            Event::CertificateRevoked(revoked) => self.certificate_revoked(revoked),
            Event::HandedOver(h) => {
                self.owner.clone_from(&h.to);
                self.former_owner = h.to.is_none().then(|| h.from.clone());
            }
        }
    }

    /// Takes in why it was revoked, in the words of who did it: an event's envelope says so, not its body.
    pub fn explain(&mut self, event: &Event, why: &Why) {
        if let (Event::Revoked(_), Some(revocation)) = (event, &mut self.revocation) {
            revocation.why.clone_from(&why.reason);
        }
    }

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

    fn add_version(
        &mut self,
        number: u32,
        public: Public,
        material: Option<Material>,
        at: Timestamp,
    ) {
        let Public {
            public_key,
            nkey,
            check_value,
        } = public;
        self.versions.push(Version {
            number,
            public_key,
            nkey,
            check_value,
            material,
            created_at: at,
        });
    }

    fn describe(&mut self, d: Description) {
        self.title = d.title.or(self.title.take());
        if d.owner.is_some() {
            self.former_owner = None;
        }
        self.owner = d.owner.or(self.owner.take());
        self.classification = d.classification.unwrap_or(self.classification);
        self.usage = d.usage.or(self.usage.take());
        self.handling = d.handling.or(self.handling.take());
        self.disposal = d.disposal.or(self.disposal.take());
        if let Some(labels) = d.labels {
            self.labels = labels;
        }
    }

    fn schedule(&mut self, s: Dates) {
        self.activation_at = s.activation_at.or(self.activation_at);
        self.protect_stop_at = s.protect_stop_at.or(self.protect_stop_at);
        self.process_stop_at = s.process_stop_at.or(self.process_stop_at);
        if let Some(days) = s.rotation_period_days {
            self.rotation_period_days = days;
            let since = self.rotated_at.or(self.activated_at);
            self.rotation_due_at = since.map(|t| t.plus_days(i64::from(days)));
            self.rotation_overdue = false;
        }
    }

    /// Nothing falls due any more.
    fn end(&mut self) {
        self.activation_at = None;
        self.rotation_due_at = None;
        self.rotation_overdue = false;
    }
}
