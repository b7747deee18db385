//! Keys that were made on a token: how they come into the ledger.

use super::{
    keys::registered,
    reports::{Walk, bad},
};
use crate::{
    algorithm::{Algorithm, Purpose},
    key,
    ledger::{Decision, Fingerprint, Reader},
    name::{Aggregate, HistoryId, Name},
    rejection::Rejection,
    text::{Labels, Title},
    token::{
        self, Attested, EvidenceFault, KeysMade, KeysMadeOn, NewCertificate, OpenpgpRole, Profile,
        ReportFacts, Slot, Token, TokenKey,
    },
};

/// A key that was made on a token.
struct NewKey<'a> {
    place: String,
    /// What stands for the place in its name.
    short: String,
    algorithm: Algorithm,
    purpose: Purpose,
    public_key: &'a str,
    certificate: Option<&'a NewCertificate>,
    /// Of an OpenPGP key.
    fingerprint: Option<&'a str>,
    /// Of one that was imported: the key aggregate that it is already.
    imported: Option<&'a Name>,
}

impl Walk<'_> {
    /// Keys were made, and attested where that can be: they are registered, pre-active, with their certificates.
    pub(super) fn keys_made(
        &self,
        profile: &Profile,
        attested: &[(Slot, &Attested)],
        made: &KeysMade,
        found: &ReportFacts,
        decision: &mut Decision,
    ) -> Result<(), Rejection> {
        let mut new = Vec::new();
        for (slot, attested) in attested {
            let (slot, public_key) = (*slot, &*attested.public_key);
            let Some(plan) = profile.piv.get(&slot) else {
                continue; // check_made saw to it
            };
            let certificate = found.certificates.get(&slot);
            new.push(NewKey {
                place: slot.place(),
                short: slot.to_string(),
                algorithm: plan.algorithm,
                purpose: purpose(slot),
                public_key,
                certificate: certificate.filter(|c| *c.public_key == *public_key),
                fingerprint: None,
                imported: None,
            });
        }
        for key in &made.openpgp {
            new.push(NewKey {
                place: key.role.place(),
                short: key.role.as_str().to_owned(),
                algorithm: key.algorithm,
                purpose: match key.role {
                    OpenpgpRole::Sign => Purpose::Sign,
                    OpenpgpRole::Encrypt => Purpose::Encrypt,
                    OpenpgpRole::Authenticate => Purpose::Authenticate,
                },
                public_key: &key.public_key,
                certificate: None,
                fingerprint: Some(&key.fingerprint),
                imported: (key.role == OpenpgpRole::Encrypt && profile.escrows())
                    .then(|| self.given().map(|given| &given.key))
                    .flatten(),
            });
        }
        let is_known = |key: &NewKey<'_>| {
            let mut known = self.open.keys.iter();
            known.any(|k| *k.place == *key.place && *k.public_key == *key.public_key)
        };
        new.retain(|key| !is_known(key)); // said again
        // An attestation says nothing of when: one from an earlier task, or from another's, is as good as new.
        let used = |key: &&NewKey<'_>| {
            let public = Fingerprint::of_public_key(key.public_key);
            public.is_some_and(|public| {
                self.ledger.was_made_on_a_token(public) || self.ledger.compromised(public).is_some()
            })
        };
        if let Some(key) = new.iter().find(used) {
            let place = key.place.as_str().into();
            self.quarantine(&EvidenceFault::UsedBefore { place }, decision);
            return Ok(());
        }
        let certifies = new.iter().any(|key| key.certificate.is_some());
        let issuer = self.open.filed.issuer.as_ref();
        if certifies && !issuer.is_some_and(|issuer| self.ledger.certifies(issuer, self.now)) {
            return Err(bad(
                "issuer",
                "the authority certifies no more, or one above it was revoked: cancel the task, and name another",
            ));
        }
        let lacks = |key: &&NewKey<'_>| {
            let plan = key
                .short
                .parse()
                .ok()
                .and_then(|s: Slot| profile.piv.get(&s));
            key.certificate.is_none() && plan.is_some_and(|p| p.certificate.is_some())
        };
        if let Some(key) = new.iter().find(lacks) {
            let fault = format!("no certificate was made for slot {}: try again", key.short);
            return Err(bad("keys", &fault));
        }
        if new.is_empty() {
            return Ok(());
        }
        let (keys, others) = self.register(&new)?;
        let task = self.open.filed.task;
        let keys = KeysMadeOn {
            task,
            keys,
            openpgp: made.openpgp.clone(),
        };
        self.add(token::Event::KeysMade(keys), decision);
        decision.events.extend(others.events);
        Ok(())
    }

    /// The keys' own histories, and those that they take the place of.
    fn register(&self, new: &[NewKey<'_>]) -> Result<(Vec<TokenKey>, Decision), Rejection> {
        let mut keys = Vec::with_capacity(new.len());
        let mut others = Decision::default();
        let mut number = self.token.keys_ever;
        for made in new {
            let mut before = self.open.keys.iter();
            if let Some(before) = before.find(|k| *k.place == *made.place) {
                self.ledger.destroy_key(&before.key, self.now, &mut others);
            }
            if let Some(key) = made.imported {
                keys.push(TokenKey {
                    place: made.place.as_str().into(),
                    key: key.clone(),
                    public_key: made.public_key.into(),
                });
                continue;
            }
            let id = loop {
                number += 1;
                let key = format!("{}-{}-{number}", self.target.name, made.short);
                let key = Name::new(&key).expect("digits and roles are a name");
                let id = HistoryId::new(Aggregate::Key, key);
                // Somebody may have given a key this name.
                if self.ledger.head(&id).is_none() {
                    break id;
                }
            };
            let certified = made.certificate.map(|c| &c.certified);
            if let Some(taken) = certified.and_then(|c| self.ledger.certified(&c.issuer, &c.serial))
            {
                let id = HistoryId::new(Aggregate::Key, taken.clone());
                return Err(Rejection::NameTaken(id));
            }
            let holder = self.open.filed.holder.as_ref();
            let mut created = registered(
                made.algorithm,
                made.purpose,
                made.public_key,
                holder,
                made.certificate,
            );
            created.description.labels = made.fingerprint.and_then(fingerprint_label);
            others.add(&id, vec![key::Event::Registered(created)]);
            if let Some(certificate) = made.certificate {
                let event = key::Event::Certified(certificate.certified.clone());
                others.add(&id, vec![event]);
            }
            keys.push(TokenKey {
                place: made.place.as_str().into(),
                key: id.name,
                public_key: made.public_key.into(),
            });
        }
        // They are made behind the reset: what was on it is gone.
        for gone in &self.token.keys {
            self.ledger.destroy_key(&gone.key, self.now, &mut others);
        }
        Ok((keys, others))
    }
}

impl<'a> Reader<'a> {
    /// The token that made a key, if its name is that of one: `{token}-{place}-{number}`, as they are named above.
    pub(in crate::ledger) fn maker_of(&self, key: &Name) -> Option<&'a Token> {
        let (token, _) = key.as_str().split_once('-')?;
        self.token(&Name::new(token).ok()?)
            .map(|entry| &entry.state)
    }
}

/// The label under which an OpenPGP key's fingerprint stands.
pub const OPENPGP_FINGERPRINT: &str = "openpgp-fingerprint";

pub(super) fn fingerprint_label(fingerprint: &str) -> Option<Labels> {
    let name = Name::new(OPENPGP_FINGERPRINT).expect("it is a name");
    Some(Labels::one(name, Title::new(fingerprint).ok()?))
}

/// What a key in a slot is for.
fn purpose(slot: Slot) -> Purpose {
    match slot {
        Slot::SIGNATURE => Purpose::Sign,
        Slot::AUTHENTICATION | Slot::CARD_AUTHENTICATION => Purpose::Authenticate,
        Slot::KEY_MANAGEMENT => Purpose::Encrypt,
        _ => Purpose::Certify,
    }
}
