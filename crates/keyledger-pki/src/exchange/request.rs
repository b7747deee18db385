//! The request file.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::{
    FileError, Nonce, RequestKind, Words,
    file::{self, FileFormat},
    words::moment,
};
use crate::Moment;

/// What is asked of a key that is on a machine without a network. All of it was checked.
///
/// ```json
/// { "format": "keyledger-request", "version": 1, "kind": "x509", "made_at": "2026-11-25T10:00:00Z",
///   "nonce": "64 hex digits", "asked": { … } }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<C> {
    made_at: Moment,
    nonce: Nonce,
    content: C,
    /// SHA-256 of the file, in hexadecimal.
    digest: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestFile<K, A> {
    format: FileFormat,
    version: u32,
    kind: K,
    made_at: Moment,
    nonce: Nonce,
    asked: A,
}

/// Why a request is none.
#[derive(Debug, thiserror::Error)]
pub enum RequestError<E: std::error::Error + 'static> {
    /// The file is no request of this kind.
    #[error(transparent)]
    File(#[from] FileError),
    /// What it asks for must not be signed.
    #[error(transparent)]
    Asked(E),
}

impl<C: RequestKind> Request<C> {
    /// Asks for something at the moment `now`.
    ///
    /// # Errors
    ///
    /// [`RequestError`] if it must not be signed, or is too large to be read there.
    pub fn new(
        asked: C::Asked,
        nonce: Nonce,
        now: Moment,
    ) -> Result<Self, RequestError<C::AskError>> {
        let bytes = write::<C>(&asked, nonce, now);
        if bytes.len() > C::MAX_BYTES {
            return Err(FileError::TooLarge {
                bytes: bytes.len(),
                most: C::MAX_BYTES,
            }
            .into());
        }
        Self::checked(asked, nonce, now, &bytes)
    }

    /// Reads a request and checks all of it.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError<C::AskError>> {
        let file: RequestFile<String, C::Asked> =
            file::read(bytes, FileFormat::Request, C::KIND, C::MAX_BYTES)?;
        Self::checked(file.asked, file.nonce, file.made_at, bytes)
    }

    /// As it is written to a file.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        write::<C>(self.content.asked(), self.nonce, self.made_at)
    }

    /// When it was made, by the clock of whoever made it.
    #[must_use]
    pub const fn made_at(&self) -> Moment {
        self.made_at
    }

    /// What no other request has.
    #[must_use]
    pub const fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// What it asks for.
    #[must_use]
    pub const fn content(&self) -> &C {
        &self.content
    }

    /// SHA-256 of the file, as `sha256sum` shows it.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The request in words, line by line, as it would be signed at `now`: what a person reads before the key signs. All that would
    /// be signed is in it, and no character in it is invisible.
    #[must_use]
    pub fn describe(&self, now: Moment) -> String {
        let mut words = Words::at(now);
        words.line("Request", moment(self.made_at));
        if self.made_at > now {
            words.line(
                "",
                "that is later than this machine's clock: is one of the two wrong?",
            );
        }
        words.line("SHA-256", &self.digest);
        words.line("nonce", self.nonce.to_string());
        words.line("Signed at", moment(now));
        words.blank();
        self.content.describe(&mut words);
        words.into_text()
    }

    fn checked(
        asked: C::Asked,
        nonce: Nonce,
        made_at: Moment,
        bytes: &[u8],
    ) -> Result<Self, RequestError<C::AskError>> {
        Ok(Self {
            made_at,
            nonce,
            content: C::check(asked).map_err(RequestError::Asked)?,
            digest: HEXLOWER.encode(digest(&SHA256, bytes).as_ref()),
        })
    }
}

fn write<C: RequestKind>(asked: &C::Asked, nonce: Nonce, made_at: Moment) -> Vec<u8> {
    file::write(&RequestFile {
        format: FileFormat::Request,
        version: file::VERSION,
        kind: C::KIND,
        made_at,
        nonce,
        asked,
    })
}
