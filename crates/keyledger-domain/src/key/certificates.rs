//! The certificates over a key: which of them hold, which were revoked one by one, and how long the key lives for them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::{CertificateRevoked, Certified, Event, Key, RevocationReason, State};
use crate::{key::Dates, name::Name, time::Timestamp};

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

impl Key {
    /// The certificates over it, oldest first.
    pub fn certificates(&self) -> impl DoubleEndedIterator<Item = &Certified> {
        self.certificates.iter().flat_map(|all| all.iter())
    }

    /// How a certificate over it was revoked, if it was revoked by itself.
    #[must_use]
    pub fn revocation_of(&self, certified: &Certified) -> Option<&CertificateRevocation> {
        let mut revoked = self.revoked_certificates.iter().flat_map(|all| all.iter());
        revoked.find(|it| it.issuer == certified.issuer && it.serial == certified.serial)
    }

    /// True if it ever was an authority: one of its certificates says so.
    #[must_use]
    pub fn is_authority(&self) -> bool {
        self.certificates().any(|c| c.authority)
    }

    /// The certificate under which it issues others at `now`: the newest that holds.
    #[must_use]
    pub fn authority_at(&self, now: Timestamp) -> Option<&Certified> {
        let holds = |c: &&Certified| c.not_after > now && self.revocation_of(c).is_none();
        self.certificates().rev().find(|c| c.authority && holds(c))
    }

    /// The certificate under which it signs lists of revoked certificates at `now`: the newest that holds, or else the last that
    /// held. A list can be needed after the authority's own end.
    #[must_use]
    pub fn lists_under(&self, now: Timestamp) -> Option<&Certified> {
        self.authority_at(now).or_else(|| {
            let authorities = self.certificates().filter(|c| c.authority);
            authorities.max_by_key(|c| c.not_after)
        })
    }

    /// The end of the last certificate over it that was not revoked.
    #[must_use]
    pub fn certified_until(&self) -> Option<Timestamp> {
        let stands = |c: &&Certified| self.revocation_of(c).is_none();
        self.certificates()
            .filter(stands)
            .map(|c| c.not_after)
            .max()
    }

    /// True if nothing but the clock ended it: its originator-usage period was over. Nobody revoked it then.
    #[must_use]
    pub fn ended_by_clock(&self) -> bool {
        let over = self
            .protect_stop_at
            .zip(self.deactivated_at)
            .is_some_and(|(stop, at)| stop <= at);
        self.state == State::Deactivated && self.revocation.is_none() && over
    }

    /// When its rotation falls due. Of an authority never: what it signed names its key, so it is not rotated; nor of a key
    /// that has left its history's hands, on a token or offline.
    #[must_use]
    pub fn rotation_due(&self) -> Option<Timestamp> {
        let rotates = self.custodian.rotates() && !self.is_authority();
        self.rotation_due_at.filter(|_| rotates)
    }

    /// What moves its end behind that of its certificates, where it lies before: a certificate promises that its key lives.
    #[must_use]
    pub fn extended(&self) -> Option<Event> {
        let until = self.certified_until()?;
        let too_early = |at: &Timestamp| *at < until;
        self.protect_stop_at.filter(too_early)?;
        Some(Event::Scheduled(Dates {
            protect_stop_at: Some(until),
            process_stop_at: self.process_stop_at.filter(too_early).map(|_| until),
            ..Dates::default()
        }))
    }

    pub(super) fn certified(&mut self, certified: &Certified) {
        self.certificates
            .get_or_insert_default()
            .push(certified.clone());
        if certified.authority {
            self.rotation_overdue = false;
        }
    }

    pub(super) fn certificate_revoked(&mut self, revoked: &CertificateRevoked) {
        self.revoked_certificates
            .get_or_insert_default()
            .push(CertificateRevocation {
                issuer: revoked.issuer.clone(),
                serial: revoked.serial.clone(),
                reason: revoked.revocation_reason,
                revoked_at: revoked.revoked_at,
            });
    }
}

/// The serial number of a certificate as people write it, brought into the form in which the ledger keeps it: lower-case
/// hexadecimal of whole octets, without leading zeros. Colons, capitals and `0x` are what other programs put in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Serial(#[schemars(length(min = 1, max = 64))] Box<str>);

/// Why a text is no serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is not a serial number: write up to 40 hexadecimal digits, as `openssl x509 -serial` does"
)]
pub struct NotASerial;

impl Serial {
    /// The number, in the ledger's form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Serial {
    type Err = NotASerial;

    fn from_str(text: &str) -> Result<Self, NotASerial> {
        let text = text.trim();
        let text = text.strip_prefix("0x").unwrap_or(text);
        let digits: String = text.chars().filter(|c| *c != ':').collect();
        let digits = digits.trim_start_matches('0').to_ascii_lowercase();
        let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        if digits.is_empty() || digits.len() > 40 || !hex {
            return Err(NotASerial);
        }
        let even = "0".repeat(digits.len() % 2);
        Ok(Self(format!("{even}{digits}").into()))
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for Serial {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(Error::custom)
    }
}
