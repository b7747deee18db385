//! Certificates to be signed.

use der::{Decode as _, Encode as _, Sequence, asn1::OctetString};
use x509_cert::{
    certificate::{Rfc5280, Version},
    ext::{
        Extensions,
        pkix::{AuthorityKeyIdentifier, SubjectKeyIdentifier},
    },
    name::Name,
    serial_number::SerialNumber as EncodedSerialNumber,
    spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned},
    time::{Time, Validity},
};

use crate::Moment;

use super::{
    MAX_CERTIFICATE_BYTES,
    algorithm::{PublicKeyKind, UnsupportedKey, key_bytes, parse_spki},
    certificate::{Certificate, sha256},
    issue_error::IssueError,
    name::DistinguishedName,
    profile::{AlternativeName, CertificateProfile, extension},
    serial_number::SerialNumber,
    to_be_signed::ToBeSigned,
    verify::check_key,
};

/// Who signs certificates and CRLs: an authority's name and public key, and how far it reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    name: Name,
    spki: Vec<u8>,
    key: PublicKeyKind,
    key_id: Vec<u8>,
    /// `None` before it has a certificate: then it signs its own, and nothing else.
    certificate: Option<Reach>,
}

/// What a certificate yet to be signed says.
#[derive(Debug, Clone, Copy)]
pub struct NewCertificate<'a> {
    /// Unpredictable, and never used by this issuer before: the caller's promise.
    pub serial_number: &'a SerialNumber,
    /// Whom it is for. The issuer's own name makes a root.
    pub subject: &'a DistinguishedName,
    /// The subject's public key, as SubjectPublicKeyInfo in DER.
    pub spki: &'a [u8],
    /// Other names of the subject.
    pub alternative_names: &'a [AlternativeName],
    /// Valid from here; seconds count.
    pub not_before: Moment,
    /// Valid until here, this second included.
    pub not_after: Moment,
    /// What it is for.
    pub profile: &'a CertificateProfile,
}

/// What an issuer's certificate allows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reach {
    not_before: Moment,
    not_after: Moment,
    path_length: Option<u8>,
    signs_certificates: bool,
    signs_crls: bool,
}

/// As RFC 5280 §4.1 has it. `x509-cert` reads this structure, but lets only its own builder write it.
#[derive(Sequence)]
struct Tbs {
    #[asn1(context_specific = "0", default = "Version::default")]
    version: Version,
    serial_number: EncodedSerialNumber,
    signature: AlgorithmIdentifierOwned,
    issuer: Name,
    validity: Validity<Rfc5280>,
    subject: Name,
    spki: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

impl Issuer {
    /// An authority to be: it has a name and a key, and signs its own certificate.
    ///
    /// # Errors
    ///
    /// [`UnsupportedKey`] if such a key does not sign.
    pub fn new_root(name: &DistinguishedName, spki: &[u8]) -> Result<Self, UnsupportedKey> {
        Ok(Self {
            name: name.as_name().clone(),
            key: check_key(spki)?,
            key_id: key_id(spki)?,
            spki: spki.to_vec(),
            certificate: None,
        })
    }

    /// The authority of a certificate.
    ///
    /// # Errors
    ///
    /// [`IssueError::NotAnAuthority`] if it is none, [`IssueError::Key`] if its key does not sign here.
    pub fn of(certificate: &Certificate) -> Result<Self, IssueError> {
        let spki = certificate.spki();
        if !certificate.is_ca() {
            return Err(IssueError::NotAnAuthority {
                issuer: certificate.subject(),
            });
        }
        let named = certificate.subject_key_id().map(<[u8]>::to_vec);
        Ok(Self {
            name: certificate.subject_name().clone(),
            key: PublicKeyKind::of(spki)?,
            key_id: named.map_or_else(|| key_id(spki), Ok)?,
            spki: spki.to_vec(),
            certificate: Some(Reach {
                not_before: certificate.not_before(),
                not_after: certificate.not_after(),
                path_length: certificate.path_length(),
                signs_certificates: certificate.may_sign_certificates(),
                signs_crls: certificate.may_sign_crls(),
            }),
        })
    }

    /// The root of a certificate, to sign its own next one: under the same name, over the same key with the same identifier, since
    /// what it issued names them.
    ///
    /// # Errors
    ///
    /// As [`Self::of`].
    pub fn renewing(certificate: &Certificate) -> Result<Self, IssueError> {
        Ok(Self {
            certificate: None,
            ..Self::of(certificate)?
        })
    }

    /// A certificate for its key to sign.
    ///
    /// # Errors
    ///
    /// [`IssueError`] naming what cannot be so.
    pub fn certificate(&self, new: &NewCertificate<'_>) -> Result<ToBeSigned, IssueError> {
        self.check(new)?;
        let key = check_key(new.spki)?;
        let mut extensions = new.profile.extensions(key, new.alternative_names)?;
        let subject_key_id = SubjectKeyIdentifier(OctetString::new(self.id_of(new.spki)?)?);
        extensions.push(extension(false, &subject_key_id)?);
        extensions.push(extension(false, &self.authority_key_id()?)?);
        let tbs = Tbs {
            version: Version::V3,
            serial_number: new.serial_number.encoded()?,
            signature: self.key.signature_algorithm().identifier(),
            issuer: self.name.clone(),
            validity: Validity::new(time(new.not_before), time(new.not_after)),
            subject: new.subject.as_name().clone(),
            spki: SubjectPublicKeyInfoOwned::from_der(new.spki)?,
            extensions: Some(extensions),
        };
        let bytes = tbs.to_der()?;
        // Room for the algorithm and the largest signature, RSA-4096's.
        if bytes.len() + 600 > MAX_CERTIFICATE_BYTES {
            return Err(IssueError::TooLong { bytes: bytes.len() });
        }
        Ok(self.to_be_signed(bytes))
    }

    pub(super) fn to_be_signed(&self, bytes: Vec<u8>) -> ToBeSigned {
        ToBeSigned::new(bytes, self.key.signature_algorithm(), self.spki.clone())
    }

    /// When its certificate ends; nothing before it has one.
    #[must_use]
    pub fn until(&self) -> Option<Moment> {
        self.certificate.as_ref().map(|it| it.not_after)
    }

    /// Does its certificate hold from one moment to another?
    pub(super) fn holds_over(&self, from: Moment, until: Moment) -> bool {
        self.certificate
            .as_ref()
            .is_some_and(|it| it.not_before <= from && until <= it.not_after)
    }

    pub(super) const fn name(&self) -> &Name {
        &self.name
    }

    pub(super) const fn key(&self) -> PublicKeyKind {
        self.key
    }

    pub(super) fn spki(&self) -> &[u8] {
        &self.spki
    }

    pub(super) fn key_id(&self) -> &[u8] {
        &self.key_id
    }

    /// The identifier of a key that it certifies: of its own the one that its certificate gives.
    pub(super) fn id_of(&self, spki: &[u8]) -> Result<Vec<u8>, UnsupportedKey> {
        match spki == self.spki {
            true => Ok(self.key_id.clone()),
            false => key_id(spki),
        }
    }

    pub(super) fn signs_crls(&self) -> bool {
        self.certificate.as_ref().is_some_and(|it| it.signs_crls)
    }

    pub(super) fn authority_key_id(&self) -> Result<AuthorityKeyIdentifier, der::Error> {
        Ok(AuthorityKeyIdentifier {
            key_identifier: Some(OctetString::new(self.key_id.as_slice())?),
            authority_cert_issuer: None,
            authority_cert_serial_number: None,
        })
    }

    pub(super) fn no_authority(&self) -> IssueError {
        IssueError::NotAnAuthority {
            issuer: self.name.to_string(),
        }
    }

    fn check(&self, new: &NewCertificate<'_>) -> Result<(), IssueError> {
        let (from, until) = (new.not_before, new.not_after);
        if from >= until {
            return Err(IssueError::Period { from, until });
        }
        let Some(reach) = &self.certificate else {
            let own = new.subject.as_name() == &self.name && new.spki == self.spki;
            return match new.profile.authority {
                Some(_) if own => Ok(()),
                _ => Err(IssueError::NotItsOwn),
            };
        };
        self.check_reach(
            reach,
            new.subject.as_name(),
            (from, until),
            new.profile.authority.map(|wanted| wanted.path_length),
        )
    }

    /// Whether a certificate of this subject, period and, if it is an authority's, path length is within its reach.
    pub(super) fn check_within(
        &self,
        subject: &Name,
        period: (Moment, Moment),
        authority: Option<Option<u8>>,
    ) -> Result<(), IssueError> {
        let reach = self.certificate.as_ref();
        let reach = reach.ok_or_else(|| self.no_authority())?;
        self.check_reach(reach, subject, period, authority)
    }

    fn check_reach(
        &self,
        reach: &Reach,
        subject: &Name,
        (from, until): (Moment, Moment),
        authority: Option<Option<u8>>,
    ) -> Result<(), IssueError> {
        if !reach.signs_certificates {
            return Err(self.no_authority());
        }
        if subject == &self.name {
            return Err(IssueError::NamedAsIssuer);
        }
        if from < reach.not_before || until > reach.not_after {
            return Err(IssueError::OutlivesIssuer {
                from: reach.not_before,
                until: reach.not_after,
            });
        }
        match (reach.path_length, authority) {
            (Some(most), Some(wanted)) if wanted.is_none_or(|length| length >= most) => {
                Err(IssueError::PathLength { most })
            }
            _ => Ok(()),
        }
    }
}

/// The identifier of a key: the leftmost 160 bits of the SHA-256 of its bits (RFC 7093 §2, method 1).
pub(super) fn key_id(spki: &[u8]) -> Result<Vec<u8>, UnsupportedKey> {
    Ok(sha256(key_bytes(&parse_spki(spki)?)?)[..20].to_vec())
}

/// A moment as certificates write it: UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 §4.1.2.5).
pub(super) fn time(at: Moment) -> Time {
    Time::from(at.date_time())
}
