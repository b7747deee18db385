//! The request file.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use keyledger_domain::{Timestamp, form};
use serde::{Deserialize, Serialize};

use super::{Ask, MAX_ASKS, MAX_BYTES, RequestError, expected::Expected};
use crate::{
    ProviderFailure,
    openpgp::{Certificate, UserId},
};

/// What is asked of the certify key, for one person's certificate. All of it holds: the certificate is verified, the person
/// is in it, signing subkeys agreed, and what is asked can be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    form: Form,
    certificate: Certificate,
    /// SHA-256 of the file.
    digest: String,
}

/// ```json
/// { "format": "keyledger-openpgp-request", "version": 1, "nonce": "64 hex digits", "made_at": "2026-11-25T10:00:00.000Z",
///   "user_id": "Alice Archer <alice@example.org>", "asks": [ { "bind": { … } } ],
///   "certificate": "-----BEGIN PGP PUBLIC KEY BLOCK-----…" }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    format: Format,
    version: u32,
    nonce: String,
    made_at: Timestamp,
    user_id: UserId,
    asks: Vec<Ask>,
    certificate: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Format {
    #[serde(rename = "keyledger-openpgp-request")]
    Request,
}

impl Request {
    /// Asks for `asks` to be done to `certificate`, which is `user_id`'s, with a nonce of its own.
    ///
    /// # Errors
    ///
    /// [`RequestError`] if it cannot be done.
    pub fn new(
        certificate: &Certificate,
        user_id: UserId,
        asks: Vec<Ask>,
        now: Timestamp,
    ) -> Result<Self, RequestError> {
        let mut nonce = [0; 32];
        aws_lc_rs::rand::fill(&mut nonce).map_err(ProviderFailure::from)?;
        let form = Form {
            format: Format::Request,
            version: 1,
            nonce: HEXLOWER.encode(&nonce),
            made_at: now,
            user_id,
            asks,
            certificate: certificate.to_armored(),
        };
        let bytes = form::write(&form);
        Self::checked(form, &bytes)
    }

    /// Reads a request and verifies all of it.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        Self::checked(read(bytes)?, bytes)
    }

    /// As it is written to a file.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        form::write(&self.form)
    }

    /// The certificate as it is now.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Whose certificate it is.
    #[must_use]
    pub const fn user_id(&self) -> &UserId {
        &self.form.user_id
    }

    /// What is asked, in the order in which it is done.
    #[must_use]
    pub fn asks(&self) -> &[Ask] {
        &self.form.asks
    }

    /// When it was made, by the clock of whoever made it.
    #[must_use]
    pub const fn made_at(&self) -> Timestamp {
        self.form.made_at
    }

    /// 64 hex digits that no other request has.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.form.nonce
    }

    /// SHA-256 of the file, as `sha256sum` shows it.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    fn checked(form: Form, bytes: &[u8]) -> Result<Self, RequestError> {
        if form.asks.is_empty() || form.asks.len() > MAX_ASKS {
            let count = form.asks.len();
            return Err(RequestError::Count { count });
        }
        let certificate = Certificate::parse(form.certificate.as_bytes())?;
        let mut ids = certificate.user_ids().iter();
        if !ids.any(|view| view.id == form.user_id) {
            return Err(RequestError::OtherPerson {
                user_id: form.user_id,
            });
        }
        for ask in &form.asks {
            if let Ask::Bind { subkey, .. } = ask {
                subkey.verify(&certificate.key().primary_key)?;
            }
        }
        Expected::of(&certificate).after(&form.asks)?;
        Ok(Self {
            form,
            certificate,
            digest: HEXLOWER.encode(digest(&SHA256, bytes).as_ref()),
        })
    }
}

fn read(bytes: &[u8]) -> Result<Form, RequestError> {
    if bytes.len() > MAX_BYTES {
        return Err(RequestError::TooLarge { bytes: bytes.len() });
    }
    let form: Form = form::read(bytes)?;
    let is_nonce = form.nonce.len() == 64 && HEXLOWER.decode(form.nonce.as_bytes()).is_ok();
    if !is_nonce {
        let problem = "the nonce has 64 hex digits";
        return Err(<serde_json::Error as serde::de::Error>::custom(problem).into());
    }
    Ok(form)
}
