//! What is asked of a certify key that is on a machine without a network, in the files of the [exchange].
//!
//! A request is read strictly, every signature in it is verified, and what is shown is what is signed. A response is accepted only
//! if its certificate is the old one with exactly what was asked.

mod describe;
mod expected;
mod request;

use keyledger_domain::{Timestamp, text::Reason};
use keyledger_pki::exchange::{self, RequestKind, Words};
use serde::{Deserialize, Serialize};

use super::{
    bind::{BindError, ProvenSubkey},
    certificate_error::CertificateError,
    fingerprint::Fingerprint,
    public::Certificate,
    reason::RevocationReason,
    renewal::Renewal,
    user_id::UserId,
};
use crate::ProviderFailure;

pub use request::{CertifyRequest, ask};

/// A request to a certify key.
pub type Request = exchange::Request<CertifyRequest>;
/// A certify key's response.
pub type Response = exchange::Response<CertifyRequest>;
/// Why a request to a certify key is none.
pub type RequestError = exchange::RequestError<AskCertifyError>;
/// Why a certify key's response is not accepted.
pub type ResponseError = exchange::ResponseError<AcceptCertificateError>;

/// The largest request or response that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// The most that one request asks: more is not read by a person.
pub const MAX_ASKS: usize = 32;

/// What a request to a certify key holds.
///
/// ```json
/// { "user_id": "Alice Archer <alice@example.org>", "asks": [ { "bind": { … } } ],
///   "certificate": "-----BEGIN PGP PUBLIC KEY BLOCK-----…" }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertifyAsked {
    /// Whose certificate it is.
    pub user_id: UserId,
    /// What is asked, in the order in which it is done.
    pub asks: Vec<Ask>,
    /// The certificate as it is now, armored.
    pub certificate: String,
}

/// What a certify key answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertifyAnswer {
    /// The new certificate, armored.
    pub certificate: String,
}

/// One thing that is asked of the certify key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// Bind a subkey.
    Bind {
        /// The subkey, and that its holder wants it.
        subkey: Box<ProvenSubkey>,
        /// Until when.
        expires: Timestamp,
    },
    /// Move the end of the whole, or of a subkey.
    Renew {
        /// What.
        what: Renewal,
        /// Until when.
        expires: Timestamp,
    },
    /// Revoke a subkey, for good.
    RevokeSubkey {
        /// Which.
        subkey: Fingerprint,
        /// Why.
        reason: RevocationReason,
        /// In words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<Reason>,
    },
    /// Revoke the whole, for good.
    Revoke {
        /// Why.
        reason: RevocationReason,
        /// In words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<Reason>,
    },
    /// Add a user id.
    AddUserId {
        /// Which.
        id: UserId,
    },
}

/// Why something is not for the certify key to sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskCertifyError {
    /// It asks for nothing, or for more than a person reads: ask for 1 to 32 things.
    #[error("it asks for {count} things, and 1 to {MAX_ASKS} are read")]
    Count {
        /// How many it asks for.
        count: usize,
    },
    /// The certificate is not of the person that the request names: look at both.
    #[error("the certificate has no user id {user_id}")]
    OtherPerson {
        /// Whom the request names.
        user_id: UserId,
    },
    /// The certificate has no such subkey, or it is revoked, or is there already: make the request anew.
    #[error("subkey {subkey} is not in the certificate, or no longer, or already")]
    Subkey {
        /// Which.
        subkey: Fingerprint,
    },
    /// The certificate has that user id already.
    #[error("the certificate has user id {id} already")]
    UserId {
        /// Which.
        id: UserId,
    },
    /// The same is signed twice in one moment, and readers take one of the two: ask for it once.
    #[error("it asks for {what} to be signed twice")]
    Twice {
        /// What: a fingerprint, or the user ids.
        what: String,
    },
    /// The whole is revoked, for good: make a new certificate.
    #[error("the certificate is revoked, for good")]
    Revoked,
    /// The certificate: see [`CertificateError`].
    #[error("its certificate")]
    Certificate(#[from] CertificateError),
    /// A card's half: see [`BindError`].
    #[error(transparent)]
    Bind(#[from] BindError),
    /// See [`ProviderFailure`].
    #[error(transparent)]
    Provider(#[from] ProviderFailure),
}

/// Why the answer of a certify key does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptCertificateError {
    /// Its certificate is not what was asked for: do not use it, and look at the offline machine and at the way between.
    #[error("its certificate is not the old one with what was asked for, and nothing else")]
    OtherCertificate,
    /// Its certificate: see [`CertificateError`].
    #[error("its certificate")]
    Certificate(#[from] CertificateError),
}

impl RequestKind for CertifyRequest {
    const KIND: &'static str = "openpgp";
    const MAX_BYTES: usize = MAX_BYTES;
    type Asked = CertifyAsked;
    type Answer = CertifyAnswer;
    /// The new certificate.
    type Outcome = Certificate;
    type AskError = AskCertifyError;
    type AnswerError = AcceptCertificateError;

    fn check(asked: CertifyAsked) -> Result<Self, AskCertifyError> {
        Self::checked(asked)
    }

    fn asked(&self) -> &CertifyAsked {
        self.form()
    }

    fn describe(&self, words: &mut Words) {
        describe::describe(self, words);
    }

    fn accept(&self, answer: &CertifyAnswer) -> Result<Certificate, AcceptCertificateError> {
        self.accepted(answer)
    }
}
