//! Who bears a public key: the names under which it came into the ledger, and whether it was compromised under one of them.
//!
//! A name is used once, and a key pair may come again under another one: what was compromised stays so whatever it is called.

use std::collections::HashMap;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::{Decision, Ledger};
use crate::{
    algorithm::Algorithm,
    event::Event,
    key::{self, Public, RevocationReason},
    name::{Aggregate, HistoryId, Name},
    rejection::Rejection,
    text::Reason,
    time::Timestamp,
};

/// What the DER `SubjectPublicKeyInfo` of a bare 32-byte key begins with (RFC 8410): Ed25519, X25519.
const BARE: [&[u8]; 2] = [
    b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00",
    b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00",
];

/// A public key, however it is written: an nkey and a `SubjectPublicKeyInfo` of the same key are the same here.
///
/// The first 16 bytes of a BLAKE3: every key ever seen keeps one in memory, and nobody can find a second key for a given one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Of base64 of a DER `SubjectPublicKeyInfo`; nothing if it is no base64.
    #[must_use]
    pub fn of_public_key(base64: &str) -> Option<Self> {
        let der = BASE64.decode(base64.as_bytes()).ok()?;
        let bare = BARE.iter().find_map(|head| der.strip_prefix(*head));
        Some(Self::of(bare.unwrap_or(&der)))
    }

    /// Of a public key as a command carries it; nothing if it cannot be read.
    pub(crate) fn of_text(algorithm: Algorithm, text: &str) -> Option<Self> {
        let public = key::spki::normalised(algorithm, text).ok()?;
        Self::of_public_key(&public)
    }

    /// Of a public nkey; nothing if it is none.
    #[must_use]
    pub fn of_nkey(nkey: &str) -> Option<Self> {
        let (_, bare) = nkeys::from_public_key(nkey).ok()?;
        Some(Self::of(&bare))
    }

    /// Of a version of a key; nothing if it is symmetric.
    pub(super) fn of_version(public_key: Option<&str>, nkey: Option<&str>) -> Option<Self> {
        public_key
            .and_then(Self::of_public_key)
            .or_else(|| nkey.and_then(Self::of_nkey))
    }

    fn of(bytes: &[u8]) -> Self {
        let mut short = [0; 16];
        short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
        Self(short)
    }
}

/// Public keys to those that bear them. Nearly every one has a single bearer, and millions pay for the place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Bearers {
    first: HashMap<Fingerprint, HistoryId>,
    /// Those behind the first, in the order in which they came.
    others: HashMap<Fingerprint, Vec<HistoryId>>,
}

impl Bearers {
    pub(super) fn add(&mut self, public: Option<Fingerprint>, bearer: &HistoryId) {
        let Some(public) = public else { return };
        let first = self.first.entry(public).or_insert_with(|| bearer.clone());
        if first == bearer {
            return;
        }
        let others = self.others.entry(public).or_default();
        if !others.contains(bearer) {
            others.push(bearer.clone());
        }
    }

    pub(super) fn add_version(&mut self, public: &Public, bearer: &HistoryId) {
        let public = Fingerprint::of_version(public.public_key.as_deref(), public.nkey.as_deref());
        self.add(public, bearer);
    }
}

impl Ledger {
    /// The keys and users under whose names a public key came into the ledger, the first first.
    pub fn bearers(&self, public: Fingerprint) -> impl Iterator<Item = &HistoryId> {
        let others = self.bearers.others.get(&public).into_iter().flatten();
        self.bearers.first.get(&public).into_iter().chain(others)
    }

    /// The key under whose name a public key was compromised, if it ever was.
    #[must_use]
    pub fn compromised(&self, public: Fingerprint) -> Option<&Name> {
        self.compromised_beside(public, None)
    }

    /// The same, under another name than `but`.
    fn compromised_beside(&self, public: Fingerprint, but: Option<&Name>) -> Option<&Name> {
        let mut bearers = self.bearers(public);
        let found = bearers.find(|bearer| {
            bearer.aggregate == Aggregate::Key
                && but != Some(&bearer.name)
                && self
                    .key(&bearer.name)
                    .is_some_and(|e| e.state.state.is_compromised())
        });
        found.map(|bearer| &bearer.name)
    }

    /// Who else bears a public key of this key or user.
    #[must_use]
    pub fn namesakes(&self, history: &HistoryId) -> Vec<&HistoryId> {
        let mut found: Vec<&HistoryId> = self
            .public_keys(history)
            .into_iter()
            .flat_map(|public| self.bearers(public))
            .filter(|bearer| *bearer != history)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Refuses a public key that was compromised under any name.
    pub(crate) fn check_sound(
        &self,
        field: &str,
        public: Option<Fingerprint>,
    ) -> Result<(), Rejection> {
        match public.and_then(|public| self.compromised(public)) {
            None => Ok(()),
            Some(key) => Err(refused(field, key)),
        }
    }

    /// Refuses a key one of whose public keys was compromised under another name.
    pub(crate) fn check_key_sound(&self, name: &Name) -> Result<(), Rejection> {
        let history = HistoryId::new(Aggregate::Key, name.clone());
        let mut publics = self.public_keys(&history).into_iter();
        match publics.find_map(|public| self.compromised_beside(public, Some(name))) {
            None => Ok(()),
            Some(key) => Err(refused("name", key)),
        }
    }

    /// A public key that comes from outside: sound, and none that NATS trust or the ledger itself stands on.
    pub(crate) fn check_newcomer(&self, public: Option<Fingerprint>) -> Result<(), Rejection> {
        self.check_sound("public_key", public)?;
        let Some(public) = public else { return Ok(()) };
        let mut bearers = self.bearers(public);
        // Revoked under another name it would be compromised under its own.
        match bearers.find(|b| b.aggregate == Aggregate::Key && !self.ends(&b.name)) {
            None => Ok(()),
            Some(key) => Err(Rejection::BadValue {
                field: "public_key",
                fault: format!(
                    "it is {key}'s, which NATS trust or the ledger stands on: make a new key pair"
                ),
            }),
        }
    }

    /// Revokes, for the same reason, every key that bears a public key of one that a decision finds compromised.
    pub(super) fn spread_compromise(&self, decision: &mut Decision, now: Timestamp) {
        let mut place = 0;
        while let Some((history, event)) = decision.events.get(place) {
            place += 1;
            let Event::Key(key::Event::Revoked(revoked)) = event else {
                continue;
            };
            if !revoked.revocation_reason.is_compromise() {
                continue;
            }
            let (reason, occurred) = (revoked.revocation_reason, revoked.compromise_occurred_at);
            let others: Vec<HistoryId> = self
                .namesakes(history)
                .into_iter()
                .filter(|other| {
                    let revokes = |(known, event): &(HistoryId, Event)| {
                        known == *other && matches!(event, Event::Key(key::Event::Revoked(_)))
                    };
                    other.aggregate == Aggregate::Key && !decision.events.iter().any(revokes)
                })
                .cloned()
                .collect();
            for other in others {
                self.spread_to(&other, reason, occurred, decision, now);
            }
        }
    }

    fn spread_to(
        &self,
        other: &HistoryId,
        revocation_reason: RevocationReason,
        compromise_occurred_at: Option<Timestamp>,
        decision: &mut Decision,
        now: Timestamp,
    ) {
        let Some(entry) = self.key(&other.name) else {
            return;
        };
        let revoke = key::Revoke {
            revocation_reason,
            compromise_occurred_at,
            compromise_detected_at: None,
            reason: Reason::new("its public key was compromised under another name")
                .expect("it is a line"),
            ticket: None,
        };
        let now = now.max(entry.head.at);
        // What is compromised already is refused, and that is well.
        let events = entry.state.revoke(&other.name, &revoke, now);
        let events = events.unwrap_or_default();
        decision.add(other, events);
    }

    /// The public keys of a key's versions, or of a user.
    fn public_keys(&self, history: &HistoryId) -> Vec<Fingerprint> {
        match history.aggregate {
            Aggregate::Key => {
                let versions = self
                    .key(&history.name)
                    .into_iter()
                    .flat_map(|e| &e.state.versions);
                versions
                    .filter_map(|v| {
                        Fingerprint::of_version(v.public_key.as_deref(), v.nkey.as_deref())
                    })
                    .collect()
            }
            Aggregate::User => {
                let user = self.user(&history.name);
                user.and_then(|e| Fingerprint::of_nkey(&e.state.nkey))
                    .into_iter()
                    .collect()
            }
            Aggregate::Principal | Aggregate::Operator | Aggregate::Account | Aggregate::Token => {
                Vec::new()
            }
        }
    }
}

fn refused(field: &str, key: &Name) -> Rejection {
    Rejection::Compromised {
        field: field.to_owned(),
        fault: format!(
            "this public key was compromised as key {key}: whatever it is called, make a new key pair"
        ),
    }
}
