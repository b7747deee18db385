//! Why a key of the ledger did not sign.

use keyledger_custody::CustodianError;
use keyledger_domain::Name;

use crate::material::MaterialError;

/// Why a key cannot sign here.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// It is not in the ledger, not kept here, or custody cannot open it: is it the right root key?
    #[error("key {key} cannot sign")]
    Unusable {
        /// The key.
        key: Name,
        /// What is wrong.
        #[source]
        source: Unopened,
    },
    /// The vault of this instance is sealed: open it, and ask again.
    #[error(transparent)]
    Sealed(#[from] keyledger_custody::VaultSealed),
    /// Its material was not read: the message says what to do.
    #[error(transparent)]
    Unread(#[from] MaterialError),
}

impl SignerError {
    pub(crate) fn of(key: &Name, unopened: Unopened) -> Self {
        match unopened {
            Unopened::Unread(error) => Self::Unread(error),
            Unopened::Custodian(CustodianError::Sealed(sealed)) => Self::Sealed(sealed),
            source @ (Unopened::Elsewhere(_)
            | Unopened::Gone(_)
            | Unopened::OtherKey
            | Unopened::Custodian(_)) => Self::Unusable {
                key: key.clone(),
                source,
            },
        }
    }
}

/// Why a key's secret half is not open.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Unopened {
    /// There is nothing to open here.
    #[error("{0}")]
    Elsewhere(&'static str),
    /// The store does not say: ask again.
    #[error("its material was not read")]
    Unread(#[source] MaterialError),
    /// Its entry is not in the bucket: restore it from a backup.
    #[error("entry {0} is gone from the material bucket")]
    Gone(Box<str>),
    /// What lies in its entry is another key than the ledger names: restore the entry from a backup.
    #[error("its entry holds another key")]
    OtherKey,
    /// The custodian does not open it, or does not sign: the source says why.
    #[error("its custodian")]
    Custodian(#[from] CustodianError),
}
