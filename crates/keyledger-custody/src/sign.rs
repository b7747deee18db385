//! Signing with sealed keys, one message at a time.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PSS_SHA256, RsaKeyPair,
    },
};
use keyledger_domain::{Algorithm, key::Public};

use crate::{
    ProviderFailure,
    custody::Custody,
    generate::{raw, spki},
    material::{MaterialContext, MaterialKind, OpenError},
    nkey::NkeyKind,
    secret::Secret,
};

/// Why nothing was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The material was not opened: the source says what to do.
    #[error("opening the signing key")]
    Open(#[from] OpenError),
    /// A key of this algorithm does not sign: use another key.
    #[error("a {algorithm} key does not sign")]
    DoesNotSign {
        /// The key's algorithm.
        algorithm: Algorithm,
    },
    /// The material was opened, but is no key of its algorithm. This is a fault of ours: restore the material from a backup, and report
    /// the fault.
    #[error("the material is no {algorithm} key")]
    Malformed {
        /// The key's algorithm.
        algorithm: Algorithm,
    },
    /// See [`ProviderFailure`].
    #[error(transparent)]
    Provider(#[from] ProviderFailure),
}

impl Custody {
    /// Signs `message` (the message itself, not its hash).
    ///
    /// | algorithm | signature |
    /// |---|---|
    /// | Ed25519, and nkeys of operators, accounts and users | EdDSA (RFC 8032), 64 bytes |
    /// | P-256 | ECDSA with SHA-256, ASN.1 DER |
    /// | P-384 | ECDSA with SHA-384, ASN.1 DER |
    /// | RSA | RSASSA-PSS with SHA-256, MGF1 with SHA-256, a salt of 32 bytes; as long as the modulus |
    ///
    /// Opens the material each time: to sign often, ask a [`Custodian`](crate::Custodian). An RSA signature takes some milliseconds of
    /// computing time.
    ///
    /// # Errors
    ///
    /// [`SignError::Open`] if the material does not open in this context or is of another algorithm;
    /// [`SignError::DoesNotSign`] for X25519 and AES.
    pub fn sign(
        &self,
        sealed: &[u8],
        context: &MaterialContext,
        algorithm: Algorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, SignError> {
        if matches!(algorithm, Algorithm::X25519 | Algorithm::Aes256) {
            return Err(SignError::DoesNotSign { algorithm });
        }
        let (kind, material) = self.unseal(sealed, context)?;
        if kind.algorithm() != algorithm {
            return Err(SignError::Open(OpenError::OtherKind {
                expected: algorithm.as_str(),
                found: kind.as_str(),
            }));
        }
        SigningHalf::of(kind, &material)?.sign(message)
    }

    /// Opens a key that signs.
    pub(crate) fn open_to_sign(
        &self,
        sealed: &[u8],
        context: &MaterialContext,
    ) -> Result<SigningHalf, SignError> {
        let (kind, material) = self.unseal(sealed, context)?;
        SigningHalf::of(kind, &material)
    }
}

/// The secret half of a key that signs, open: aws-lc wipes it when it is dropped.
pub(crate) enum SigningHalf {
    Ed25519(Ed25519KeyPair),
    /// An nkey that signs.
    Nkey(NkeyKind, Ed25519KeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl SigningHalf {
    fn of(kind: MaterialKind, material: &Secret) -> Result<Self, SignError> {
        let algorithm = kind.algorithm();
        let malformed = |_| SignError::Malformed { algorithm };
        let pkcs8 = material.expose();
        Ok(match kind {
            MaterialKind::Nkey(
                nkey @ (NkeyKind::Operator | NkeyKind::Account | NkeyKind::User),
            ) => Self::Nkey(nkey, ed25519(kind, material)?),
            MaterialKind::Key(Algorithm::Ed25519) => Self::Ed25519(ed25519(kind, material)?),
            MaterialKind::Key(Algorithm::P256) => Self::P256(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8)
                    .map_err(malformed)?,
            ),
            MaterialKind::Key(Algorithm::P384) => Self::P384(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, pkcs8)
                    .map_err(malformed)?,
            ),
            MaterialKind::Key(Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096) => {
                Self::Rsa(RsaKeyPair::from_pkcs8(pkcs8).map_err(malformed)?)
            }
            MaterialKind::Key(Algorithm::X25519 | Algorithm::Aes256)
            | MaterialKind::Nkey(NkeyKind::Curve)
            | MaterialKind::TokenSecrets
            | MaterialKind::OpenpgpKey => return Err(SignError::DoesNotSign { algorithm }),
        })
    }

    /// Its public half, as it was when the key was made.
    pub(crate) fn public(&self) -> Result<Public, ProviderFailure> {
        match self {
            Self::Ed25519(pair) => spki(pair.public_key()),
            Self::Nkey(kind, pair) => Ok(Public {
                nkey: Some(kind.public(&raw(pair.public_key().as_ref())?).into()),
                ..spki(pair.public_key())?
            }),
            Self::P256(pair) | Self::P384(pair) => spki(pair.public_key()),
            Self::Rsa(pair) => spki(pair.public_key()),
        }
    }

    /// True if a signature takes milliseconds.
    pub(crate) const fn is_slow(&self) -> bool {
        match self {
            Self::Ed25519(_) | Self::Nkey(..) | Self::P256(_) | Self::P384(_) => false,
            Self::Rsa(_) => true,
        }
    }

    /// How much memory it takes, counted generously.
    pub(crate) const fn bytes(&self) -> usize {
        match self {
            Self::Ed25519(_) | Self::Nkey(..) | Self::P256(_) | Self::P384(_) => 2 * 1024,
            Self::Rsa(_) => 8 * 1024,
        }
    }

    /// Signs a message, in the form that [`Custody::sign`] describes.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let random = SystemRandom::new();
        Ok(match self {
            Self::Ed25519(pair) | Self::Nkey(_, pair) => {
                let signature = pair.try_sign(message).map_err(ProviderFailure::from)?;
                signature.as_ref().to_vec()
            }
            Self::P256(pair) | Self::P384(pair) => {
                let signature = pair.sign(&random, message).map_err(ProviderFailure::from)?;
                signature.as_ref().to_vec()
            }
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PSS_SHA256, &random, message, &mut signature)
                    .map_err(ProviderFailure::from)?;
                signature
            }
        })
    }
}

/// The Ed25519 key pair in material: a key is stored as PKCS#8, an nkey as its seed.
pub(crate) fn ed25519(kind: MaterialKind, material: &Secret) -> Result<Ed25519KeyPair, SignError> {
    let pair = match kind {
        MaterialKind::Key(_) => Ed25519KeyPair::from_pkcs8(material.expose()),
        MaterialKind::Nkey(_) => Ed25519KeyPair::from_seed_unchecked(material.expose()),
        MaterialKind::TokenSecrets | MaterialKind::OpenpgpKey => {
            return Err(SignError::DoesNotSign {
                algorithm: kind.algorithm(),
            });
        }
    };
    pair.map_err(|_| SignError::Malformed {
        algorithm: Algorithm::Ed25519,
    })
}

/// Signs with the ECDSA key in PKCS#8.
pub(crate) fn sign_ecdsa(
    algorithm: Algorithm,
    curve: &'static EcdsaSigningAlgorithm,
    material: &Secret,
    message: &[u8],
) -> Result<Vec<u8>, SignError> {
    let pair = EcdsaKeyPair::from_pkcs8(curve, material.expose())
        .map_err(|_| SignError::Malformed { algorithm })?;
    let signature = pair.sign(&SystemRandom::new(), message);
    Ok(signature.map_err(ProviderFailure::from)?.as_ref().to_vec())
}
