//! The exchange with the machine that has the certify key, and no network: a request file goes in, a response file comes out.
//!
//! ```text
//! Request::new ──► request.json ──► Request::parse, describe: a person reads, agrees
//!                                        └─ CertifyKey::answer ──► response.json ──► Response::parse, accept
//! ```
//!
//! Either file may have been changed on its way. A request is read strictly, every signature in it is verified, and what
//! is shown is what is signed. A response is accepted only if its certificate is the old one with exactly what was asked.

mod describe;
mod expected;
mod request;
mod response;

use keyledger_domain::{Timestamp, form::NotOfForm, text::Reason};
use serde::{Deserialize, Serialize};

use super::{
    bind::{BindError, ProvenSubkey},
    certificate_error::CertificateError,
    fingerprint::Fingerprint,
    reason::RevocationReason,
    renewal::Renewal,
    user_id::UserId,
};
use crate::ProviderFailure;

pub use describe::describe;
pub use request::Request;
pub use response::{Response, ResponseError};

/// The largest request or response that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// The most that one request asks: more is not read by a person.
pub const MAX_ASKS: usize = 32;

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

/// Why a request is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// It is too large: look at the file.
    #[error("it has {bytes} bytes, and at most {MAX_BYTES} are read")]
    TooLarge {
        /// How large it is.
        bytes: usize,
    },
    /// It is no request: the source says where it stops to be one. Write it anew with `keyledger openpgp`.
    #[error("it is no request of this form")]
    Form(#[from] serde_json::Error),
    /// A newer Keyledger wrote it: upgrade the offline machine.
    #[error("it has version {found}, and this Keyledger reads version 1")]
    NewerVersion {
        /// Its version.
        found: u64,
    },
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

impl From<NotOfForm> for RequestError {
    fn from(fault: NotOfForm) -> Self {
        match fault {
            NotOfForm::Malformed(error) => Self::Form(error),
            NotOfForm::OtherVersion(found) => Self::NewerVersion { found },
        }
    }
}
