//! What is to be signed, taken apart: all of it, or it is refused.

use der::{Decode, Encode, oid::AssociatedOid};
use x509_cert::ext::{
    Extension,
    pkix::{
        self, AuthorityKeyIdentifier, BasicConstraints, CrlDistributionPoints, SubjectAltName,
        SubjectKeyIdentifier,
        name::{DistributionPointName, GeneralName},
    },
};

use super::{AskAuthorityError, Asked};
use crate::x509::{
    certificate::{Certificate, MalformedCertificate, decoded},
    issue::Issuer,
    listed::ListContent,
    name::DistinguishedName,
    profile::AlternativeName,
    to_be_signed::{ReopenError, ToBeSigned},
    usage::{ExtendedKeyUsage, KeyUsage},
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
    /// Where it says that its issuer's list is.
    pub crl_urls: Vec<String>,
    /// All its extensions, in its order: what they are called, and whether a reader that does not know one must refuse it.
    pub extensions: Vec<(&'static str, bool)>,
}

impl Content {
    /// Reads what `issuer` is to sign, and holds it against what it may sign: of its `own` certificate, that it is a root's like the
    /// one before.
    pub(super) fn read(
        asked: &Asked,
        to_be_signed: &ToBeSigned,
        issuer: &Issuer,
        own: bool,
    ) -> Result<Self, AskAuthorityError> {
        let (bytes, algorithm) = (to_be_signed.bytes(), to_be_signed.algorithm());
        Ok(match asked {
            Asked::Certificate { .. } => {
                let certificate = Certificate::unsigned(bytes, algorithm)
                    .map_err(AskAuthorityError::Certificate)?;
                match own {
                    true => issuer.check_renewal(&certificate)?,
                    false => issuer.check_content(&certificate)?,
                }
                // A root's own name stays as whoever made it wrote it.
                if !own && !is_written_as_read(&certificate) {
                    return Err(not_shown("a name that is written otherwise than it reads"));
                }
                Self::Certificate(Box::new(CertificateContent::read(certificate, issuer)?))
            }
            Asked::Crl => Self::Crl(ListContent::unsigned(bytes, algorithm, issuer)?),
        })
    }
}

impl CertificateContent {
    fn read(certificate: Certificate, issuer: &Issuer) -> Result<Self, AskAuthorityError> {
        let tbs = certificate.tbs();
        if tbs.issuer_unique_id().is_some() || tbs.subject_unique_id().is_some() {
            return Err(not_shown("a unique identifier"));
        }
        let extensions = tbs.extensions().map_or(&[][..], Vec::as_slice);
        let mut shown = Vec::with_capacity(extensions.len());
        for extension in extensions {
            let name = shown_as(extension)
                .ok_or_else(|| not_shown(&format!("extension {}", extension.extn_id)))?;
            shown.push((name, extension.critical));
        }
        let key_id = issuer.id_of(certificate.spki());
        let key_id = key_id.map_err(ReopenError::from)?;
        if certificate.subject_key_id().is_some_and(|id| id != key_id) {
            return Err(not_shown("another identifier of its key"));
        }
        let key_usages = match certificate.key_usage() {
            Some(extension) => {
                KeyUsage::found(extension).ok_or_else(|| not_shown("a key usage"))?
            }
            None => Vec::new(),
        };
        let malformed = |e: MalformedCertificate| AskAuthorityError::Certificate(e);
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
            crl_urls: crl_urls(extensions)?,
            extensions: shown,
            certificate,
        })
    }
}

/// What an extension is called here, if all of it is shown: it is one of those that are, and written in the only way that DER has
/// for it.
fn shown_as(extension: &Extension) -> Option<&'static str> {
    let content = extension.extn_value.as_bytes();
    let (name, canonical) = match extension.extn_id {
        BasicConstraints::OID => (
            "basic_constraints",
            is_canonical::<BasicConstraints>(content),
        ),
        pkix::KeyUsage::OID => ("key_usage", is_canonical::<pkix::KeyUsage>(content)),
        pkix::ExtendedKeyUsage::OID => (
            "extended_key_usage",
            is_canonical::<pkix::ExtendedKeyUsage>(content),
        ),
        SubjectAltName::OID => ("alternative_names", is_canonical::<SubjectAltName>(content)),
        SubjectKeyIdentifier::OID => (
            "subject_key_id",
            is_canonical::<SubjectKeyIdentifier>(content),
        ),
        CrlDistributionPoints::OID => (
            "crl_distribution_points",
            is_canonical::<CrlDistributionPoints>(content),
        ),
        AuthorityKeyIdentifier::OID => {
            let id = AuthorityKeyIdentifier::from_der(content);
            let alone = id.is_ok_and(|id| {
                id.authority_cert_issuer.is_none() && id.authority_cert_serial_number.is_none()
            });
            let canonical = alone && is_canonical::<AuthorityKeyIdentifier>(content);
            ("authority_key_id", canonical)
        }
        _ => return None,
    };
    canonical.then_some(name)
}

/// The addresses of lists: plain ones, of all of what its issuer revoked.
fn crl_urls(extensions: &[Extension]) -> Result<Vec<String>, AskAuthorityError> {
    let found: Option<CrlDistributionPoints> =
        decoded(extensions).map_err(AskAuthorityError::Certificate)?;
    let mut urls = Vec::new();
    for point in found.map_or(Vec::new(), |points| points.0) {
        let plain = point.reasons.is_none() && point.crl_issuer.is_none();
        let names = match point.distribution_point {
            Some(DistributionPointName::FullName(names)) if plain => names,
            _ => return Err(not_shown("a place of a list of a kind")),
        };
        for name in names {
            match name {
                GeneralName::UniformResourceIdentifier(url) => urls.push(url.to_string()),
                _ => return Err(not_shown("a place of a list of a kind")),
            }
        }
    }
    Ok(urls)
}

fn is_canonical<T: for<'a> Decode<'a> + Encode>(content: &[u8]) -> bool {
    let read = T::from_der(content).ok();
    read.and_then(|read| read.to_der().ok())
        .is_some_and(|again| again == content)
}

/// True if the subject is written in the one way in which names are written here: the same words in another type of string are another
/// name to most of those who check a chain.
fn is_written_as_read(certificate: &Certificate) -> bool {
    let written = certificate.subject().parse::<DistinguishedName>();
    written.is_ok_and(|name| name == certificate.distinguished_name())
}

fn not_shown(what: &str) -> AskAuthorityError {
    AskAuthorityError::NotShown {
        what: what.to_owned(),
    }
}
