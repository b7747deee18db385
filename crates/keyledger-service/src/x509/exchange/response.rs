//! The response file.

use data_encoding::BASE64;
use keyledger_domain::{
    Timestamp,
    form::{self, NotOfForm},
};
use serde::{Deserialize, Serialize};

use super::{MAX_EXCHANGE_BYTES, Request};
use crate::x509::to_be_signed::FinishError;

/// What came back from the machine with the authority's key. Not to be used before [`accept`](Self::accept).
///
/// ```json
/// { "format": "keyledger-x509-response", "version": 1, "request": "SHA-256 of the request file, in hex",
///   "signed_at": "2026-11-25T11:00:00.000Z", "signature": "base64" }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    format: Format,
    version: u32,
    request: String,
    signed_at: Timestamp,
    signature: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Format {
    #[serde(rename = "keyledger-x509-response")]
    Response,
}

/// Why a response is not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// It is too large: look at the file.
    #[error("it has {bytes} bytes, and at most {MAX_EXCHANGE_BYTES} are read")]
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
    /// The signature is not base64.
    #[error("its signature is not base64")]
    Base64,
    /// The signature is not the issuer's over what was asked: do not use it, and look at the offline machine and at the way
    /// between.
    #[error("its signature")]
    Signature(#[from] FinishError),
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
    /// The answer to a request, if this is the issuer's signature over what it asks for.
    ///
    /// # Errors
    ///
    /// [`ResponseError::Signature`] if it is not.
    pub fn new(request: &Request, signature: &[u8], now: Timestamp) -> Result<Self, ResponseError> {
        request.to_be_signed().finish(signature)?;
        Ok(Self {
            format: Format::Response,
            version: 1,
            request: request.digest().to_owned(),
            signed_at: now,
            signature: BASE64.encode(signature),
        })
    }

    /// Reads a response; [`accept`](Self::accept) verifies it.
    ///
    /// # Errors
    ///
    /// [`ResponseError::TooLarge`], [`ResponseError::Form`], [`ResponseError::NewerVersion`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ResponseError> {
        if bytes.len() > MAX_EXCHANGE_BYTES {
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

    /// The certificate or the list, in DER, if this answers `request` and its issuer signed.
    ///
    /// # Errors
    ///
    /// [`ResponseError::OtherRequest`], [`ResponseError::Base64`], [`ResponseError::Signature`].
    pub fn accept(&self, request: &Request) -> Result<Vec<u8>, ResponseError> {
        if self.request != request.digest() {
            return Err(ResponseError::OtherRequest {
                found: self.request.clone(),
                expected: request.digest().to_owned(),
            });
        }
        let signature = BASE64.decode(self.signature.as_bytes());
        let signature = signature.map_err(|_| ResponseError::Base64)?;
        Ok(request.to_be_signed().finish(&signature)?)
    }
}
