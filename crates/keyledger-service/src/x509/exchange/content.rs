//! What is to be signed, taken apart: all of it, or it is refused.

use der::{Decode, Encode, oid::AssociatedOid};
use x509_cert::ext::{
    Extension,
    pkix::{self, AuthorityKeyIdentifier, BasicConstraints, SubjectAltName, SubjectKeyIdentifier},
};

use super::{Asked, ExchangeError};
use crate::x509::{
    certificate::{Certificate, MalformedCertificate, decoded},
    issue::{Issuer, key_id},
    listed::ListContent,
    profile::{AlternativeName, ExtendedKeyUsage, KeyUsage},
    to_be_signed::{ReopenError, ToBeSigned},
};

/// What bytes to be signed say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A certificate.
    Certificate(Box<CertificateContent>),
    /// A list of revoked certificates.
    Crl(ListContent),
}

/// What a certificate to be signed says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateContent {
    /// The certificate, under a signature that verifies nowhere.
    pub certificate: Certificate,
    /// What its key may do.
    pub key_usages: Vec<KeyUsage>,
    /// What for.
    pub extended_key_usages: Vec<ExtendedKeyUsage>,
    /// Other names of the subject.
    pub names: Vec<AlternativeName>,
}

impl Content {
    /// Reads what `issuer` is to sign, and holds it against what it may sign.
    pub(super) fn read(
        asked: &Asked,
        to_be_signed: &ToBeSigned,
        issuer: &Issuer,
    ) -> Result<Self, ExchangeError> {
        let (bytes, algorithm) = (to_be_signed.bytes(), to_be_signed.algorithm());
        Ok(match asked {
            Asked::Certificate { .. } => {
                let certificate =
                    Certificate::unsigned(bytes, algorithm).map_err(ExchangeError::Certificate)?;
                issuer.check_content(&certificate)?;
                Self::Certificate(Box::new(CertificateContent::read(certificate)?))
            }
            Asked::Crl => Self::Crl(ListContent::unsigned(bytes, algorithm, issuer)?),
        })
    }
}

impl CertificateContent {
    fn read(certificate: Certificate) -> Result<Self, ExchangeError> {
        let tbs = certificate.tbs();
        if tbs.issuer_unique_id().is_some() || tbs.subject_unique_id().is_some() {
            return Err(not_shown("a unique identifier"));
        }
        let extensions = tbs.extensions().map_or(&[][..], Vec::as_slice);
        for extension in extensions {
            if !is_shown(extension) {
                return Err(not_shown(&format!("extension {}", extension.extn_id)));
            }
        }
        let key_id = key_id(certificate.spki()).map_err(ReopenError::from)?;
        if certificate.subject_key_id().is_some_and(|id| id != key_id) {
            return Err(not_shown("another identifier of its key"));
        }
        let key_usages = match certificate.key_usage() {
            Some(extension) => {
                KeyUsage::found(extension).ok_or_else(|| not_shown("a key usage"))?
            }
            None => Vec::new(),
        };
        let malformed = |e: MalformedCertificate| ExchangeError::Certificate(e);
        let usages: Option<pkix::ExtendedKeyUsage> = decoded(extensions).map_err(malformed)?;
        let extended_key_usages = usages.map_or(Vec::new(), |usages| usages.0);
        let extended_key_usages = extended_key_usages.into_iter().map(|id| {
            ExtendedKeyUsage::found(id)
                .ok_or_else(|| not_shown(&format!("extended key usage {id}")))
        });
        let names: Option<SubjectAltName> = decoded(extensions).map_err(malformed)?;
        let names = names.map_or(Vec::new(), |names| names.0);
        let names = names.iter().map(|name| {
            AlternativeName::found(name).ok_or_else(|| not_shown("an alternative name of a kind"))
        });
        Ok(Self {
            key_usages,
            extended_key_usages: extended_key_usages.collect::<Result<_, _>>()?,
            names: names.collect::<Result<_, _>>()?,
            certificate,
        })
    }
}

/// Whether all of an extension is shown: it is one of those that are, and written in the only way that DER has for it.
fn is_shown(extension: &Extension) -> bool {
    let content = extension.extn_value.as_bytes();
    match extension.extn_id {
        BasicConstraints::OID => is_canonical::<BasicConstraints>(content),
        pkix::KeyUsage::OID => is_canonical::<pkix::KeyUsage>(content),
        pkix::ExtendedKeyUsage::OID => is_canonical::<pkix::ExtendedKeyUsage>(content),
        SubjectAltName::OID => is_canonical::<SubjectAltName>(content),
        SubjectKeyIdentifier::OID => is_canonical::<SubjectKeyIdentifier>(content),
        AuthorityKeyIdentifier::OID => {
            let id = AuthorityKeyIdentifier::from_der(content);
            let alone = id.is_ok_and(|id| {
                id.authority_cert_issuer.is_none() && id.authority_cert_serial_number.is_none()
            });
            alone && is_canonical::<AuthorityKeyIdentifier>(content)
        }
        _ => false,
    }
}

fn is_canonical<T: for<'a> Decode<'a> + Encode>(content: &[u8]) -> bool {
    let read = T::from_der(content).ok();
    read.and_then(|read| read.to_der().ok())
        .is_some_and(|again| again == content)
}

fn not_shown(what: &str) -> ExchangeError {
    ExchangeError::NotShown {
        what: what.to_owned(),
    }
}
