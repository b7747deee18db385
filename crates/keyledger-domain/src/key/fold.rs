//! What happens to a key, and what that makes of it.

use super::{
    Activated, CertificateRevoked, Certified, Classification, Created, Dates, Deactivated,
    Description, Destroyed, HandedOver, Key, Material, MaterialErased, Nothing, Public,
    RevocationRecord, Revoked, Rotated, RotationDue, State, Version,
};
use crate::{
    event::events,
    folded::{Folded, Indexed},
    group::{Fingerprint, Group},
    name::Name,
    record::Why,
    text::Labels,
    time::Timestamp,
};

events! { of Key;
    /// A key was generated in custody.
    "key.v1.generated" => Generated(Created),
    /// A public key was registered; its secret half is kept elsewhere.
    "key.v1.registered" => Registered(Created),
    /// It may protect and process from now on.
    "key.v1.activated" => Activated(Activated),
    /// It protects nothing until it is resumed.
    "key.v1.suspended" => Suspended(Nothing),
    /// It protects again.
    "key.v1.resumed" => Resumed(Nothing),
    /// It protects no more, and processes what it protected.
    "key.v1.deactivated" => Deactivated(Deactivated),
    /// It was revoked: a compromise makes it compromised, anything else deactivated.
    "key.v1.revoked" => Revoked(Revoked),
    /// It has a new version; older ones only process.
    "key.v1.rotated" => Rotated(Rotated),
    /// Its rotation period has ended and it was not rotated.
    "key.v1.rotation_due" => RotationDue(RotationDue),
    /// Its material is to be erased for good: the record of the intent.
    "key.v1.destroyed" => Destroyed(Destroyed),
    /// Its material was erased and looked for in vain.
    "key.v1.material_erased" => MaterialErased(MaterialErased),
    /// It was moved out of use into the archive.
    "key.v1.archived" => Archived(Nothing),
    /// It was taken out of the archive.
    "key.v1.recovered" => Recovered(Nothing),
    /// Its description changed: what is absent stayed as it was.
    "key.v1.described" => Described(Description),
    /// Its dates changed: what is absent stayed as it was.
    "key.v1.scheduled" => Scheduled(Dates),
    /// A certificate was issued over it.
    "key.v1.certified" => Certified(Certified),
    /// A certificate over it was revoked; the key itself goes on.
    "key.v1.certificate_revoked" => CertificateRevoked(CertificateRevoked),
    /// Its owner was offboarded: another answers for it from now on, or nobody.
    "key.v1.handed_over" => HandedOver(HandedOver),
}

impl Event {
    /// The public face of the version that it begins, if it begins one.
    #[must_use]
    pub const fn public(&self) -> Option<&Public> {
        if let Self::Generated(created) | Self::Registered(created) = self {
            Some(&created.public)
        } else if let Self::Rotated(rotated) = self {
            Some(&rotated.public)
        } else {
            None
        }
    }
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
                self.state = if self.state.is_compromised() {
                    State::DestroyedCompromised
                } else {
                    State::Destroyed
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

impl Folded for Key {
    type Event = Event;
    type State = State;

    fn begin(event: &Event, at: Timestamp) -> Option<Self> {
        Self::create(event, at)
    }

    fn fold(&mut self, event: &Event, at: Timestamp) {
        self.evolve(event, at);
    }

    fn state(&self) -> State {
        self.state
    }

    fn explain(&mut self, event: &Event, why: &Why) {
        if let (Event::Revoked(_), Some(revocation)) = (event, &mut self.revocation) {
            revocation.why.clone_from(&why.reason);
        }
    }

    fn indexed(event: &Event) -> Vec<Indexed<'_>> {
        let mut indexed = Vec::new();
        if let Event::Certified(certified) = event {
            indexed.push(Indexed::Certificate(certified));
        }
        if let Some(public) = event.public() {
            let (public_key, nkey) = (public.public_key.as_deref(), public.nkey.as_deref());
            indexed.push(Indexed::PublicKey(Fingerprint::of_version(
                public_key, nkey,
            )));
        }
        indexed
    }

    fn public_keys(&self) -> Vec<Fingerprint> {
        let versions = self.versions.iter();
        let of = |v: &Version| Fingerprint::of_version(v.public_key.as_deref(), v.nkey.as_deref());
        versions.filter_map(of).collect()
    }

    fn next_due(&self, ends: bool) -> Option<Timestamp> {
        match self.state {
            State::PreActive => self.activation_at,
            // Its certificates outlive it: its end is to be moved now.
            State::Active | State::Suspended if ends && self.outlived_until().is_some() => {
                self.activated_at
            }
            State::Active | State::Suspended => {
                let rotation = self.rotation_due().filter(|_| !self.rotation_overdue);
                let stop = self.protect_stop_at.filter(|_| ends);
                [stop, rotation].into_iter().flatten().min()
            }
            State::Deactivated
            | State::Compromised
            | State::Destroyed
            | State::DestroyedCompromised => None,
        }
    }

    /// Versions are counted without gaps: what a rotation claims to be, it must be.
    fn wrong_version(&self, event: &Event) -> Option<(u32, u32)> {
        let Event::Rotated(rotated) = event else {
            return None;
        };
        let expected = self.newest().map_or(1, |newest| newest.number + 1);
        (rotated.version != expected).then_some((expected, rotated.version))
    }
}

impl Event {
    /// The groups that its history is in from then on, if it was not before.
    #[must_use]
    pub fn joins(&self) -> Vec<Group> {
        let owned_by = |owner: Option<&Name>| owner.cloned().map(Group::OwnedBy);
        match self {
            Self::Generated(created) | Self::Registered(created) => {
                let owner = owned_by(created.description.owner.as_ref());
                owner.into_iter().chain(bearers(&created.public)).collect()
            }
            Self::Rotated(rotated) => bearers(&rotated.public).into_iter().collect(),
            Self::Described(described) => owned_by(described.owner.as_ref()).into_iter().collect(),
            Self::HandedOver(handed) => owned_by(handed.to.as_ref()).into_iter().collect(),
            Self::Certified(certified) => {
                let issuer = &certified.issuer;
                let mut joined = vec![
                    Group::CertifiedBy(issuer.clone()),
                    Group::Certificate(issuer.clone(), certified.serial.clone()),
                ];
                joined.extend(certified.authority.then_some(Group::Authorities));
                joined
            }
            Self::Activated(_)
            | Self::Suspended(_)
            | Self::Resumed(_)
            | Self::Deactivated(_)
            | Self::Revoked(_)
            | Self::RotationDue(_)
            | Self::Destroyed(_)
            | Self::MaterialErased(_)
            | Self::Archived(_)
            | Self::Recovered(_)
            | Self::Scheduled(_)
            | Self::CertificateRevoked(_) => Vec::new(),
            Self::OfVerb(event) => event.joins(),
        }
    }
}

fn bearers(public: &Public) -> Option<Group> {
    let public = Fingerprint::of_version(public.public_key.as_deref(), public.nkey.as_deref());
    public.map(Group::Bearers)
}
