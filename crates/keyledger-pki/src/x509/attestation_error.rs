//! Why an attestation is not believed.

use std::fmt;

use der::oid::ObjectIdentifier;

use crate::Moment;

use super::{
    certificate::MalformedCertificate,
    verify::BadSignature,
    yubico_extensions::{FirmwareVersion, SUBJECT},
};

/// A certificate of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Link {
    /// The attestation of the slot.
    Slot,
    /// The token's own certificate, from slot F9.
    Device,
    /// An authority above it.
    Authority,
}

/// Why an attestation was not accepted. Quarantine the token, unless the variant says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttestationError {
    /// See [`MalformedCertificate`].
    #[error("the {link} certificate")]
    Malformed {
        /// Which certificate.
        link: Link,
        /// What is wrong with it.
        #[source]
        source: MalformedCertificate,
    },
    /// Nobody we believe issues certificates under this name: the F9 certificate was replaced, or is of an authority
    /// newer than this Keyledger (see [`Anchors::with_pinned_intermediate`](super::Anchors::with_pinned_intermediate)).
    #[error(
        "no trusted authority is called {issuer}: the F9 certificate of the token was replaced, or is newer than this service; \
         if Yubico publishes an authority of that name, `keyledger token trust add FILE` with its certificate"
    )]
    UnknownRoot {
        /// The issuer the F9 certificate names.
        issuer: String,
    },
    /// The signature of a certificate is not that of the one above it.
    #[error("the signature of the {link} certificate")]
    BadSignature {
        /// The certificate that is not signed as it says.
        link: Link,
        /// What is wrong with it.
        #[source]
        source: BadSignature,
    },
    /// The slot's certificate does not name the token's F9 certificate as its issuer: they are not of one token.
    #[error("the slot certificate was issued by {issuer}, not by {device}")]
    OtherIssuer {
        /// The issuer it names.
        issuer: String,
        /// The subject of the F9 certificate.
        device: String,
    },
    /// A certificate that signs others must be an authority, with room below it.
    #[error("the {link} certificate is not one of an authority that may sign the next")]
    NotACa {
        /// Which certificate.
        link: Link,
    },
    /// The attested certificate claims to be an authority: no YubiKey makes such.
    #[error("the slot certificate claims to be an authority")]
    SlotIsCa,
    /// Firmware 4.3 has F9 certificates that are not authorities' (Yubico's mistake, known since 2017): nothing can be
    /// proved with such a token; use a newer one.
    #[error(
        "the F9 certificate of firmware {firmware} is malformed, as known of 4.3: use a newer token"
    )]
    MalformedFirmware {
        /// The firmware.
        firmware: FirmwareVersion,
    },
    /// The certificate is not valid now. Look at the clock of the service first.
    #[error("the {link} certificate is valid from {not_before} to {not_after} only")]
    NotValidNow {
        /// Which certificate.
        link: Link,
        /// Its first moment.
        not_before: Moment,
        /// Its last.
        not_after: Moment,
    },
    /// A critical extension nobody here understands.
    #[error("the {link} certificate has an unknown critical extension {id}")]
    UnknownCriticalExtension {
        /// Which certificate.
        link: Link,
        /// The extension.
        id: ObjectIdentifier,
    },
    /// The slot's certificate does not say what an attestation says.
    #[error("the attestation has no extension {id}")]
    MissingExtension {
        /// The extension.
        id: ObjectIdentifier,
    },
    /// An extension is not as Yubico documents it.
    #[error("extension {id} of the attestation is malformed")]
    MalformedExtension {
        /// The extension.
        id: ObjectIdentifier,
    },
    /// The subject names no slot.
    #[error("{subject} is not the subject of an attestation: {SUBJECT}9a")]
    NoSlot {
        /// The subject.
        subject: String,
    },
    /// The key takes a fingerprint for the PIN: no profile has such keys.
    #[error("its key asks for a fingerprint, which no profile does")]
    AsksForFingerprint,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Slot => "slot",
            Self::Device => "F9",
            Self::Authority => "authority",
        })
    }
}
