//! Why the certify key did not do something.

use keyledger_domain::Timestamp;

use super::{
    bind::BindError, certificate_error::CertificateError, fingerprint::Fingerprint,
    time::OutOfRange, user_id::UserId,
};
use crate::ProviderFailure;

/// Why a certificate was not made or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertifyError {
    /// Another key made the certificate: take the certify key with its fingerprint.
    #[error("certificate {certificate} was made by another certify key than {key}")]
    OtherCertificate {
        /// Which certificate.
        certificate: Fingerprint,
        /// Which key was at hand.
        key: Fingerprint,
    },
    /// The certificate is revoked for good: make a new one.
    #[error("certificate {certificate} is revoked, for good")]
    Revoked {
        /// Which certificate.
        certificate: Fingerprint,
    },
    /// The subkey is revoked for good: make and bind another.
    #[error("subkey {subkey} is revoked, for good")]
    SubkeyRevoked {
        /// Which subkey.
        subkey: Fingerprint,
    },
    /// The certificate has no such subkey: look at its list.
    #[error("the certificate has no subkey {subkey}")]
    NoSuchSubkey {
        /// Which subkey.
        subkey: Fingerprint,
    },
    /// It is bound already: renew it, or do nothing.
    #[error("subkey {subkey} is bound already; renew it if it should live longer")]
    SubkeyTwice {
        /// Which subkey.
        subkey: Fingerprint,
    },
    /// It is named twice, or there already.
    #[error("user id {id} is there already")]
    UserIdTwice {
        /// Which user id.
        id: UserId,
    },
    /// A certificate has a user id: name one.
    #[error("a certificate has at least one user id")]
    NoUserId,
    /// Nothing was to be done: say what.
    #[error("there is nothing to sign")]
    Nothing,
    /// It would have expired before it began: name a later end.
    #[error("it would expire at {expires}, and it is {now} already")]
    ExpiresBefore {
        /// The end.
        expires: Timestamp,
        /// The beginning.
        now: Timestamp,
    },
    /// The last signature is as new as this one would be, and readers take the newest: set the clock right, or wait a second.
    #[error("the last signature is of {last}, and it is {now}: is the clock right?")]
    Clock {
        /// When the last signature was made.
        last: Timestamp,
        /// What the clock says.
        now: Timestamp,
    },
    /// A card's half is missing or wrong: see [`BindError`].
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The result would not be a certificate of ours: see [`CertificateError`].
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// See [`OutOfRange`].
    #[error(transparent)]
    Time(#[from] OutOfRange),
    /// See [`ProviderFailure`].
    #[error(transparent)]
    Provider(#[from] ProviderFailure),
}
