//! The words in which commands about keys speak.

use serde::{Deserialize, Serialize};

use crate::{
    address::{EmailAddress, HostName, IpAddress},
    name::Name,
    text::Subject,
    time::Timestamp,
};

/// How sensitive a key is.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Classification {
    /// May be known to anyone.
    Public,
    /// For the organisation.
    #[default]
    Internal,
    /// For those who need it.
    Confidential,
    /// For those named.
    Restricted,
}

impl Classification {
    /// All of them, least sensitive first.
    pub const ALL: [Self; 4] = [
        Self::Public,
        Self::Internal,
        Self::Confidential,
        Self::Restricted,
    ];

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Confidential => "confidential",
            Self::Restricted => "restricted",
        }
    }
}

/// Why a key is revoked: KMIP 2.1 §11.48.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    /// No reason given.
    Unspecified,
    /// Somebody else has, or may have, the secret.
    KeyCompromise,
    /// The same of the authority that certified it.
    CaCompromise,
    /// Its owner's affiliation changed.
    AffiliationChanged,
    /// Another key took its place.
    Superseded,
    /// What it was for has ended.
    CessationOfOperation,
    /// Its owner's privilege was withdrawn.
    PrivilegeWithdrawn,
}

impl RevocationReason {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::PrivilegeWithdrawn,
    ];

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key_compromise",
            Self::CaCompromise => "ca_compromise",
            Self::AffiliationChanged => "affiliation_changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation_of_operation",
            Self::PrivilegeWithdrawn => "privilege_withdrawn",
        }
    }

    /// True where the key becomes compromised, not merely deactivated.
    #[must_use]
    pub const fn is_compromise(self) -> bool {
        matches!(self, Self::KeyCompromise | Self::CaCompromise)
    }
}

/// What a certificate may be used for: an extended key usage, or the authority to issue others.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CertificateUsage {
    /// TLS as a client (1.3.6.1.5.5.7.3.2).
    ClientAuth,
    /// TLS as a server (1.3.6.1.5.5.7.3.1).
    ServerAuth,
    /// S/MIME (1.3.6.1.5.5.7.3.4).
    EmailProtection,
    /// Logging in with a smart card (1.3.6.1.4.1.311.20.2.2).
    SmartcardLogon,
    /// Signing code (1.3.6.1.5.5.7.3.3).
    CodeSigning,
    /// Signing documents (RFC 9336, 1.3.6.1.5.5.7.3.36).
    DocumentSigning,
}

/// What a certificate is to say: `certify`'s fields, where a key is certified as it comes to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certification {
    /// The key that signs the certificate; the key itself, for a root, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Name>,
    /// Whom it is for: a common name, or a name as RFC 4514 writes it, like `CN=Ada,OU=Keys,O=Example`.
    pub subject: Subject,
    /// Days until the certificate expires, 1 to 7,300. This, or `until`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u16>,
    /// The moment at which it expires, within 7,300 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Makes the key an authority: how many authorities may stand below it, 0 to 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_length: Option<u8>,
    /// What it may be used for, where it is no authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usages: Option<Vec<CertificateUsage>>,
    /// DNS names that it is for; at most 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_names: Option<Vec<HostName>>,
    /// IP addresses that it is for; at most 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_addresses: Option<Vec<IpAddress>>,
    /// E-mail addresses that it is for; at most 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emails: Option<Vec<EmailAddress>>,
    /// A request (PKCS#10, in PEM or base64 of DER) that is signed with the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

/// A certificate that was signed elsewhere: `install`'s fields, where it is installed as its key is registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Installation {
    /// The key that signed the certificate; the key itself, for a root, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Name>,
    /// The certificate: base64 of its DER, or a PEM `CERTIFICATE`.
    pub certificate: String,
}
