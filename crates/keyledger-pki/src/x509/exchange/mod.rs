//! What is asked of an authority whose key is on a machine without a network: a certificate or a list of revoked ones, in the
//! files of the [`crate::exchange`].
//!
//! The bytes to be signed are taken apart, and what is shown is what is signed: bytes that say anything else are refused. The
//! answer is a signature, and counts if it verifies.

mod content;
mod request;
mod words;

use serde::{Deserialize, Serialize};

use super::{
    believed::NotBelieved,
    certificate::MalformedCertificate,
    issue_error::IssueError,
    listed::NotAList,
    to_be_signed::{FinishError, ReopenError},
};
use crate::exchange::{self, KeyName, Octets, RequestKind, Words};

pub use content::{CertificateContent, Content};
pub use request::AuthorityRequest;

/// A request to an authority.
pub type Request = exchange::Request<AuthorityRequest>;
/// An authority's response.
pub type Response = exchange::Response<AuthorityRequest>;
/// Why a request to an authority is none.
pub type RequestError = exchange::RequestError<AskAuthorityError>;
/// Why an authority's response is not accepted.
pub type ResponseError = exchange::ResponseError<FinishError>;

/// The largest request or response, in bytes: the longest list that is made, of 100,000 revoked certificates.
pub const MAX_EXCHANGE_BYTES: usize = 12 << 20;

/// What is asked of an authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Asked {
    /// A certificate.
    Certificate {
        /// The key that it is over.
        key: KeyName,
    },
    /// The list of its revoked certificates.
    Crl,
}

/// What a request to an authority holds.
///
/// ```json
/// { "issuer": "root-ca", "asked": { "certificate": { "key": "issuing-ca" } }, "issuer_certificate": "base64 of DER",
///   "to_be_signed": "base64 of DER" }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToAuthority {
    /// The authority's key.
    pub issuer: KeyName,
    /// What is asked of it.
    pub asked: Asked,
    /// Its certificate, in DER.
    pub issuer_certificate: Octets,
    /// The bytes to be signed, in DER.
    pub to_be_signed: Octets,
}

/// What an authority answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FromAuthority {
    /// Its signature over the bytes.
    pub signature: Octets,
}

/// Why something is not for an authority to sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskAuthorityError {
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

impl RequestKind for AuthorityRequest {
    const KIND: &'static str = "x509";
    const MAX_BYTES: usize = MAX_EXCHANGE_BYTES;
    type Asked = ToAuthority;
    type Answer = FromAuthority;
    /// The certificate or the list, in DER.
    type Outcome = Vec<u8>;
    type AskError = AskAuthorityError;
    type AnswerError = FinishError;

    fn check(asked: ToAuthority) -> Result<Self, AskAuthorityError> {
        Self::checked(asked)
    }

    fn asked(&self) -> &ToAuthority {
        self.form()
    }

    fn describe(&self, words: &mut Words) {
        words::describe(self, words);
    }

    fn accept(&self, answer: &FromAuthority) -> Result<Vec<u8>, FinishError> {
        self.to_be_signed().finish(&answer.signature.0)
    }
}
