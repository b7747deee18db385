//! Requests for certificates (PKCS#10, RFC 2986).

use der::{Decode as _, Encode as _};
use x509_cert::{name::Name, request::CertReqInfo};

use super::{
    MAX_CERTIFICATE_BYTES,
    algorithm::{PublicKeyKind, UnsupportedKey},
    envelope::Envelope,
    verify::BadSignature,
};

/// A request for a certificate, signed with the key it is for: whoever sent it had the key.
///
/// What else it asks for (extensions, a challenge password) is not looked at: profiles say what is issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    subject: Name,
    spki: Vec<u8>,
    key: PublicKeyKind,
}

/// Why a request was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Longer than any request that is meant.
    #[error("{0} bytes are more than a request has: at most {MAX_CERTIFICATE_BYTES}")]
    TooLong(usize),
    /// Not exactly one request in DER: convert PEM with `openssl req -outform DER`.
    #[error("not exactly one PKCS#10 request in DER")]
    NotDer(#[source] der::Error),
    /// See [`UnsupportedKey`].
    #[error(transparent)]
    Key(#[from] UnsupportedKey),
    /// The key in the request did not sign it: make it anew, with the key it is for.
    #[error("the request is not signed with the key it is for")]
    Signature(#[source] BadSignature),
}

impl CertificateRequest {
    /// Reads a request in DER, and verifies that it was signed with the key it is for.
    ///
    /// # Errors
    ///
    /// [`RequestError`] if it is not exactly one request of at most 16 KiB, or not signed so.
    pub fn from_der(der: &[u8]) -> Result<Self, RequestError> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(RequestError::TooLong(der.len()));
        }
        let envelope = Envelope::open(der).map_err(RequestError::NotDer)?;
        let info = CertReqInfo::from_der(&envelope.signed).map_err(RequestError::NotDer)?;
        let spki = info.public_key.to_der().map_err(RequestError::NotDer)?;
        let key = PublicKeyKind::of(&spki)?;
        envelope.verify(&spki).map_err(RequestError::Signature)?;
        Ok(Self {
            subject: info.subject,
            spki,
            key,
        })
    }

    /// The name it asks for, as RFC 4514 writes names; empty if it asks for none.
    #[must_use]
    pub fn subject(&self) -> String {
        self.subject.to_string()
    }

    /// The public key, as SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// What the key is.
    #[must_use]
    pub const fn key(&self) -> PublicKeyKind {
        self.key
    }
}
