//! Why the certify key did not make or change a certificate.

use keyledger_domain::Timestamp;

use super::{
    bind::BindError, certificate_error::CertificateError, fingerprint::Fingerprint,
    offline::AcceptCertificateError, time::OutOfRange, user_id::UserId,
};
use crate::ProviderFailure;

/// Why a certificate was not made or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertifyError {
    /// Another key made the certificate: use the certify key with its fingerprint.
    #[error("certificate {certificate} was made by another certify key than {key}")]
    OtherCertificate {
        /// Which certificate.
        certificate: Fingerprint,
        /// The certify key that was used.
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
    /// The subkey is bound already: renew it, or do nothing.
    #[error("subkey {subkey} is bound already; renew it if it should live longer")]
    SubkeyTwice {
        /// Which subkey.
        subkey: Fingerprint,
    },
    /// The user id is named twice, or exists already.
    #[error("user id {id} is there already")]
    UserIdTwice {
        /// Which user id.
        id: UserId,
    },
    /// A certificate needs a user id: name one.
    #[error("a certificate has at least one user id")]
    NoUserId,
    /// The request contains no change: name one.
    #[error("there is nothing to sign")]
    Nothing,
    /// What was made is not what was asked for: report it.
    #[error("what was made")]
    Answer(#[from] AcceptCertificateError),
    /// It would expire before it begins: name a later end.
    #[error("it would expire at {expires}, and it is {now} already")]
    ExpiresBefore {
        /// The end.
        expires: Timestamp,
        /// The beginning.
        now: Timestamp,
    },
    /// The last signature is not older than this one would be, and readers use the newest: set the clock right, or wait a second.
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
