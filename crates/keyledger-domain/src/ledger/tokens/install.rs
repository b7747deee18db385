//! Certificates that were signed elsewhere, by a key that is not in custody here.

use super::certify::{MAX_CERTIFICATE_DAYS, Signs, bad, check_authority, check_room};
use crate::{
    key::{self, Certified},
    ledger::{Deciding, Decision, Reader},
    name::Name,
    rejection::Rejection,
    time::Timestamp,
};

/// How far the clock of whoever signed may be ahead.
const CLOCKS_DIFFER_MS: i64 = 300_000;

impl Deciding<'_> {
    /// Decides on a certificate over a key in the ledger that was signed elsewhere. What it says was found by the service; the
    /// rules are those of `certify`.
    pub(crate) fn install(
        &self,
        install: &key::Install,
        certified: Option<&Certified>,
    ) -> Result<Decision, Rejection> {
        let (name, issuer) = (self.name(), install.issuer.as_ref());
        let key = self.ledger.certifiable::<key::Install>(name)?;
        let events = self
            .ledger
            .installed_events(name, key, issuer, certified, self.now)?;
        Ok(self.writes(events))
    }
}

impl Reader<'_> {
    /// What a certificate over the key `name` writes that was signed elsewhere: nothing if it was installed before.
    pub(super) fn installed_events(
        &self,
        name: &Name,
        key: &key::Key,
        issuer: Option<&Name>,
        certified: Option<&Certified>,
        now: Timestamp,
    ) -> Result<Vec<key::Event>, Rejection> {
        let certified = certified.ok_or_else(|| bad("certificate", "it was not read"))?;
        // Already so: nothing to record.
        if key.certificates().any(|known| known == certified) {
            return Ok(vec![]);
        }
        self.check_issuer(name, key, issuer, Signs::Elsewhere, now)?;
        if certified.authority {
            check_authority(key, "certificate", None)?;
        } else if issuer.is_none() {
            return Err(bad(
                "certificate",
                "it signs itself, and is no authority's: name its issuer",
            ));
        }
        check_dates(certified, now)?;
        check_room(key)?;
        if let Some(taken) = self.certified(&certified.issuer, &certified.serial) {
            let fault = format!(
                "its serial number {} was used before, over key {taken}, by the same issuer: have another one signed",
                certified.serial
            );
            return Err(bad("certificate", &fault));
        }
        self.certified_events(key, certified, now)
    }
}

fn check_dates(certified: &Certified, now: Timestamp) -> Result<(), Rejection> {
    let refuse = |value, rule| {
        Err(Rejection::BadDate {
            field: "certificate",
            value,
            rule,
        })
    };
    let (from, until) = (certified.not_before, certified.not_after);
    if until <= now {
        return refuse(until, "it has expired: have a new one signed");
    }
    if from.ms() > now.ms() + CLOCKS_DIFFER_MS {
        return refuse(
            from,
            "it does not hold yet: wait, or look at the clock of whoever signed it",
        );
    }
    // A day more: certificates begin a little before they are signed.
    if until > from.plus_days(i64::from(MAX_CERTIFICATE_DAYS) + 1) {
        return refuse(
            until,
            "a certificate holds for 7300 days at most: have a shorter one signed",
        );
    }
    Ok(())
}
