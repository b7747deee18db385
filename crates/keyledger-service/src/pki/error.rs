//! Why there is no certificate.

use aws_lc_rs::error::Unspecified;
use data_encoding::DecodeError;
use keyledger_custody::CustodianError;
use keyledger_domain::{Name, Rejection, token::Slot};
use keyledger_pki::x509::{FinishError, IssueError, MalformedCertificate};

use crate::{
    refused::{Refused, custody_failed},
    signing::SignerError,
};

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertifyError {
    /// A rule says no: the rejection says what to do.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The issuer does not sign: the source says what to do.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// A public key or certificate in the ledger is not base64: report it.
    #[error("what the ledger holds is not base64")]
    Base64(#[from] DecodeError),
    /// A certificate in the ledger cannot be read: report it.
    #[error("a certificate in the ledger cannot be read")]
    Certificate(#[from] MalformedCertificate),
    /// The certificate or list cannot be made: report it.
    #[error("it cannot be made")]
    Issue(#[from] IssueError),
    /// What custody signed is no certificate or list: report it.
    #[error("what was signed does not fit")]
    Finish(#[from] FinishError),
    /// The custodian of a new authority does not sign: the source says why.
    #[error(transparent)]
    Custodian(#[from] CustodianError),
    /// The system gave no random numbers for a serial number: try again.
    #[error("there are no random numbers")]
    Random(#[from] Unspecified),
    /// The issuer's key has no version, or the authority no certificate: report it.
    #[error("key {0} is no authority that can be read")]
    NoAuthority(Name),
    /// A slot was to be certified for which the profile plans no certificate: report it.
    #[error("slot {0} has no certificate in its profile")]
    NotPlanned(Slot),
}

pub(super) fn bad(field: &'static str, fault: &str) -> CertifyError {
    Rejection::BadValue {
        field,
        fault: fault.to_owned(),
    }
    .into()
}

impl From<CertifyError> for Refused {
    fn from(error: CertifyError) -> Self {
        match error {
            CertifyError::Rejected(rejection) => rejection.into(),
            CertifyError::Signer(error) => error.into(),
            CertifyError::Custodian(error) => error.into(),
            error @ (CertifyError::Base64(_)
            | CertifyError::Certificate(_)
            | CertifyError::Issue(_)
            | CertifyError::Finish(_)
            | CertifyError::Random(_)
            | CertifyError::NoAuthority(_)
            | CertifyError::NotPlanned(_)) => custody_failed(error),
        }
    }
}
