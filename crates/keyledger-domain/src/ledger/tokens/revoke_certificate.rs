//! One certificate is revoked, and its key goes on: a superseded certificate, a host that has changed its name.

use super::certify::bad;
use crate::{
    key::{self, CertificateRevoked, Certified, OfKey, RevokeCertificate, Serial},
    ledger::{Deciding, Decision},
    rejection::Rejection,
};

impl Deciding<'_> {
    /// Decides on the revocation of one certificate over a key.
    pub(crate) fn revoke_certificate(
        &self,
        revoke: &RevokeCertificate,
    ) -> Result<Decision, Rejection> {
        let (name, now) = (self.name(), self.now);
        let key = self.key()?;
        let certified = named(key, revoke)?;
        if let Some(before) = key.revocation_of(certified) {
            if before.reason == revoke.revocation_reason {
                return Ok(Decision::default()); // already so: nothing to record
            }
            let fault = format!(
                "it was revoked at {} already, for {}",
                before.revoked_at,
                before.reason.as_str()
            );
            return Err(bad("serial", &fault));
        }
        if revoke.revocation_reason.is_compromise() {
            return Err(bad(
                "revocation_reason",
                "a compromise is of the key, and so of every certificate over it: `keyledger key revoke`",
            ));
        }
        if key.revocation.is_some() {
            return Err(RevokeCertificate::not_allowed(key.state));
        }
        if certified.issuer == *name {
            return Err(bad(
                "serial",
                "it is the root's own certificate, which no list names: `keyledger key revoke` ends the root, and those who trust it \
                 must take it out",
            ));
        }
        if certified.not_after <= now {
            let rule = "it has expired: no list names it any more";
            return Err(Rejection::BadDate {
                field: "serial",
                value: certified.not_after,
                rule,
            });
        }
        let event = key::Event::CertificateRevoked(CertificateRevoked {
            issuer: certified.issuer.clone(),
            serial: certified.serial.clone(),
            revocation_reason: revoke.revocation_reason,
            revoked_at: now,
        });
        Ok(self.writes([event]))
    }
}

/// The certificate over a key that a revocation names.
fn named<'a>(key: &'a key::Key, revoke: &RevokeCertificate) -> Result<&'a Certified, Rejection> {
    let asked = |c: &&Certified| {
        c.serial
            .parse()
            .is_ok_and(|serial: Serial| serial == revoke.serial)
            && revoke
                .issuer
                .as_ref()
                .is_none_or(|issuer| *issuer == c.issuer)
    };
    let mut found = key.certificates().filter(asked);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(bad(
            "serial",
            "no certificate over this key has it: `keyledger ca certificates AUTHORITY` lists what an authority issued",
        )),
        (Some(_), Some(_)) => Err(bad(
            "issuer",
            "two authorities have used this serial number for this key: name one",
        )),
    }
}
