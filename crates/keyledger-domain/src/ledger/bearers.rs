//! Who bears a public key: the names under which it came into the ledger, and whether it was compromised under one of them.
//!
//! A name is used once, and a key pair may come again under another one: what was compromised stays so whatever it is called.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Decision, Ledger, Reader};
use crate::{
    event::Event,
    group::Fingerprint,
    key::{self, Public, RevocationReason},
    name::{Aggregate, HistoryId, Name},
    rejection::Rejection,
    text::Reason,
    time::Timestamp,
};

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
        let mut bearers = self.bearers(public);
        let found = bearers.find(|bearer| self.is_compromised(bearer));
        found.map(|bearer| &bearer.name)
    }

    fn is_compromised(&self, bearer: &HistoryId) -> bool {
        let key = (bearer.aggregate == Aggregate::Key).then(|| self.key(&bearer.name));
        key.flatten()
            .is_some_and(|key| key.state.state.is_compromised())
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

impl<'a> Reader<'a> {
    /// The key under whose name a public key was compromised, if it ever was.
    pub(crate) fn compromised(&self, public: Fingerprint) -> Option<&'a Name> {
        let keys = self.bearers(public).into_iter();
        let mut keys = keys.filter(|bearer| bearer.aggregate == Aggregate::Key);
        let is_compromised = |name: &Name| {
            let key = self.key(name);
            key.is_some_and(|key| key.state.state.is_compromised())
        };
        keys.find(|key| is_compromised(&key.name))
            .map(|key| &key.name)
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
    ///
    /// It is compromised itself then: what compromises a key compromises all that bear its public key, in one decision. So as long as it is
    /// not, nobody else is looked at.
    pub(crate) fn check_key_sound(&self, name: &Name) -> Result<(), Rejection> {
        let is_compromised = |key: &Name| {
            let key = self.key(key);
            key.is_some_and(|key| key.state.state.is_compromised())
        };
        if !is_compromised(name) {
            return Ok(());
        }
        let mut keys = self.namesakes(name).into_iter();
        match keys.find(|it| it.aggregate == Aggregate::Key && is_compromised(&it.name)) {
            None => Ok(()),
            Some(key) => Err(refused("name", &key.name)),
        }
    }

    /// A public key that comes from outside: sound, and none that NATS trust or the ledger itself stands on.
    pub(crate) fn check_newcomer(&self, public: Option<Fingerprint>) -> Result<(), Rejection> {
        self.check_sound("public_key", public)?;
        let Some(public) = public else { return Ok(()) };
        let mut bearers = self.bearers(public).into_iter();
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
            for other in self.namesakes(&history.name.clone()) {
                let revokes = |(known, event): &(HistoryId, Event)| {
                    known == other && matches!(event, Event::Key(key::Event::Revoked(_)))
                };
                if other.aggregate == Aggregate::Key && !decision.events.iter().any(revokes) {
                    self.spread_to(other, reason, occurred, decision, now);
                }
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
        let revoke = |compromise_occurred_at| key::Revoke {
            revocation_reason,
            compromise_occurred_at,
            compromise_detected_at: None,
            reason: Reason::new("its public key was compromised under another name")
                .expect("it is a line"),
            ticket: None,
        };
        let (key, now) = (&entry.state, now.max(entry.head.at));
        let revoked = |occurred| key.revoke(&other.name, &revoke(occurred), now);
        // A date that cannot be this key's is left out, for it is compromised all the same. What is so already is refused, and that is well.
        let events = revoked(compromise_occurred_at).or_else(|_| revoked(None));
        let events = events.unwrap_or_default();
        decision.add(other, events);
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
