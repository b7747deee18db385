//! Lists of revoked certificates (RFC 5280 §5), to be signed.

use std::collections::HashSet;

use der::{
    Encode as _,
    asn1::{GeneralizedTime, OctetString, Uint},
    oid::ObjectIdentifier,
};
use serde::{Deserialize, Serialize};
use x509_cert::{
    certificate::Version,
    crl::{RevokedCert, TbsCertList},
    ext::{
        Extension,
        pkix::{CrlNumber, CrlReason},
    },
};

use crate::Moment;

use super::{
    issue::{Issuer, time},
    issue_error::IssueError,
    profile::extension,
    serial_number::SerialNumber,
    to_be_signed::ToBeSigned,
};

pub(super) const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");

/// The most entries of a list: some 4 MB, which is more than clients like to fetch.
const MAX_ENTRIES: usize = 100_000;

/// A list of revoked certificates yet to be signed.
#[derive(Debug, Clone, Copy)]
pub struct NewCrl<'a> {
    /// Higher than any before.
    pub number: u64,
    /// When it was true.
    pub this_update: Moment,
    /// When the next one will be there at the latest: clients refuse this one afterwards.
    pub next_update: Moment,
    /// What is revoked. Keep a certificate on it until it has expired.
    pub entries: &'a [Revoked],
}

/// A revoked certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Which one.
    pub serial_number: SerialNumber,
    /// When it was revoked.
    pub revoked_at: Moment,
    /// Why; `None` says nothing.
    pub reason: Option<CertificateRevocationReason>,
    /// Since when the key was not to be trusted, if that was earlier.
    pub invalid_since: Option<Moment>,
}

/// Why a certificate was revoked, in RFC 5280's words (§5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are RFC 5280's")]
pub enum CertificateRevocationReason {
    KeyCompromise,
    CaCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
    CertificateHold,
    PrivilegeWithdrawn,
}

impl Issuer {
    /// A list for its key to sign.
    ///
    /// # Errors
    ///
    /// [`IssueError`] naming what cannot be so.
    pub fn crl(&self, new: &NewCrl<'_>) -> Result<ToBeSigned, IssueError> {
        if !self.signs_crls() {
            return Err(self.no_authority());
        }
        check(new)?;
        let entries = new.entries.iter().map(Revoked::encoded);
        let entries = entries.collect::<Result<Vec<_>, der::Error>>()?;
        let number = CrlNumber(Uint::try_from(new.number)?);
        let tbs: TbsCertList = TbsCertList {
            version: Version::V2,
            signature: self.key().signature_algorithm().identifier(),
            issuer: self.name().clone(),
            this_update: time(new.this_update),
            next_update: Some(time(new.next_update)),
            // An empty list is left out (RFC 5280 §5.1.2.6).
            revoked_certificates: (!entries.is_empty()).then_some(entries),
            crl_extensions: Some(vec![
                extension(false, &self.authority_key_id()?)?,
                extension(false, &number)?,
            ]),
        };
        Ok(self.to_be_signed(tbs.to_der()?))
    }
}

impl Revoked {
    fn encoded(&self) -> Result<RevokedCert, der::Error> {
        let mut extensions = Vec::new();
        if let Some(reason) = self.reason {
            extensions.push(extension(false, &reason.encoded())?);
        }
        if let Some(since) = self.invalid_since {
            let since = GeneralizedTime::from_date_time(since.date_time());
            extensions.push(Extension {
                extn_id: INVALIDITY_DATE,
                critical: false,
                extn_value: OctetString::new(since.to_der()?)?,
            });
        }
        Ok(RevokedCert {
            serial_number: self.serial_number.encoded()?,
            revocation_date: time(self.revoked_at),
            crl_entry_extensions: (!extensions.is_empty()).then_some(extensions),
        })
    }
}

impl CertificateRevocationReason {
    /// The one that a list gives; nothing for one that is not given here.
    pub(super) const fn found(reason: CrlReason) -> Option<Self> {
        Some(match reason {
            CrlReason::KeyCompromise => Self::KeyCompromise,
            CrlReason::CaCompromise => Self::CaCompromise,
            CrlReason::AffiliationChanged => Self::AffiliationChanged,
            CrlReason::Superseded => Self::Superseded,
            CrlReason::CessationOfOperation => Self::CessationOfOperation,
            CrlReason::CertificateHold => Self::CertificateHold,
            CrlReason::PrivilegeWithdrawn => Self::PrivilegeWithdrawn,
            // No reason is written by leaving it out (RFC 5280 §5.3.1); the others are of other lists.
            CrlReason::Unspecified | CrlReason::RemoveFromCRL | CrlReason::AaCompromise => {
                return None;
            }
        })
    }

    const fn encoded(self) -> CrlReason {
        match self {
            Self::KeyCompromise => CrlReason::KeyCompromise,
            Self::CaCompromise => CrlReason::CaCompromise,
            Self::AffiliationChanged => CrlReason::AffiliationChanged,
            Self::Superseded => CrlReason::Superseded,
            Self::CessationOfOperation => CrlReason::CessationOfOperation,
            Self::CertificateHold => CrlReason::CertificateHold,
            Self::PrivilegeWithdrawn => CrlReason::PrivilegeWithdrawn,
        }
    }
}

fn check(new: &NewCrl<'_>) -> Result<(), IssueError> {
    let (from, until) = (new.this_update, new.next_update);
    if from >= until {
        return Err(IssueError::Period { from, until });
    }
    if new.entries.len() > MAX_ENTRIES {
        return Err(IssueError::TooMany { most: MAX_ENTRIES });
    }
    let mut seen = HashSet::with_capacity(new.entries.len());
    for entry in new.entries {
        if !seen.insert(&entry.serial_number) {
            return Err(IssueError::RevokedTwice {
                serial_number: entry.serial_number.clone(),
            });
        }
    }
    Ok(())
}
