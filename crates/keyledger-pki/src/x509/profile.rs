//! What a certificate is for.

use std::{fmt, net::IpAddr};

use crate::host::is_host;
use der::{
    Any,
    asn1::{Ia5String, OctetString, Utf8StringRef},
    flagset::FlagSet,
    oid::{AssociatedOid, ObjectIdentifier},
};
use x509_cert::ext::{
    Extension,
    pkix::{
        self, BasicConstraints, CertificatePolicies, CrlDistributionPoints, KeyUsages,
        SubjectAltName,
        certpolicy::PolicyInformation,
        crl::dp::DistributionPoint,
        name::{DistributionPointName, GeneralName, OtherName},
    },
};

use super::{
    algorithm::PublicKeyKind,
    issue_error::IssueError,
    usage::{ExtendedKeyUsage, KeyUsage},
};

/// The user principal name of smart card logon, as another name (Microsoft).
const UPN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.20.2.3");
/// The longest alternative name or address, in bytes.
const MAX_TEXT_BYTES: usize = 255;
/// The most alternative names, and the most policies, of a certificate.
const MAX_ENTRIES: usize = 32;

/// What a kind of certificate is for: the part of it that does not change from subject to subject.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CertificateProfile {
    /// What the key may do.
    pub key_usages: Vec<KeyUsage>,
    /// What for.
    pub extended_key_usages: Vec<ExtendedKeyUsage>,
    /// Is it an authority, and of which reach?
    pub authority: Option<AuthorityReach>,
    /// Where the issuer's CRL is published: an `http` URL (RFC 5280 §4.2.1.13).
    pub crl_url: Option<String>,
    /// Policies under which it is issued.
    pub policies: Vec<ObjectIdentifier>,
}

/// How far an authority reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthorityReach {
    /// How many authorities may stand between it and a leaf: 0 if it issues leaves only, `None` if any.
    pub path_length: Option<u8>,
}

/// Another name of the subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AlternativeName {
    /// A mail address in ASCII.
    Email(String),
    /// A host name in ASCII; a first label `*` stands for any.
    Dns(String),
    /// An IP address.
    Ip(IpAddr),
    /// A URI in ASCII, with its scheme.
    Uri(String),
    /// A user principal name, `user@realm`, for smart card logon.
    Upn(String),
}

impl CertificateProfile {
    /// An authority's, with so many authorities below it.
    #[must_use]
    pub fn authority(path_length: u8) -> Self {
        Self {
            key_usages: vec![KeyUsage::KeyCertSign, KeyUsage::CrlSign],
            authority: Some(AuthorityReach {
                path_length: Some(path_length),
            }),
            ..Self::default()
        }
    }

    /// The extensions of a certificate of this profile, those that say who signed whom aside.
    pub(super) fn extensions(
        &self,
        key: PublicKeyKind,
        names: &[AlternativeName],
    ) -> Result<Vec<Extension>, IssueError> {
        self.check(key, names)?;
        let path_length = self.authority.and_then(|reach| reach.path_length);
        let mut extensions = vec![extension(
            true,
            &BasicConstraints {
                ca: self.authority.is_some(),
                path_len_constraint: path_length,
            },
        )?];
        if !self.key_usages.is_empty() {
            let mut flags = FlagSet::<KeyUsages>::default();
            for usage in &self.key_usages {
                flags |= usage.flag();
            }
            extensions.push(extension(true, &pkix::KeyUsage(flags))?);
        }
        if !self.extended_key_usages.is_empty() {
            let ids = self.extended_key_usages.iter().map(|usage| usage.id());
            extensions.push(extension(false, &pkix::ExtendedKeyUsage(ids.collect()))?);
        }
        if !names.is_empty() {
            let names = names.iter().map(AlternativeName::encoded);
            let names = SubjectAltName(names.collect::<Result<_, _>>()?);
            extensions.push(extension(false, &names)?);
        }
        if let Some(url) = &self.crl_url {
            extensions.push(extension(false, &distribution_point(url)?)?);
        }
        if !self.policies.is_empty() {
            let policies = self.policies.iter().map(|id| PolicyInformation {
                policy_identifier: *id,
                policy_qualifiers: None,
            });
            extensions.push(extension(false, &CertificatePolicies(policies.collect()))?);
        }
        Ok(extensions)
    }

    fn check(&self, key: PublicKeyKind, names: &[AlternativeName]) -> Result<(), IssueError> {
        let signs = self.key_usages.contains(&KeyUsage::KeyCertSign);
        if signs != self.authority.is_some() {
            return Err(IssueError::AuthorityUsage);
        }
        if let Some(usage) = self.key_usages.iter().find(|usage| !usage.suits(key)) {
            return Err(IssueError::UnfitUsage { usage: *usage, key });
        }
        repeated(&self.key_usages)?;
        repeated(&self.extended_key_usages)?;
        repeated(&self.policies)?;
        if names.len() > MAX_ENTRIES || self.policies.len() > MAX_ENTRIES {
            return Err(IssueError::TooMany { most: MAX_ENTRIES });
        }
        names.iter().try_for_each(AlternativeName::check)?;
        match &self.crl_url {
            Some(url) if !is_crl_url(url) => Err(IssueError::CrlUrl {
                url: shortened(url),
            }),
            _ => Ok(()),
        }
    }
}

impl AlternativeName {
    fn check(&self) -> Result<(), IssueError> {
        let (fits, expected, text) = match self {
            Self::Email(text) => (text.is_ascii() && is_address(text), "ada@example.org", text),
            Self::Dns(text) => (is_host(text), "host.example.org", text),
            Self::Ip(_) => return Ok(()),
            Self::Uri(text) => (is_uri(text), "scheme:rest", text),
            Self::Upn(text) => (is_address(text), "ada@example.org", text),
        };
        if fits {
            return Ok(());
        }
        Err(IssueError::AlternativeName {
            name: shortened(text),
            expected,
        })
    }

    /// The name that a certificate has; `None` if it is of another kind.
    pub(super) fn found(name: &GeneralName) -> Option<Self> {
        Some(match name {
            GeneralName::Rfc822Name(text) => Self::Email(text.to_string()),
            GeneralName::DnsName(text) => Self::Dns(text.to_string()),
            GeneralName::IpAddress(octets) => Self::Ip(address(octets.as_bytes())?),
            GeneralName::UniformResourceIdentifier(text) => Self::Uri(text.to_string()),
            GeneralName::OtherName(other) if other.type_id == UPN => {
                let text = other.value.decode_as::<Utf8StringRef<'_>>().ok()?;
                Self::Upn(text.to_string())
            }
            _ => return None,
        })
    }

    fn encoded(&self) -> Result<GeneralName, IssueError> {
        Ok(match self {
            Self::Email(text) => GeneralName::Rfc822Name(Ia5String::new(text)?),
            Self::Dns(text) => GeneralName::DnsName(Ia5String::new(text)?),
            Self::Ip(IpAddr::V4(it)) => GeneralName::IpAddress(OctetString::new(it.octets())?),
            Self::Ip(IpAddr::V6(it)) => GeneralName::IpAddress(OctetString::new(it.octets())?),
            Self::Uri(text) => GeneralName::UniformResourceIdentifier(Ia5String::new(text)?),
            Self::Upn(text) => GeneralName::OtherName(OtherName {
                type_id: UPN,
                value: Any::encode_from(&Utf8StringRef::new(text)?)?,
            }),
        })
    }
}

impl fmt::Display for AlternativeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Email(text) | Self::Dns(text) | Self::Uri(text) | Self::Upn(text) => f.pad(text),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

/// An extension of a type whose content is DER.
pub(super) fn extension<T: AssociatedOid + der::Encode>(
    critical: bool,
    content: &T,
) -> Result<Extension, der::Error> {
    Ok(Extension {
        extn_id: T::OID,
        critical,
        extn_value: OctetString::new(content.to_der()?)?,
    })
}

fn repeated<T: PartialEq + fmt::Debug>(all: &[T]) -> Result<(), IssueError> {
    for (index, one) in all.iter().enumerate() {
        if all[..index].contains(one) {
            let what = format!("{one:?}");
            return Err(IssueError::Repeated { what });
        }
    }
    Ok(())
}

fn distribution_point(url: &str) -> Result<CrlDistributionPoints, IssueError> {
    let name = GeneralName::UniformResourceIdentifier(Ia5String::new(url)?);
    Ok(CrlDistributionPoints(vec![DistributionPoint {
        distribution_point: Some(DistributionPointName::FullName(vec![name])),
        reasons: None,
        crl_issuer: None,
    }]))
}

fn is_address(text: &str) -> bool {
    let plain = |c: char| !c.is_control() && !c.is_whitespace();
    let parts = text.split_once('@');
    let both = parts.is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@')
    });
    both && text.len() <= MAX_TEXT_BYTES && text.chars().all(plain)
}

/// The address that so many octets are, 4 or 16.
fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

/// True of an `http` URL with a host: `https` would need a certificate to check a certificate.
pub(super) fn is_crl_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://");
    is_uri(text) && rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

fn is_uri(text: &str) -> bool {
    let scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    };
    text.len() <= MAX_TEXT_BYTES
        && text.bytes().all(|b| b.is_ascii_graphic())
        && text
            .split_once(':')
            .is_some_and(|(first, rest)| scheme(first) && !rest.is_empty())
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
