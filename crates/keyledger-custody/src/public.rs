//! Checks of a public key that somebody sent.

use aws_lc_rs::{
    agreement::{self, PrivateKey, UnparsedPublicKey, X25519},
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ParsedPublicKey, RSA_PSS_2048_8192_SHA256,
        VerificationAlgorithm,
    },
};
use data_encoding::BASE64;
use ed25519_dalek::VerifyingKey;
use keyledger_domain::{Algorithm, key::spki};

use crate::ProviderFailure;

/// Why a public key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckPublicError {
    /// It is not the DER `SubjectPublicKeyInfo` of such a key: send one that is (`openssl pkey -pubout`).
    #[error("it is not the SubjectPublicKeyInfo of a {algorithm} key")]
    OtherForm {
        /// What it should be.
        algorithm: Algorithm,
    },
    /// It has the right form, but is no key: its point is not on the curve, or its modulus cannot be one. Ask the sender.
    #[error("it is no {algorithm} key: its numbers cannot come from key generation")]
    NotAKey {
        /// What it should be.
        algorithm: Algorithm,
    },
    /// It is a point of low order: everybody can forge signatures of such a key, or know the secrets agreed with it. Treat the sender as
    /// an attacker.
    #[error("it is a point of low order, which no honest {algorithm} key is")]
    LowOrder {
        /// What it should be.
        algorithm: Algorithm,
    },
    /// See [`ProviderFailure`].
    #[error(transparent)]
    Provider(#[from] ProviderFailure),
}

/// Checks what the domain cannot check: that a public key's point lies on its curve, and that its numbers can be those of a key.
///
/// # Errors
///
/// [`CheckPublicError::OtherForm`] if the DER is not exactly a `SubjectPublicKeyInfo` of this algorithm (and always of
/// AES, which has no public half), [`CheckPublicError::NotAKey`] if its numbers are none or are not written as key generation writes them, [`CheckPublicError::LowOrder`] of
/// Ed25519 and X25519 points of order 1, 2, 4 or 8.
pub fn check_public(algorithm: Algorithm, spki_der: &[u8]) -> Result<(), CheckPublicError> {
    spki::normalised(algorithm, &BASE64.encode(spki_der))
        .map_err(|_| CheckPublicError::OtherForm { algorithm })?;
    // A key written in a second way would not be recognised: RFC 7748 §5 lets X25519 ignore the highest bit.
    if matches!(algorithm, Algorithm::Ed25519 | Algorithm::X25519)
        && !is_reduced(algorithm, point(algorithm, spki_der)?)
    {
        return Err(CheckPublicError::NotAKey { algorithm });
    }
    match algorithm {
        Algorithm::Ed25519 => ed25519(&point(algorithm, spki_der)?),
        Algorithm::X25519 => match contributes(&point(algorithm, spki_der)?)? {
            true => Ok(()),
            false => Err(CheckPublicError::LowOrder { algorithm }),
        },
        Algorithm::P256 => parses(algorithm, &ECDSA_P256_SHA256_ASN1, spki_der),
        Algorithm::P384 => parses(algorithm, &ECDSA_P384_SHA384_ASN1, spki_der),
        Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => {
            parses(algorithm, &RSA_PSS_2048_8192_SHA256, spki_der)
        }
        Algorithm::Aes256 => Err(CheckPublicError::OtherForm { algorithm }),
    }
}

/// True if a coordinate is written as key generation writes it: below the prime 2^255 - 19. Ed25519 has a sign in the highest bit.
fn is_reduced(algorithm: Algorithm, mut point: [u8; 32]) -> bool {
    const PRIME: [u8; 32] = {
        let mut prime = [0xff; 32];
        (prime[0], prime[31]) = (0xed, 0x7f);
        prime
    };
    if algorithm == Algorithm::Ed25519 {
        point[31] &= 0x7f;
    }
    point.iter().rev().lt(PRIME.iter().rev())
}

fn ed25519(point: &[u8; 32]) -> Result<(), CheckPublicError> {
    let algorithm = Algorithm::Ed25519;
    // aws-lc accepts any 32 bytes and checks them when it verifies; dalek decompresses the point at once.
    match VerifyingKey::from_bytes(point) {
        Err(_) => Err(CheckPublicError::NotAKey { algorithm }),
        Ok(key) if key.is_weak() => Err(CheckPublicError::LowOrder { algorithm }),
        Ok(_) => Ok(()),
    }
}

/// True if a secret agreed with this X25519 key depends on the other side's key; false for points of low order (RFC 7748 §6.1).
pub(crate) fn contributes(point: &[u8; 32]) -> Result<bool, ProviderFailure> {
    let ours = PrivateKey::generate(&X25519)?;
    let theirs = UnparsedPublicKey::new(&X25519, point);
    Ok(agreement::agree(&ours, theirs, (), |_| Ok(())).is_ok())
}

fn parses(
    algorithm: Algorithm,
    verification: &'static dyn VerificationAlgorithm,
    spki_der: &[u8],
) -> Result<(), CheckPublicError> {
    match ParsedPublicKey::new(verification, spki_der) {
        Ok(_) => Ok(()),
        Err(_) => Err(CheckPublicError::NotAKey { algorithm }),
    }
}

/// The point at the end of a `SubjectPublicKeyInfo` whose form was checked.
fn point(algorithm: Algorithm, spki_der: &[u8]) -> Result<[u8; 32], CheckPublicError> {
    let point = spki_der.last_chunk().copied();
    point.ok_or(CheckPublicError::OtherForm { algorithm })
}
