//! The exchange with the machine that has an authority's key, and no network: a request file goes in, a response file comes
//! out.
//!
//! ```text
//! Request::new ──► ca.request ──► Request::parse, describe: a person reads, agrees
//!                                     └─ the key signs, Response::new ──► ca.response ──► Response::parse, accept
//! ```
//!
//! Either file may have been changed on its way. A request is read strictly, the bytes to be signed are taken apart, and what
//! is shown is what is signed: bytes that say anything else are refused. A response counts only for the request that it
//! names by its digest, and only with a signature that verifies.

mod content;
mod request;
mod response;
mod words;

use keyledger_domain::{Name, form::NotOfForm};
use serde::{Deserialize, Serialize};

use super::{
    believed::NotBelieved, certificate::MalformedCertificate, issue::IssueError, listed::NotAList,
    to_be_signed::ReopenError,
};

pub use content::{CertificateContent, Content};
pub use request::{REQUEST_FORMAT, Request};
pub use response::{Response, ResponseError};
pub use words::describe;

/// The largest request or response that is read, in bytes: the longest list that is made, of 100,000 revoked certificates.
pub const MAX_EXCHANGE_BYTES: usize = 12 << 20;

/// What is asked of an authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Asked {
    /// A certificate.
    Certificate {
        /// The key in the ledger that it is over.
        key: Name,
    },
    /// The list of its revoked certificates.
    Crl,
}

/// Why a request is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// It is too large: look at the file.
    #[error("it has {bytes} bytes, and at most {MAX_EXCHANGE_BYTES} are read")]
    TooLarge {
        /// How large it is.
        bytes: usize,
    },
    /// It is no request: the source says where it stops to be one. Write it anew with `keyledger ca`.
    #[error("it is no request of this form")]
    Form(#[from] serde_json::Error),
    /// A newer Keyledger wrote it: upgrade the offline machine.
    #[error("it has version {found}, and this Keyledger reads version 1")]
    NewerVersion {
        /// Its version.
        found: u64,
    },
    /// Something in it is not base64.
    #[error("{field} is not base64")]
    Base64 {
        /// What.
        field: &'static str,
    },
    /// The issuer's certificate cannot be read.
    #[error("its issuer's certificate")]
    IssuerCertificate(#[source] MalformedCertificate),
    /// The issuer's certificate says that it signed itself, and did not, or is no root's: look at who made the request.
    #[error("its issuer's certificate")]
    IssuerNotBelieved(#[source] NotBelieved),
    /// The issuer is no authority.
    #[error("its issuer")]
    Issuer(#[source] IssueError),
    /// The bytes are not to be signed by a key of this kind.
    #[error("what is to be signed")]
    Bytes(#[from] ReopenError),
    /// The bytes are no certificate.
    #[error("the certificate to be signed")]
    Certificate(#[source] MalformedCertificate),
    /// The certificate is not what this issuer may sign.
    #[error("the certificate to be signed")]
    NotBelieved(#[from] NotBelieved),
    /// It has something that is not shown, and what is not shown is not signed.
    #[error("the certificate to be signed has {what}, which is not known here")]
    NotShown {
        /// What.
        what: String,
    },
    /// The bytes are no list that this issuer may sign.
    #[error("the list to be signed")]
    List(#[from] NotAList),
}

impl From<NotOfForm> for ExchangeError {
    fn from(fault: NotOfForm) -> Self {
        match fault {
            NotOfForm::Malformed(error) => Self::Form(error),
            NotOfForm::OtherVersion(found) => Self::NewerVersion { found },
        }
    }
}
