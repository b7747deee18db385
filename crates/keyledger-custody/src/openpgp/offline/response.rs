//! The response file.

use keyledger_domain::{
    Timestamp,
    form::{self, NotOfForm},
};
use serde::{Deserialize, Serialize};

use super::{MAX_BYTES, Request, expected::Expected};
use crate::openpgp::{Certificate, CertificateError};

/// What came back from the machine with the certify key. Not to be used before [`accept`](Self::accept).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    format: Format,
    version: u32,
    /// SHA-256 of the request file.
    request: String,
    nonce: String,
    signed_at: Timestamp,
    certificate: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Format {
    #[serde(rename = "keyledger-openpgp-response")]
    Response,
}

/// Why a response is not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// It is too large: look at the file.
    #[error("it has {bytes} bytes, and at most {MAX_BYTES} are read")]
    TooLarge {
        /// How large it is.
        bytes: usize,
    },
    /// It is no response: the source says where it stops to be one.
    #[error("it is no response of this form")]
    Form(#[from] serde_json::Error),
    /// A newer Keyledger wrote it: upgrade this one.
    #[error("it has version {found}, and this Keyledger reads version 1")]
    NewerVersion {
        /// Its version.
        found: u64,
    },
    /// It answers another request: take the one that belongs to it.
    #[error("it answers another request, {found}, than {expected}")]
    OtherRequest {
        /// Which request it answers, by the SHA-256 of the file.
        found: String,
        /// Which it should answer.
        expected: String,
    },
    /// Its certificate is not what was asked for: do not use it, and look at the offline machine and at the way between.
    #[error("its certificate is not the old one with what was asked for, and nothing else")]
    OtherCertificate,
    /// Its certificate: see [`CertificateError`].
    #[error("its certificate")]
    Certificate(#[from] CertificateError),
}

impl From<NotOfForm> for ResponseError {
    fn from(fault: NotOfForm) -> Self {
        match fault {
            NotOfForm::Malformed(error) => Self::Form(error),
            NotOfForm::OtherVersion(found) => Self::NewerVersion { found },
        }
    }
}

impl Response {
    /// The answer to a request.
    pub(in crate::openpgp) fn new(
        request: &Request,
        certificate: &Certificate,
        now: Timestamp,
    ) -> Self {
        Self {
            format: Format::Response,
            version: 1,
            request: request.digest().to_owned(),
            nonce: request.nonce().to_owned(),
            signed_at: now,
            certificate: certificate.to_armored(),
        }
    }

    /// Reads a response; [`accept`](Self::accept) verifies it.
    ///
    /// # Errors
    ///
    /// [`ResponseError::TooLarge`], [`ResponseError::Form`], [`ResponseError::NewerVersion`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ResponseError> {
        if bytes.len() > MAX_BYTES {
            return Err(ResponseError::TooLarge { bytes: bytes.len() });
        }
        Ok(form::read(bytes)?)
    }

    /// As it is written to a file.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        form::write(self)
    }

    /// When it was signed, by the clock of the offline machine.
    #[must_use]
    pub const fn signed_at(&self) -> Timestamp {
        self.signed_at
    }

    /// The new certificate, if this answers `request` and does exactly what was asked.
    ///
    /// # Errors
    ///
    /// [`ResponseError::OtherRequest`], [`ResponseError::Certificate`], [`ResponseError::OtherCertificate`].
    pub fn accept(&self, request: &Request) -> Result<Certificate, ResponseError> {
        if self.request != request.digest() || self.nonce != request.nonce() {
            return Err(ResponseError::OtherRequest {
                found: self.request.clone(),
                expected: request.digest().to_owned(),
            });
        }
        let certificate = Certificate::parse(self.certificate.as_bytes())?;
        let expected = Expected::of(request.certificate()).after(request.asks());
        let is_as_asked = expected.is_ok_and(|expected| expected == Expected::of(&certificate));
        if is_as_asked && certificate.holds(request.certificate()) {
            Ok(certificate)
        } else {
            Err(ResponseError::OtherCertificate)
        }
    }
}
