//! Signing with sealed keys, one message at a time.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, RSA_PSS_SHA256, RsaKeyPair,
    },
};
use keyledger_domain::Algorithm;

use crate::{
    ProviderFailure,
    custody::Custody,
    material::{MaterialContext, MaterialKind, OpenError},
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
    /// Opens the material each time: to sign often, keep an [`Ed25519Signer`](crate::Ed25519Signer). An RSA signature takes some
    /// milliseconds of computing time.
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
        match algorithm {
            Algorithm::P256 => sign_ecdsa(
                algorithm,
                &ECDSA_P256_SHA256_ASN1_SIGNING,
                &material,
                message,
            ),
            Algorithm::P384 => sign_ecdsa(
                algorithm,
                &ECDSA_P384_SHA384_ASN1_SIGNING,
                &material,
                message,
            ),
            Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => {
                rsa(algorithm, &material, message)
            }
            Algorithm::X25519 | Algorithm::Aes256 => Err(SignError::DoesNotSign { algorithm }),
            Algorithm::Ed25519 => {
                let signature = ed25519(kind, &material)?.try_sign(message);
                Ok(signature.map_err(ProviderFailure::from)?.as_ref().to_vec())
            }
        }
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

fn rsa(algorithm: Algorithm, material: &Secret, message: &[u8]) -> Result<Vec<u8>, SignError> {
    let pair = RsaKeyPair::from_pkcs8(material.expose())
        .map_err(|_| SignError::Malformed { algorithm })?;
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(
        &RSA_PSS_SHA256,
        &SystemRandom::new(),
        message,
        &mut signature,
    )
    .map_err(ProviderFailure::from)?;
    Ok(signature)
}
