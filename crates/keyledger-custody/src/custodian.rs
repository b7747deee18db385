//! The custodian of keys: who makes their secret halves, and works with them.

use std::{error::Error, fmt, future::Future, pin::Pin, sync::Arc};

use keyledger_domain::{Algorithm, key::Public};

use crate::{
    delivery::{Delivery, DeliveryError},
    generate::GenerateError,
    material::{MaterialContext, OpenError},
    nkey::NkeyKind,
    openpgp::fingerprint::Fingerprint,
    sign::SignError,
    vault::VaultSealed,
};

/// What a custodian does, and may fail to do.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, CustodianError>> + Send + 'a>>;

/// Makes keys, and works with their secret halves. Nothing secret leaves it in clear.
///
/// A key is known by its *place*: the entry of the material bucket in which its sealed half lies, or the handle under which the
/// custodian itself keeps it. No two keys ever have the same place. To sign, a key must be open here: [`open`](Self::open) opens it,
/// and the custodian closes it again when it likes, so [`CustodianError::NotOpen`] means: open it again.
///
/// The suite `custodian::keeps_its_promises` of the testkit says what every implementation must do.
pub trait Custodian: fmt::Debug + Send + Sync + 'static {
    /// True if it makes keys of this kind.
    fn makes(&self, kind: KeyKind) -> bool;

    /// Makes a key, which belongs to `context` from then on.
    fn generate<'a>(&'a self, kind: KeyKind, context: &'a MaterialContext) -> Work<'a, MadeKey>;

    /// Moves a key that was just made, and that no event names yet, to another version: its own was taken meanwhile.
    fn renumber<'a>(
        &'a self,
        secret: &'a SecretHalf,
        context: &'a MaterialContext,
        version: u32,
    ) -> Work<'a, SecretHalf>;

    /// Opens a key to sign with. Gives its public half, for the caller to compare with what the ledger says.
    fn open<'a>(
        &'a self,
        place: &'a str,
        secret: &'a SecretHalf,
        context: &'a MaterialContext,
    ) -> Work<'a, Public>;

    /// True if the key at `place` is open.
    fn is_open(&self, place: &str) -> bool;

    /// Signs `message` (the message itself, not its hash) with an open key, in the form that [`Custody::sign`](crate::Custody::sign)
    /// describes.
    fn sign<'a>(&'a self, place: &'a str, message: &'a [u8]) -> Work<'a, Vec<u8>>;

    /// Gives the secret half of a decryption key, sealed to a receiver's public curve nkey.
    fn deliver<'a>(
        &'a self,
        secret: &'a SecretHalf,
        context: &'a MaterialContext,
        receiver: &'a str,
    ) -> Work<'a, Delivered>;

    /// Destroys what the custodian itself has of a key: what is open, and what its handle stands for. Destroying what is not there
    /// succeeds. The entry in the material bucket is the service's to erase.
    fn destroy<'a>(&'a self, place: &'a str) -> Work<'a, ()>;
}

/// The kind of a key that is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// A key of an algorithm.
    Plain(Algorithm),
    /// An nkey.
    Nkey(NkeyKind),
}

impl KeyKind {
    /// Its algorithm.
    #[must_use]
    pub const fn algorithm(self) -> Algorithm {
        match self {
            Self::Plain(algorithm) => algorithm,
            Self::Nkey(kind) => kind.algorithm(),
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(algorithm) => algorithm.as_str(),
            Self::Nkey(kind) => kind.as_str(),
        })
    }
}

/// The secret half of a key, as it is given to somebody to keep: harmless in anybody's hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretHalf {
    /// Sealed under the root key.
    Sealed(Vec<u8>),
    /// The name under which a custodian keeps it that lets no secret out: a token, an HSM, a TPM.
    Handle(Box<str>),
}

/// A key that a custodian made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeKey {
    /// The public half, for the ledger.
    pub public: Public,
    /// The secret half, for the material bucket or the event.
    pub secret: SecretHalf,
}

/// A secret half on its way to its receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Which key it is. Compare it with the ledger before the delivery goes out.
    pub fingerprint: Fingerprint,
    /// The sealed secret half.
    pub delivery: Delivery,
}

/// Why a custodian did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CustodianError {
    /// See [`VaultSealed`].
    #[error(transparent)]
    Sealed(#[from] VaultSealed),
    /// It makes no keys of this kind: ask another custodian.
    #[error("this custodian makes no {kind} keys")]
    NotMade {
        /// What was asked for.
        kind: KeyKind,
    },
    /// Another custodian keeps this key: ask that one.
    #[error("another custodian keeps this key")]
    NotKept,
    /// The key is not open here: open it, and ask again.
    #[error("the key at {place} is not open")]
    NotOpen {
        /// Where its secret half lies.
        place: Box<str>,
    },
    /// No key was made: the source says why.
    #[error("making a key")]
    Generate(#[from] GenerateError),
    /// The secret half does not open: the source says why.
    #[error("opening a secret half")]
    Open(#[from] OpenError),
    /// Nothing was signed: the source says why.
    #[error("signing")]
    Sign(#[from] SignError),
    /// The secret half was not sealed to its receiver: the source says why.
    #[error("sealing a secret half to its receiver")]
    Deliver(#[from] DeliveryError),
    /// The custodian does not answer, or broke off: try again.
    #[error("the custodian does not answer")]
    Unavailable(#[source] Arc<dyn Error + Send + Sync>),
}
