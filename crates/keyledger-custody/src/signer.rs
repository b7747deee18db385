//! Signing keys held open in memory.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use data_encoding::HEXLOWER;
use keyledger_domain::Algorithm;

use crate::{
    custody::Custody,
    material::{MaterialContext, MaterialKind, OpenError},
    nkey::NkeyKind,
    sign::{SignError, ed25519},
};

/// An open Ed25519 key: it signs until it is dropped, and then wipes itself.
pub struct Ed25519Signer(Ed25519KeyPair);

impl Ed25519Signer {
    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        let key = self.0.public_key().as_ref();
        key.try_into().expect("an Ed25519 public key has 32 bytes")
    }

    /// Signs `message` (RFC 8032).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let signature = self.0.sign(message);
        let signature = signature.as_ref();
        signature
            .try_into()
            .expect("an Ed25519 signature has 64 bytes")
    }
}

impl fmt::Debug for Ed25519Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ed25519Signer({})", HEXLOWER.encode(&self.public_key()))
    }
}

/// An open nkey of an operator, account or user: it signs JWTs and nonces until it is dropped, and then wipes itself.
pub struct NkeySigner {
    kind: NkeyKind,
    public_nkey: String,
    signer: Ed25519Signer,
}

impl NkeySigner {
    pub(crate) fn new(kind: NkeyKind, pair: Ed25519KeyPair) -> Self {
        let signer = Ed25519Signer(pair);
        Self {
            kind,
            public_nkey: kind.public(&signer.public_key()),
            signer,
        }
    }

    /// The kind of the nkey.
    #[must_use]
    pub const fn kind(&self) -> NkeyKind {
        self.kind
    }

    /// The public nkey: `O…`, `A…` or `U…`.
    #[must_use]
    pub fn public_nkey(&self) -> &str {
        &self.public_nkey
    }

    /// The bytes of the public key, without the nkey's text form.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.signer.public_key()
    }

    /// Signs `message` (RFC 8032).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signer.sign(message)
    }
}

impl fmt::Debug for NkeySigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NkeySigner({})", self.public_nkey)
    }
}

impl Custody {
    /// Opens an nkey to sign with.
    ///
    /// # Errors
    ///
    /// [`SignError::Open`] if it does not open in this context, or is no nkey; [`SignError::DoesNotSign`] if it is a
    /// curve nkey.
    pub fn open_signer(
        &self,
        sealed: &[u8],
        context: &MaterialContext,
    ) -> Result<NkeySigner, SignError> {
        let (kind, material) = self.unseal(sealed, context)?;
        match kind {
            MaterialKind::Nkey(NkeyKind::Curve)
            | MaterialKind::TokenSecrets
            | MaterialKind::OpenpgpKey => Err(SignError::DoesNotSign {
                algorithm: Algorithm::X25519,
            }),
            MaterialKind::Nkey(nkey) => Ok(NkeySigner::new(nkey, ed25519(kind, &material)?)),
            MaterialKind::Key(_) => Err(SignError::Open(OpenError::OtherKind {
                expected: "signing nkey",
                found: kind.as_str(),
            })),
        }
    }

    /// Opens an Ed25519 key for signing, also if it is an nkey.
    ///
    /// # Errors
    ///
    /// [`SignError::Open`] if it does not open in this context, or is of another algorithm.
    pub fn open_ed25519(
        &self,
        sealed: &[u8],
        context: &MaterialContext,
    ) -> Result<Ed25519Signer, SignError> {
        let (kind, material) = self.unseal(sealed, context)?;
        if kind.algorithm() != Algorithm::Ed25519 {
            return Err(SignError::Open(OpenError::OtherKind {
                expected: Algorithm::Ed25519.as_str(),
                found: kind.as_str(),
            }));
        }
        ed25519(kind, &material).map(Ed25519Signer)
    }
}
