//! Is this signature by this key?

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    UnparsedPublicKey, VerificationAlgorithm,
};

use der::oid::ObjectIdentifier;

use super::algorithm::{PublicKeyKind, SignatureAlgorithm, UnsupportedKey, key_bytes, parse_spki};

/// Why a signature was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSignature {
    /// See [`UnsupportedKey`].
    #[error(transparent)]
    Key(#[from] UnsupportedKey),
    /// The algorithm is none that is accepted here: SHA-1 is broken, RSA-PSS unsupported.
    #[error("signatures of algorithm {0} are not accepted")]
    UnknownAlgorithm(ObjectIdentifier),
    /// A key of this kind does not sign so: sign with the key's own algorithm.
    #[error("a {key:?} key does not sign with {algorithm:?}")]
    OtherAlgorithm {
        /// What the key is.
        key: PublicKeyKind,
        /// What was asked for.
        algorithm: SignatureAlgorithm,
    },
    /// The signature is not this key's over this message: it is forged, damaged, or of something else.
    #[error("the signature does not verify under the key")]
    Mismatch,
}

/// Checks a signature in the algorithm of the key's kind: P-256 ECDSA with SHA-256 and P-384 ECDSA with SHA-384 (both in
/// ASN.1 DER), RSA PKCS#1 v1.5 with SHA-256, Ed25519. `message` is the message itself, not its hash.
///
/// # Errors
///
/// [`BadSignature`] if the key is of no supported kind, or the signature is not its own.
pub fn verify_signature(spki: &[u8], message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
    let algorithm = PublicKeyKind::of(spki)?.signature_algorithm();
    verify_signature_by(spki, algorithm, message, signature)
}

/// Checks a signature in the algorithm given, as certificates and requests name it.
///
/// # Errors
///
/// As [`verify_signature`], and [`BadSignature::OtherAlgorithm`] if such a key does not sign so.
pub(super) fn verify_signature_by(
    spki: &[u8],
    algorithm: SignatureAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), BadSignature> {
    let key = PublicKeyKind::of(spki)?;
    let verification =
        verification(key, algorithm).ok_or(BadSignature::OtherAlgorithm { key, algorithm })?;
    let spki = parse_spki(spki)?;
    UnparsedPublicKey::new(verification, key_bytes(&spki)?)
        .verify(message, signature)
        .map_err(|_| BadSignature::Mismatch)
}

/// Are the numbers of a key one: is its point on the curve?
pub(super) fn check_key(spki: &[u8]) -> Result<PublicKeyKind, UnsupportedKey> {
    let kind = PublicKeyKind::of(spki)?;
    let verification =
        verification(kind, kind.signature_algorithm()).ok_or(UnsupportedKey::NoKey)?;
    ParsedPublicKey::new(verification, key_bytes(&parse_spki(spki)?)?)
        .map_err(|_| UnsupportedKey::NoKey)?;
    Ok(kind)
}

fn verification(
    key: PublicKeyKind,
    algorithm: SignatureAlgorithm,
) -> Option<&'static dyn VerificationAlgorithm> {
    use {PublicKeyKind as K, SignatureAlgorithm as A};
    Some(match (key, algorithm) {
        (K::P256, A::EcdsaSha256) => &ECDSA_P256_SHA256_ASN1,
        (K::P256, A::EcdsaSha384) => &ECDSA_P256_SHA384_ASN1,
        (K::P256, A::EcdsaSha512) => &ECDSA_P256_SHA512_ASN1,
        (K::P384, A::EcdsaSha256) => &ECDSA_P384_SHA256_ASN1,
        (K::P384, A::EcdsaSha384) => &ECDSA_P384_SHA384_ASN1,
        (K::P384, A::EcdsaSha512) => &ECDSA_P384_SHA512_ASN1,
        (K::Rsa { .. }, A::RsaSha256) => &RSA_PKCS1_2048_8192_SHA256,
        (K::Rsa { .. }, A::RsaSha384) => &RSA_PKCS1_2048_8192_SHA384,
        (K::Rsa { .. }, A::RsaSha512) => &RSA_PKCS1_2048_8192_SHA512,
        (K::Ed25519, A::Ed25519) => &ED25519,
        _ => return None,
    })
}
