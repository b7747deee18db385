//! What the key of a certificate may be used for.

use der::{flagset::FlagSet, oid::ObjectIdentifier};
use serde::{Deserialize, Serialize};
use x509_cert::ext::pkix::{self, KeyUsages};

use super::algorithm::PublicKeyKind;

/// What a key may do (RFC 5280 §4.2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are RFC 5280's")]
pub enum KeyUsage {
    DigitalSignature,
    /// Called nonRepudiation before.
    ContentCommitment,
    KeyEncipherment,
    DataEncipherment,
    KeyAgreement,
    KeyCertSign,
    CrlSign,
}

/// What a key is for (RFC 5280 §4.2.1.12, RFC 4556, Microsoft).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the standards'")]
pub enum ExtendedKeyUsage {
    ServerAuth,
    ClientAuth,
    CodeSigning,
    EmailProtection,
    TimeStamping,
    OcspSigning,
    /// Windows logon.
    SmartcardLogon,
    /// Kerberos logon with PKINIT.
    PkinitClientAuth,
}

impl KeyUsage {
    /// All of them, in the order of their bits.
    const ALL: [Self; 7] = [
        Self::DigitalSignature,
        Self::ContentCommitment,
        Self::KeyEncipherment,
        Self::DataEncipherment,
        Self::KeyAgreement,
        Self::KeyCertSign,
        Self::CrlSign,
    ];

    /// Those that an extension names; `None` if it names others too.
    pub(super) fn found(extension: &pkix::KeyUsage) -> Option<Vec<Self>> {
        let named = |usage: &Self| extension.0.contains(usage.flag());
        let found: Vec<_> = Self::ALL.into_iter().filter(named).collect();
        let known = found.iter().fold(FlagSet::default(), |all, usage| {
            all | FlagSet::from(usage.flag())
        });
        (known == extension.0).then_some(found)
    }

    pub(super) const fn flag(self) -> KeyUsages {
        match self {
            Self::DigitalSignature => KeyUsages::DigitalSignature,
            Self::ContentCommitment => KeyUsages::NonRepudiation,
            Self::KeyEncipherment => KeyUsages::KeyEncipherment,
            Self::DataEncipherment => KeyUsages::DataEncipherment,
            Self::KeyAgreement => KeyUsages::KeyAgreement,
            Self::KeyCertSign => KeyUsages::KeyCertSign,
            Self::CrlSign => KeyUsages::CRLSign,
        }
    }

    /// Can a key of this kind do it at all? (RFC 8813 §3, RFC 8410 §5, RFC 4055 §1.2)
    pub(super) const fn suits(self, key: PublicKeyKind) -> bool {
        match self {
            Self::DigitalSignature
            | Self::ContentCommitment
            | Self::KeyCertSign
            | Self::CrlSign => true,
            Self::KeyEncipherment | Self::DataEncipherment => {
                matches!(key, PublicKeyKind::Rsa { .. })
            }
            Self::KeyAgreement => matches!(key, PublicKeyKind::P256 | PublicKeyKind::P384),
        }
    }
}

impl ExtendedKeyUsage {
    const ALL: [Self; 8] = [
        Self::ServerAuth,
        Self::ClientAuth,
        Self::CodeSigning,
        Self::EmailProtection,
        Self::TimeStamping,
        Self::OcspSigning,
        Self::SmartcardLogon,
        Self::PkinitClientAuth,
    ];

    /// The one with this identifier.
    pub(super) fn found(id: ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|usage| usage.id() == id)
    }

    pub(super) const fn id(self) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(match self {
            Self::ServerAuth => "1.3.6.1.5.5.7.3.1",
            Self::ClientAuth => "1.3.6.1.5.5.7.3.2",
            Self::CodeSigning => "1.3.6.1.5.5.7.3.3",
            Self::EmailProtection => "1.3.6.1.5.5.7.3.4",
            Self::TimeStamping => "1.3.6.1.5.5.7.3.8",
            Self::OcspSigning => "1.3.6.1.5.5.7.3.9",
            Self::SmartcardLogon => "1.3.6.1.4.1.311.20.2.2",
            Self::PkinitClientAuth => "1.3.6.1.5.2.3.4",
        })
    }
}
