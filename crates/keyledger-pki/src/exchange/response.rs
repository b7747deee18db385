//! The response file.

use serde::{Deserialize, Serialize};

use super::{
    FileError, Request, RequestKind,
    file::{self, FileFormat},
};
use crate::Moment;

/// What came back from the machine without a network. Not to be used before [`accept`](Self::accept).
///
/// ```json
/// { "format": "keyledger-response", "version": 1, "kind": "x509", "request": "SHA-256 of the request file, in hex",
///   "signed_at": "2026-11-25T11:00:00Z", "answer": { … } }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response<C: RequestKind> {
    request: String,
    signed_at: Moment,
    answer: C::Answer,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResponseFile<K, A> {
    format: FileFormat,
    version: u32,
    kind: K,
    request: String,
    signed_at: Moment,
    answer: A,
}

/// Why a response is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ResponseError<E: std::error::Error + 'static> {
    /// The file is no response of this kind.
    #[error(transparent)]
    File(#[from] FileError),
    /// It answers another request: take the one that belongs to it.
    #[error("it answers another request, {found}, than {expected}")]
    OtherRequest {
        /// Which request it answers, by the SHA-256 of the file, shortened.
        found: String,
        /// Which it should answer.
        expected: String,
    },
    /// Its answer is not good: do not use it, and look at the offline machine and at the way between.
    #[error(transparent)]
    Answer(E),
}

impl<C: RequestKind> Response<C> {
    /// The answer to a request, if it is a good one.
    ///
    /// # Errors
    ///
    /// Says why it is not.
    pub fn new(
        request: &Request<C>,
        answer: C::Answer,
        now: Moment,
    ) -> Result<Self, C::AnswerError> {
        request.content().accept(&answer)?;
        Ok(Self {
            request: request.digest().to_owned(),
            signed_at: now,
            answer,
        })
    }

    /// Reads a response; [`accept`](Self::accept) verifies it.
    ///
    /// # Errors
    ///
    /// [`FileError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, FileError> {
        let file: ResponseFile<String, C::Answer> =
            file::read(bytes, FileFormat::Response, C::KIND, C::MAX_BYTES)?;
        Ok(Self {
            request: file.request,
            signed_at: file.signed_at,
            answer: file.answer,
        })
    }

    /// As it is written to a file.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        file::write(&ResponseFile {
            format: FileFormat::Response,
            version: file::VERSION,
            kind: C::KIND,
            request: self.request.clone(),
            signed_at: self.signed_at,
            answer: &self.answer,
        })
    }

    /// When it was signed, by the clock of the offline machine.
    #[must_use]
    pub const fn signed_at(&self) -> Moment {
        self.signed_at
    }

    /// What it comes to, if it answers `request` and the answer is good.
    ///
    /// # Errors
    ///
    /// [`ResponseError::OtherRequest`], [`ResponseError::Answer`].
    pub fn accept(
        &self,
        request: &Request<C>,
    ) -> Result<C::Outcome, ResponseError<C::AnswerError>> {
        if self.request != request.digest() {
            return Err(ResponseError::OtherRequest {
                found: self.request.chars().take(64).collect(),
                expected: request.digest().to_owned(),
            });
        }
        let outcome = request.content().accept(&self.answer);
        outcome.map_err(ResponseError::Answer)
    }
}
