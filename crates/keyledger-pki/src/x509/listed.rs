//! A list of revoked certificates that is yet to be signed, read.

use std::collections::HashSet;

use der::{
    Decode as _,
    asn1::GeneralizedTime,
    oid::{AssociatedOid, ObjectIdentifier},
};
use x509_cert::{
    crl::{RevokedCert, TbsCertList},
    ext::{
        Extension,
        pkix::{AuthorityKeyIdentifier, CrlNumber, CrlReason},
    },
};

use crate::Moment;

use super::{
    algorithm::SignatureAlgorithm,
    certificate::{Certificate, decoded, moment},
    crl::{CertificateRevocationReason, INVALIDITY_DATE, NewCrl, Revoked},
    envelope::Envelope,
    issue::Issuer,
    serial_number::{NotASerialNumber, SerialNumber},
    verify::BadSignature,
};

/// What a list of revoked certificates says: all of it. Bytes that say anything more are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListContent {
    /// Its number.
    pub number: u64,
    /// When it was true.
    pub this_update: Moment,
    /// When the next one is there at the latest.
    pub next_update: Moment,
    /// The certificates on it, in its order.
    pub entries: Vec<Revoked>,
}

/// Why bytes are no list that is signed here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAList {
    /// Not exactly one list in DER.
    #[error("not exactly one list of revoked certificates in DER, to be signed")]
    NotDer(#[from] der::Error),
    /// It names another algorithm than its issuer's key signs in.
    #[error("it names another signature algorithm than its issuer's")]
    Algorithm,
    /// It lacks its number or its end, which RFC 5280 demands; or its number is none that is given here, of 64 bits.
    #[error("it has no number of at most 64 bits, or no date of the next list")]
    Incomplete,
    /// It has an extension that is not shown, and what is not shown is not signed.
    #[error("it has extension {0}, which is not known here")]
    Extension(ObjectIdentifier),
    /// It is of another issuer, or of one that signs no lists.
    #[error("it is not this issuer's, or the issuer signs no lists")]
    OtherIssuer,
    /// A serial number that no certificate has.
    #[error(
        "it revokes a certificate whose serial number is not a positive number of at most 20 octets"
    )]
    SerialNumber(#[from] NotASerialNumber),
    /// A reason that is not given here: `removeFromCRL`, which un-revokes in a list that only says what changed.
    #[error("it gives certificate {serial_number} the reason {reason:?}, which is not given here")]
    Reason {
        /// Of which certificate.
        serial_number: SerialNumber,
        /// The reason.
        reason: CrlReason,
    },
    /// A certificate stands on it twice: which entry would count?
    #[error("it names certificate {0} twice")]
    Twice(SerialNumber),
    /// A date of the list does not lie within its issuer's certificate: make the request anew.
    #[error("it is of {from} to {until}, which is not within its issuer's certificate")]
    Period {
        /// Its date.
        from: Moment,
        /// The date of the next.
        until: Moment,
    },
    /// A revocation from after the list itself.
    #[error("it revokes certificate {serial_number} at {at}, which is after the list itself")]
    Later {
        /// Which certificate.
        serial_number: SerialNumber,
        /// When.
        at: Moment,
    },
    /// It says something that is not shown: an extension is critical that is not so in lists of ours, or it is written in another way.
    #[error("it says something that is not shown here, or is not written as it is here")]
    NotShown,
}

/// Why a signed list is not its authority's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadList {
    /// It was cut or changed on its way: ask for it again.
    #[error("it is not exactly one list of revoked certificates in DER")]
    NotDer(#[from] der::Error),
    /// It names another issuer: ask for the list of the right authority.
    #[error("it is the list of {found}")]
    OtherIssuer {
        /// Whose it is.
        found: String,
    },
    /// It is not the authority's signature: look at who answered.
    #[error("its signature")]
    Signature(#[from] BadSignature),
}

/// Whether a signed list in DER is that of the authority with this certificate, whole.
///
/// # Errors
///
/// [`BadList`] saying what is wrong.
pub fn check_list(der: &[u8], authority: &Certificate) -> Result<(), BadList> {
    let envelope = Envelope::open(der)?;
    let tbs: TbsCertList = TbsCertList::from_der(&envelope.signed)?;
    if tbs.issuer != *authority.subject_name() {
        let found = tbs.issuer.to_string();
        return Err(BadList::OtherIssuer { found });
    }
    Ok(envelope.verify(authority.spki())?)
}

impl ListContent {
    /// Reads a list that `issuer` is to sign.
    pub(super) fn unsigned(
        bytes: &[u8],
        algorithm: SignatureAlgorithm,
        issuer: &Issuer,
    ) -> Result<Self, NotAList> {
        let tbs: TbsCertList = TbsCertList::from_der(bytes)?;
        if tbs.signature != algorithm.identifier() {
            return Err(NotAList::Algorithm);
        }
        let extensions = tbs.crl_extensions.unwrap_or_default();
        check_known(&extensions, &[CrlNumber::OID, AuthorityKeyIdentifier::OID])?;
        let malformed = |_| NotAList::Incomplete;
        let number: Option<CrlNumber> = decoded(&extensions).map_err(malformed)?;
        let key_id: Option<AuthorityKeyIdentifier> = decoded(&extensions).map_err(malformed)?;
        let key_id = key_id.and_then(|id| id.key_identifier);
        let key_id = key_id.as_ref().map(|id| id.as_bytes());
        let own = tbs.issuer == *issuer.name() && key_id == Some(issuer.key_id());
        if !own || !issuer.signs_crls() {
            return Err(NotAList::OtherIssuer);
        }
        let revoked = tbs.revoked_certificates.unwrap_or_default();
        let content = Self {
            number: number
                .and_then(|number| u64_of(number.0.as_bytes()))
                .ok_or(NotAList::Incomplete)?,
            this_update: moment(tbs.this_update),
            next_update: moment(tbs.next_update.ok_or(NotAList::Incomplete)?),
            entries: revoked.iter().map(entry).collect::<Result<_, _>>()?,
        };
        content.check_dates(issuer)?;
        // What is left out above cannot be there: the same content written anew gives the same bytes.
        match content.written(issuer) {
            Some(again) if again == bytes => Ok(content),
            _ => Err(NotAList::NotShown),
        }
    }

    fn check_dates(&self, issuer: &Issuer) -> Result<(), NotAList> {
        let (from, until) = (self.this_update, self.next_update);
        if from >= until || !issuer.holds_over(from, until) {
            return Err(NotAList::Period { from, until });
        }
        let mut seen = HashSet::with_capacity(self.entries.len());
        for entry in &self.entries {
            let serial_number = entry.serial_number.clone();
            if !seen.insert(&entry.serial_number) {
                return Err(NotAList::Twice(serial_number));
            }
            let dates = [Some(entry.revoked_at), entry.invalid_since];
            if let Some(at) = dates.into_iter().flatten().find(|at| *at > from) {
                return Err(NotAList::Later { serial_number, at });
            }
        }
        Ok(())
    }

    fn written(&self, issuer: &Issuer) -> Option<Vec<u8>> {
        let new = NewCrl {
            number: self.number,
            this_update: self.this_update,
            next_update: self.next_update,
            entries: &self.entries,
        };
        Some(issuer.crl(&new).ok()?.bytes().to_vec())
    }
}

fn entry(found: &RevokedCert) -> Result<Revoked, NotAList> {
    let extensions = found.crl_entry_extensions.as_deref().unwrap_or_default();
    check_known(extensions, &[CrlReason::OID, INVALIDITY_DATE])?;
    let serial_number = SerialNumber::strictly(&found.serial_number)?;
    let malformed = |_| NotAList::NotShown;
    let reason: Option<CrlReason> = decoded(extensions).map_err(malformed)?;
    let reason = reason.map(|reason| {
        CertificateRevocationReason::found(reason).ok_or_else(|| NotAList::Reason {
            serial_number: serial_number.clone(),
            reason,
        })
    });
    let mut extensions = extensions.iter();
    let since = extensions.find(|extension| extension.extn_id == INVALIDITY_DATE);
    let since = since.map(|extension| GeneralizedTime::from_der(extension.extn_value.as_bytes()));
    Ok(Revoked {
        serial_number: serial_number.clone(),
        revoked_at: moment(found.revocation_date),
        reason: reason.transpose()?,
        invalid_since: since.transpose()?.map(|since| moment(since.into())),
    })
}

/// The number with these octets, most significant first, if it has at most 64 bits.
fn u64_of(octets: &[u8]) -> Option<u64> {
    let leading = octets.iter().take_while(|octet| **octet == 0).count();
    let octets = &octets[leading..];
    let mut all = [0; 8];
    all.get_mut(8usize.checked_sub(octets.len())?..)?
        .copy_from_slice(octets);
    Some(u64::from_be_bytes(all))
}

/// Each extension once, and none that is not shown.
fn check_known(extensions: &[Extension], known: &[ObjectIdentifier]) -> Result<(), NotAList> {
    for (index, extension) in extensions.iter().enumerate() {
        let id = extension.extn_id;
        let again = extensions[..index].iter().any(|other| other.extn_id == id);
        if again || !known.contains(&id) {
            return Err(NotAList::Extension(id));
        }
    }
    Ok(())
}
