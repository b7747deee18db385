//! Why there is no certificate.

use keyledger_domain::Rejection;

use crate::{
    material::MaterialError,
    refused::{Refused, custody_failed},
};

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertifyError {
    /// A rule says no: the rejection says what to do.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The issuer's material was not read: the source says what to do.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// Custody or the ledger does not give what it needs: report it.
    #[error("{0}")]
    Failed(String),
}

pub(super) fn failed(said: impl std::fmt::Display) -> CertifyError {
    CertifyError::Failed(said.to_string())
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
            CertifyError::Material(error) => error.into(),
            CertifyError::Failed(said) => custody_failed(&said),
        }
    }
}
