//! The request file.

use data_encoding::{BASE64, HEXLOWER};
use keyledger_domain::{Name, Timestamp, form};
use serde::{Deserialize, Serialize};

use super::{Asked, Content, ExchangeError, MAX_EXCHANGE_BYTES};
use crate::x509::{
    believed::check_root,
    certificate::{Certificate, sha256},
    issue::Issuer,
    to_be_signed::ToBeSigned,
};

/// What the field `format` of a request says, by which it is told from requests of OpenPGP.
pub const REQUEST_FORMAT: &str = "keyledger-x509-request";

/// What is asked of an authority whose key is elsewhere. All of it holds: the bytes are what they are said to be, of this
/// issuer, and within what it may sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    form: Form,
    issuer_certificate: Certificate,
    to_be_signed: ToBeSigned,
    content: Content,
    /// SHA-256 of the file.
    digest: String,
}

/// ```json
/// { "format": "keyledger-x509-request", "version": 1, "made_at": "2026-11-25T10:00:00.000Z", "issuer": "root-ca",
///   "asked": { "certificate": { "key": "issuing-ca" } },
///   "issuer_certificate": "base64 of DER", "to_be_signed": "base64 of DER" }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    format: Format,
    version: u32,
    made_at: Timestamp,
    issuer: Name,
    asked: Asked,
    issuer_certificate: String,
    to_be_signed: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Format {
    #[serde(rename = "keyledger-x509-request")]
    Request,
}

impl Request {
    /// Asks `issuer`, whose certificate is given in base64 as are the bytes, to sign.
    ///
    /// # Errors
    ///
    /// [`ExchangeError`] if these are not bytes for it to sign.
    pub fn new(
        issuer: Name,
        asked: Asked,
        issuer_certificate: String,
        to_be_signed: String,
        now: Timestamp,
    ) -> Result<Self, ExchangeError> {
        let form = Form {
            format: Format::Request,
            version: 1,
            made_at: now,
            issuer,
            asked,
            issuer_certificate,
            to_be_signed,
        };
        let bytes = form::write(&form);
        Self::checked(form, &bytes)
    }

    /// Reads a request and checks all of it.
    ///
    /// # Errors
    ///
    /// [`ExchangeError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ExchangeError> {
        Self::checked(read(bytes)?, bytes)
    }

    /// As it is written to a file.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        form::write(&self.form)
    }

    /// The name of the issuer's key in the ledger.
    #[must_use]
    pub const fn issuer(&self) -> &Name {
        &self.form.issuer
    }

    /// What is asked.
    #[must_use]
    pub const fn asked(&self) -> &Asked {
        &self.form.asked
    }

    /// True if a root is to sign its own next certificate.
    #[must_use]
    pub fn is_renewal(&self) -> bool {
        self.form.is_renewal()
    }

    /// When it was made, by the clock of whoever made it.
    #[must_use]
    pub const fn made_at(&self) -> Timestamp {
        self.form.made_at
    }

    /// The issuer's certificate: what it says of itself.
    #[must_use]
    pub const fn issuer_certificate(&self) -> &Certificate {
        &self.issuer_certificate
    }

    /// What is to be signed.
    #[must_use]
    pub const fn to_be_signed(&self) -> &ToBeSigned {
        &self.to_be_signed
    }

    /// What that says.
    #[must_use]
    pub const fn content(&self) -> &Content {
        &self.content
    }

    /// SHA-256 of the file, as `sha256sum` shows it.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    fn checked(form: Form, bytes: &[u8]) -> Result<Self, ExchangeError> {
        if bytes.len() > MAX_EXCHANGE_BYTES {
            return Err(ExchangeError::TooLarge { bytes: bytes.len() });
        }
        let decode = |field, text: &str| {
            let bytes = BASE64.decode(text.as_bytes());
            bytes.map_err(|_| ExchangeError::Base64 { field })
        };
        let der = decode("issuer_certificate", &form.issuer_certificate)?;
        let issuer_certificate =
            Certificate::from_der(&der).map_err(ExchangeError::IssuerCertificate)?;
        // Of a root, whoever made the request cannot have made up what it may sign.
        let is_root = issuer_certificate.issuer_name() == issuer_certificate.subject_name();
        if is_root {
            check_root(&issuer_certificate, issuer_certificate.spki())
                .map_err(ExchangeError::IssuerNotBelieved)?;
        }
        let issuer = Issuer::of(&issuer_certificate).map_err(ExchangeError::Issuer)?;
        let der = decode("to_be_signed", &form.to_be_signed)?;
        let to_be_signed = ToBeSigned::reopen(der, issuer_certificate.spki().to_vec())?;
        let own = form.is_renewal() && is_root;
        let content = Content::read(&form.asked, &to_be_signed, &issuer, own)?;
        Ok(Self {
            digest: HEXLOWER.encode(&sha256(bytes)),
            form,
            issuer_certificate,
            to_be_signed,
            content,
        })
    }
}

impl Form {
    fn is_renewal(&self) -> bool {
        matches!(&self.asked, Asked::Certificate { key } if *key == self.issuer)
    }
}

fn read(bytes: &[u8]) -> Result<Form, ExchangeError> {
    if bytes.len() > MAX_EXCHANGE_BYTES {
        return Err(ExchangeError::TooLarge { bytes: bytes.len() });
    }
    Ok(form::read(bytes)?)
}
