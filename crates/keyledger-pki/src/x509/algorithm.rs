//! Kinds of public keys, and how each signs.

use der::{Decode as _, Sequence, asn1::UintRef, oid::ObjectIdentifier};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoRef};

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");
const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const RSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const RSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");

/// The largest public key that is looked at, in bytes of DER: RSA-4096 has 550.
const MAX_SPKI_BYTES: usize = 1024;

/// A public key that signs, by what matters for verifying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicKeyKind {
    /// ECDSA on NIST P-256.
    P256,
    /// ECDSA on NIST P-384.
    P384,
    /// EdDSA on edwards25519 (RFC 8032).
    Ed25519,
    /// RSA with a modulus of so many bits, 2048 to 4096: NIST SP 800-131A disallows fewer.
    Rsa {
        /// Bits of the modulus.
        bits: u16,
    },
}

/// How a message is hashed and signed. SHA-1 and RSA-PSS are deliberately absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names say it")]
pub enum SignatureAlgorithm {
    EcdsaSha256,
    EcdsaSha384,
    EcdsaSha512,
    RsaSha256,
    RsaSha384,
    RsaSha512,
    Ed25519,
}

/// Why a public key was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsupportedKey {
    /// Not a SubjectPublicKeyInfo in DER: send what the token or `openssl pkey -pubout -outform DER` gives.
    #[error("the public key is no SubjectPublicKeyInfo in DER")]
    Malformed,
    /// A point of an elliptic curve, compressed: have it made anew over the key as `openssl ec -conv_form uncompressed` writes it.
    #[error(
        "its public key is a compressed point: have it made over the key as `openssl ec -conv_form uncompressed` writes it"
    )]
    Compressed,
    /// The algorithm is none that signs here: use P-256, P-384, Ed25519 or RSA of 2048 to 4096 bits.
    #[error("a key of algorithm {0} is not supported: use P-256, P-384, Ed25519 or RSA")]
    Algorithm(ObjectIdentifier),
    /// Its form is right, and its numbers are not: a point that is not on the curve.
    #[error("the numbers of the public key are no key")]
    NoKey,
    /// The RSA modulus is too short to be safe, or too long to be meant: use 2048 to 4096 bits.
    #[error("an RSA key of {0} bits is not supported: use 2048 to 4096")]
    RsaBits(u32),
}

#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}

impl PublicKeyKind {
    /// The kind of the key in a SubjectPublicKeyInfo. Points must be uncompressed, as RFC 5480 §2.2 has them. That the
    /// numbers are a key is seen when it is used.
    ///
    /// # Errors
    ///
    /// [`UnsupportedKey`] if it is none of these kinds, or no SubjectPublicKeyInfo.
    pub fn of(spki: &[u8]) -> Result<Self, UnsupportedKey> {
        let parsed = parse_spki(spki)?;
        let parameters = parsed.algorithm.parameters;
        let key = key_bytes(&parsed)?;
        match parsed.algorithm.oid {
            ED25519 if key.len() == 32 => Ok(Self::Ed25519),
            ED25519 => Err(UnsupportedKey::Malformed),
            RSA_ENCRYPTION => rsa(key),
            EC_PUBLIC_KEY => {
                let curve = parameters.ok_or(UnsupportedKey::Malformed)?;
                match curve.decode_as().map_err(|_| UnsupportedKey::Malformed)? {
                    SECP256R1 if is_point(key, 32) => Ok(Self::P256),
                    SECP384R1 if is_point(key, 48) => Ok(Self::P384),
                    SECP256R1 if is_compressed(key, 32) => Err(UnsupportedKey::Compressed),
                    SECP384R1 if is_compressed(key, 48) => Err(UnsupportedKey::Compressed),
                    SECP256R1 | SECP384R1 => Err(UnsupportedKey::Malformed),
                    other => Err(UnsupportedKey::Algorithm(other)),
                }
            }
            other => Err(UnsupportedKey::Algorithm(other)),
        }
    }

    /// How keys of this kind sign what Keyledger asks for: ECDSA with the hash of the curve's size, RSA PKCS#1 v1.5 with
    /// SHA-256, EdDSA.
    #[must_use]
    pub const fn signature_algorithm(self) -> SignatureAlgorithm {
        match self {
            Self::P256 => SignatureAlgorithm::EcdsaSha256,
            Self::P384 => SignatureAlgorithm::EcdsaSha384,
            Self::Ed25519 => SignatureAlgorithm::Ed25519,
            Self::Rsa { .. } => SignatureAlgorithm::RsaSha256,
        }
    }
}

impl SignatureAlgorithm {
    const ALL: [(Self, ObjectIdentifier); 7] = [
        (Self::EcdsaSha256, ECDSA_SHA256),
        (Self::EcdsaSha384, ECDSA_SHA384),
        (Self::EcdsaSha512, ECDSA_SHA512),
        (Self::RsaSha256, RSA_SHA256),
        (Self::RsaSha384, RSA_SHA384),
        (Self::RsaSha512, RSA_SHA512),
        (Self::Ed25519, ED25519),
    ];

    /// The algorithm an identifier names. Parameters of RSA may be NULL or absent: the F9 certificates of firmware 5.7
    /// leave them out.
    pub(super) fn named(identifier: &AlgorithmIdentifierOwned) -> Option<Self> {
        let (algorithm, _) = Self::ALL.iter().find(|(_, oid)| *oid == identifier.oid)?;
        let fits = match &identifier.parameters {
            None => true,
            Some(parameters) => algorithm.is_rsa() && parameters.is_null(),
        };
        fits.then_some(*algorithm)
    }

    /// The identifier to write (RFC 5758 §3.2, RFC 8410 §3: no parameters; RFC 4055 §5: NULL for RSA).
    pub(super) fn identifier(self) -> AlgorithmIdentifierOwned {
        let (_, oid) = Self::ALL
            .iter()
            .find(|(algorithm, _)| *algorithm == self)
            .expect("every algorithm is in the list, which a test holds");
        AlgorithmIdentifierOwned {
            oid: *oid,
            parameters: self.is_rsa().then(der::Any::null),
        }
    }

    const fn is_rsa(self) -> bool {
        matches!(self, Self::RsaSha256 | Self::RsaSha384 | Self::RsaSha512)
    }
}

/// Reads a SubjectPublicKeyInfo of any algorithm.
pub(super) fn parse_spki(spki: &[u8]) -> Result<SubjectPublicKeyInfoRef<'_>, UnsupportedKey> {
    if spki.len() > MAX_SPKI_BYTES {
        return Err(UnsupportedKey::Malformed);
    }
    SubjectPublicKeyInfoRef::from_der(spki).map_err(|_| UnsupportedKey::Malformed)
}

/// The key itself, as its algorithm writes it: a point, an RSAPublicKey, 32 bytes.
pub(super) fn key_bytes<'a>(
    spki: &SubjectPublicKeyInfoRef<'a>,
) -> Result<&'a [u8], UnsupportedKey> {
    spki.subject_public_key
        .as_bytes()
        .ok_or(UnsupportedKey::Malformed)
}

/// The key itself in a SubjectPublicKeyInfo: see [`key_bytes`].
pub(crate) fn public_numbers(spki: &[u8]) -> Result<&[u8], UnsupportedKey> {
    key_bytes(&parse_spki(spki)?)
}

/// Modulus and public exponent of an RSAPublicKey, most significant byte first.
pub(crate) fn rsa_numbers(key: &[u8]) -> Result<(&[u8], &[u8]), UnsupportedKey> {
    let key = RsaPublicKey::from_der(key).map_err(|_| UnsupportedKey::Malformed)?;
    Ok((key.modulus.as_bytes(), key.public_exponent.as_bytes()))
}

/// Has it the form of an uncompressed point, with coordinates of so many bytes?
fn is_point(key: &[u8], coordinate_bytes: usize) -> bool {
    key.len() == 1 + 2 * coordinate_bytes && key[0] == 4
}

/// Has it the form of a compressed one?
fn is_compressed(key: &[u8], coordinate_bytes: usize) -> bool {
    key.len() == 1 + coordinate_bytes && matches!(key[0], 2 | 3)
}

fn rsa(key: &[u8]) -> Result<PublicKeyKind, UnsupportedKey> {
    let key = RsaPublicKey::from_der(key).map_err(|_| UnsupportedKey::Malformed)?;
    if key.public_exponent.as_bytes().len() > 8 {
        return Err(UnsupportedKey::Malformed);
    }
    let modulus = key.modulus.as_bytes();
    let leading_zeros = modulus.first().map_or(0, |byte| byte.leading_zeros());
    let bits = u32::try_from(modulus.len() * 8).unwrap_or(u32::MAX) - leading_zeros;
    match u16::try_from(bits) {
        Ok(bits @ 2048..=4096) => Ok(PublicKeyKind::Rsa { bits }),
        _ => Err(UnsupportedKey::RsaBits(bits)),
    }
}
