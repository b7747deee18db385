//! Certificates over keys in the ledger: who may sign them, and over what.

use crate::{
    algorithm::{Algorithm, Purpose},
    command::Target,
    event::Event,
    key::{self, Custodian},
    ledger::{Decision, Facts, Ledger, Made},
    name::{Aggregate, HistoryId, Name},
    rejection::Rejection,
    time::Timestamp,
};

/// The most certificates over a key: they stay in memory for good, and a yearly one lasts for as many years.
const MAX_CERTIFICATES: usize = 64;
/// The most names of a kind in a certificate.
const MAX_CERTIFICATE_NAMES: usize = 16;

impl Ledger {
    /// Decides on a certificate over a key in the ledger.
    pub(in crate::ledger) fn decide_certify(
        &self,
        target: &Target,
        certify: &key::Certify,
        facts: &Facts,
    ) -> Result<Decision, Rejection> {
        let id = HistoryId::new(Aggregate::Key, target.name.clone());
        let key = self.key(&target.name).map(|e| &e.state);
        let key = key.ok_or_else(|| Rejection::NotFound(id.clone()))?;
        let bad = |field, fault: &str| Rejection::BadValue {
            field,
            fault: fault.to_owned(),
        };
        if !matches!(key.state, key::State::PreActive | key::State::Active) {
            return Err(Rejection::NotAllowed {
                state: key.state,
                verb: "certify",
            });
        }
        let issuer = certify.issuer.as_ref().unwrap_or(&target.name);
        let signs = self.key(issuer).map(|e| &e.state);
        let signs = signs
            .ok_or_else(|| Rejection::NotFound(HistoryId::new(Aggregate::Key, issuer.clone())))?;
        if certify.issuer.is_none() && !can_certify(signs) {
            return Err(bad(
                "issuer",
                "a key that certifies itself must be active, in custody, p-256 or p-384, of purpose certify",
            ));
        }
        if certify.issuer.is_some() && !self.certifies(issuer, facts.now) {
            return Err(bad(
                "issuer",
                "it is no authority, or no more: certify it first with `path_length`",
            ));
        }
        let other_root = key.authority().is_some_and(|c| c.issuer != target.name);
        if certify.issuer.is_none() && other_root {
            return Err(bad(
                "issuer",
                "another key vouches for it: name that one, or make a new root",
            ));
        }
        if certify.path_length.is_some() && !key.purposes.has(Purpose::Certify) {
            return Err(bad(
                "path_length",
                "only a key of purpose certify can be an authority",
            ));
        }
        if certify.path_length.is_some_and(|l| l > 4) {
            return Err(Rejection::OutOfRange {
                field: "path_length",
                value: i64::from(certify.path_length.unwrap_or_default()),
                min: 0,
                max: 4,
            });
        }
        if !(1..=7_300).contains(&certify.days) {
            return Err(Rejection::OutOfRange {
                field: "days",
                value: i64::from(certify.days),
                min: 1,
                max: 7_300,
            });
        }
        check_lengths(certify)?;
        if key.certificates().count() >= MAX_CERTIFICATES {
            return Err(Rejection::LimitReached {
                what: "certificates over a key",
                max: MAX_CERTIFICATES,
            });
        }
        let Made::Certificate(certified) = &facts.made else {
            return Err(bad("issuer", "no certificate was made"));
        };
        if let Some(taken) = self.certified(&certified.serial) {
            return Err(Rejection::NameTaken(HistoryId::new(
                Aggregate::Key,
                taken.clone(),
            )));
        }
        let mut decision = Decision::default();
        let event = key::Event::Certified((**certified).clone());
        decision.add(target, vec![event], Event::Key);
        Ok(decision)
    }
}

impl Ledger {
    /// True of an authority at `now`, if nothing above it was revoked either.
    #[must_use]
    pub fn certifies(&self, name: &Name, now: Timestamp) -> bool {
        /// More than any path length allows.
        const MAX_ABOVE: usize = 8;
        let Some(key) = self.key(name).map(|e| &e.state) else {
            return false;
        };
        if !issues(key, now) {
            return false;
        }
        let mut below = name;
        let mut above = key.authority().map(|c| &c.issuer);
        for _ in 0..MAX_ABOVE {
            let Some(issuer) = above.filter(|issuer| *issuer != below) else {
                return true;
            };
            let key = self.key(issuer).map(|e| &e.state);
            let Some(key) = key.filter(|key| key.revocation.is_none()) else {
                return false;
            };
            below = issuer;
            above = key.authority().map(|c| &c.issuer);
        }
        false
    }
}

/// True of a key that may sign certificates now.
fn can_certify(key: &key::Key) -> bool {
    key.state == key::State::Active
        && key.purposes.has(Purpose::Certify)
        && key.custodian == Custodian::Software
        && matches!(key.algorithm, Algorithm::P256 | Algorithm::P384)
}

/// True of an authority at `now`: one of its certificates says so, and holds.
fn issues(key: &key::Key, now: Timestamp) -> bool {
    can_certify(key) && key.certificates().any(|c| c.authority && c.not_after > now)
}

fn check_lengths(certify: &key::Certify) -> Result<(), Rejection> {
    let names = |names: &Option<Vec<String>>| names.as_ref().map_or(0, Vec::len);
    for (what, count, max) in [
        (
            "usages of a certificate",
            certify.usages.as_ref().map_or(0, Vec::len),
            6,
        ),
        (
            "names of a certificate",
            names(&certify.dns_names),
            MAX_CERTIFICATE_NAMES,
        ),
        (
            "names of a certificate",
            names(&certify.emails),
            MAX_CERTIFICATE_NAMES,
        ),
    ] {
        if count > max {
            return Err(Rejection::LimitReached { what, max });
        }
    }
    Ok(())
}
