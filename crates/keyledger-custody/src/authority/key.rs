//! The key of an authority: ECDSA on P-256 or P-384.

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, KeyPair as _,
    },
};
use keyledger_domain::Algorithm;

use crate::{
    ProviderFailure,
    secret::Secret,
    sign::{SignError, sign_ecdsa},
};

/// The key of a certificate authority. Wiped when dropped; never printed, copied or serialised:
///
/// ```compile_fail,E0277
/// use keyledger_custody::authority::AuthorityKey;
/// let key = AuthorityKey::generate(keyledger_domain::Algorithm::P384).ok().unwrap();
/// println!("{key:?}");
/// ```
#[expect(
    missing_debug_implementations,
    reason = "a secret is never printed, not even redacted"
)]
pub struct AuthorityKey {
    algorithm: Algorithm,
    public_key: Vec<u8>,
    pkcs8: Secret,
}

/// Why there is no key, or no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityKeyError {
    /// An authority's key is p-256 or p-384: choose one of them.
    #[error("an authority's key is p-256 or p-384, and cannot be {algorithm}")]
    Algorithm {
        /// What was asked for.
        algorithm: Algorithm,
    },
    /// The secret bytes were opened, but are no key of this algorithm: use a backup of the sealed file.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// See [`ProviderFailure`].
    #[error(transparent)]
    Provider(#[from] ProviderFailure),
}

impl AuthorityKey {
    /// Makes a key.
    ///
    /// # Errors
    ///
    /// [`AuthorityKeyError::Algorithm`] if it is neither P-256 nor P-384, [`AuthorityKeyError::Provider`].
    pub fn generate(algorithm: Algorithm) -> Result<Self, AuthorityKeyError> {
        let curve = curve(algorithm).ok_or(AuthorityKeyError::Algorithm { algorithm })?;
        let pair = EcdsaKeyPair::generate(curve).map_err(ProviderFailure::from)?;
        let pkcs8 = pair.to_pkcs8v1().map_err(ProviderFailure::from)?;
        Ok(Self {
            algorithm,
            public_key: spki(&pair)?,
            pkcs8: Secret::copy_of(pkcs8.as_ref()),
        })
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public half: a `SubjectPublicKeyInfo` in DER.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// Signs `message` (the message itself, not its hash): ECDSA in ASN.1 DER, with SHA-256 on P-256 and SHA-384 on P-384.
    ///
    /// # Errors
    ///
    /// [`AuthorityKeyError::Sign`], [`AuthorityKeyError::Provider`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, AuthorityKeyError> {
        let algorithm = self.algorithm;
        let curve = curve(algorithm).ok_or(AuthorityKeyError::Algorithm { algorithm })?;
        Ok(sign_ecdsa(algorithm, curve, &self.pkcs8, message)?)
    }

    /// The key in these secret bytes, if they hold one.
    pub(super) fn from_pkcs8(algorithm: Algorithm, pkcs8: Secret) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(curve(algorithm)?, pkcs8.expose()).ok()?;
        Some(Self {
            algorithm,
            public_key: spki(&pair).ok()?,
            pkcs8,
        })
    }

    pub(super) fn pkcs8(&self) -> &[u8] {
        self.pkcs8.expose()
    }
}

const fn curve(algorithm: Algorithm) -> Option<&'static EcdsaSigningAlgorithm> {
    match algorithm {
        Algorithm::P256 => Some(&ECDSA_P256_SHA256_ASN1_SIGNING),
        Algorithm::P384 => Some(&ECDSA_P384_SHA384_ASN1_SIGNING),
        _ => None,
    }
}

fn spki(pair: &EcdsaKeyPair) -> Result<Vec<u8>, ProviderFailure> {
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
    Ok(public.as_ref().to_vec())
}
