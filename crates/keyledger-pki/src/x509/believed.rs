//! Certificates that were signed elsewhere, held against the authority that is said to have signed them.

use der::oid::ObjectIdentifier;
use x509_cert::certificate::Version;

use super::{
    certificate::{Certificate, MalformedCertificate},
    issue::{Issuer, key_id},
    issue_error::IssueError,
    serial_number::{NotASerialNumber, SerialNumber},
    usage::KeyUsage,
    verify::BadSignature,
};

/// Why a certificate is not believed to be what it is said to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotBelieved {
    /// It is of an older version, which has no extensions: have one of version 3 made.
    #[error("it is no certificate of version 3")]
    Version,
    /// See [`NotASerialNumber`].
    #[error("its serial number is not a positive number of at most 20 octets")]
    SerialNumber(#[from] NotASerialNumber),
    /// An authority, and whatever it signs, must be named.
    #[error("it names no subject")]
    NoSubject,
    /// It is over another key than it should be: look at which key was certified.
    #[error("it is over another public key: compare with `keyledger key show`")]
    OtherKey,
    /// Another name stands where its issuer's should: choose the issuer that signed it.
    #[error("its issuer is {found}, and should be {expected}")]
    OtherIssuer {
        /// Whom it names.
        found: String,
        /// Whom it should name.
        expected: String,
    },
    /// A root is to be certified under another name than it has: an authority keeps its name.
    #[error("it is for {found}, and the root is {expected}")]
    OtherName {
        /// Whom it is for.
        found: String,
        /// Who the root is.
        expected: String,
    },
    /// It names another key of its issuer: choose the issuer that signed it.
    #[error("it names another key of its issuer")]
    OtherIssuerKey,
    /// It is not the issuer's signature: it is forged, damaged, or of another issuer.
    #[error("it is not signed by its issuer")]
    Signature(#[from] BadSignature),
    /// A root is an authority: name the issuer of what is none.
    #[error("it is no authority's: a certificate that signs itself is a root's")]
    NoRoot,
    /// What it says of being an authority does not fit together: have one made that does.
    #[error("{0}")]
    Authority(&'static str),
    /// Readers must refuse what they do not understand, and this one does not: have one made without.
    #[error("it has the critical extension {0}, which is not known here")]
    Critical(ObjectIdentifier),
    /// An extension is not what its type says.
    #[error(transparent)]
    Malformed(#[from] MalformedCertificate),
    /// It is not within what its issuer may sign.
    #[error(transparent)]
    Reach(#[from] IssueError),
}

impl Issuer {
    /// Whether a certificate over `spki` is one that it signed, and may sign. Whether its serial number was used before is
    /// for whoever remembers them.
    ///
    /// # Errors
    ///
    /// [`NotBelieved`] saying what is wrong.
    pub fn check_signed(&self, certificate: &Certificate, spki: &[u8]) -> Result<(), NotBelieved> {
        if certificate.spki() != spki {
            return Err(NotBelieved::OtherKey);
        }
        self.check_content(certificate)?;
        Ok(certificate.verify(self.spki())?)
    }

    /// The same of one that is yet to be signed.
    pub(super) fn check_content(&self, certificate: &Certificate) -> Result<(), NotBelieved> {
        check_form(certificate)?;
        if certificate.issuer_name() != self.name() {
            return Err(NotBelieved::OtherIssuer {
                found: certificate.issuer(),
                expected: self.name().to_string(),
            });
        }
        let named = certificate.authority_key_id()?;
        if named.is_some_and(|named| named != self.key_id()) {
            return Err(NotBelieved::OtherIssuerKey);
        }
        let period = (certificate.not_before(), certificate.not_after());
        let authority = certificate.is_ca().then(|| certificate.path_length());
        Ok(self.check_within(certificate.subject_name(), period, authority)?)
    }
}

impl Issuer {
    /// Whether a certificate that is yet to be signed is the next one of this root: of its name, over its key.
    pub(super) fn check_renewal(&self, certificate: &Certificate) -> Result<(), NotBelieved> {
        if certificate.subject_name() != self.name() {
            return Err(NotBelieved::OtherName {
                found: certificate.subject(),
                expected: self.name().to_string(),
            });
        }
        check_root_content(certificate, self.spki())?;
        let named = certificate.subject_key_id();
        if named.is_some_and(|named| named != self.key_id()) {
            return Err(NotBelieved::OtherIssuerKey);
        }
        Ok(())
    }
}

/// Whether a certificate over `spki` is a root's, which signs itself.
///
/// # Errors
///
/// [`NotBelieved`] saying what is wrong.
pub fn check_root(certificate: &Certificate, spki: &[u8]) -> Result<(), NotBelieved> {
    check_root_content(certificate, spki)?;
    Ok(certificate.verify(spki)?)
}

/// The same of one that is yet to be signed.
fn check_root_content(certificate: &Certificate, spki: &[u8]) -> Result<(), NotBelieved> {
    if certificate.spki() != spki {
        return Err(NotBelieved::OtherKey);
    }
    check_form(certificate)?;
    if certificate.issuer_name() != certificate.subject_name() {
        return Err(NotBelieved::OtherIssuer {
            found: certificate.issuer(),
            expected: certificate.subject(),
        });
    }
    if !certificate.is_ca() {
        return Err(NotBelieved::NoRoot);
    }
    let own = match certificate.subject_key_id() {
        Some(id) => id.to_vec(),
        None => key_id(spki).map_err(IssueError::from)?,
    };
    if certificate.authority_key_id()?.is_some_and(|id| id != own) {
        return Err(NotBelieved::OtherIssuerKey);
    }
    Ok(())
}

/// What holds of every certificate here, whoever signed it.
fn check_form(certificate: &Certificate) -> Result<(), NotBelieved> {
    let tbs = certificate.tbs();
    if tbs.version() != Version::V3 {
        return Err(NotBelieved::Version);
    }
    SerialNumber::strictly(tbs.serial_number())?;
    if tbs.subject().is_empty() {
        return Err(NotBelieved::NoSubject);
    }
    if let Some(unknown) = certificate.unknown_critical_extension() {
        return Err(NotBelieved::Critical(unknown));
    }
    let (from, until) = (certificate.not_before(), certificate.not_after());
    if from >= until {
        return Err(IssueError::Period { from, until }.into());
    }
    check_authority(certificate)
}

/// Whether basic constraints, path length and key usages say the same.
fn check_authority(certificate: &Certificate) -> Result<(), NotBelieved> {
    let usages = match certificate.key_usage() {
        Some(extension) => KeyUsage::found(extension)
            .ok_or(NotBelieved::Authority("its key usages are not known here"))?,
        None => Vec::new(),
    };
    let signs = |usage| usages.contains(&usage);
    let both = [KeyUsage::KeyCertSign, KeyUsage::CrlSign];
    Err(NotBelieved::Authority(if certificate.is_ca() {
        if !certificate.is_constrained() {
            "it is an authority's, and its basic constraints are not critical"
        } else if !both.into_iter().all(signs) {
            "it is an authority's, and its key usages are not key_cert_sign and crl_sign"
        } else {
            return Ok(());
        }
    } else if certificate.path_length().is_some() {
        "it is no authority's, and has a path length"
    } else if both.into_iter().any(signs) {
        "it is no authority's, and its key may sign certificates or CRLs"
    } else {
        return Ok(());
    }))
}
