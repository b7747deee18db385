//! Lines for `authorized_keys`, made of public keys.

use ssh_key::{
    Mpint, PublicKey,
    public::{EcdsaPublicKey, Ed25519PublicKey, KeyData, RsaPublicKey},
};

use crate::x509::{PublicKeyKind, UnsupportedKey, public_numbers, rsa_numbers};

/// Why there is no line for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoSshKey {
    /// It is no `SubjectPublicKeyInfo` in DER: give the public key as it stands in a certificate.
    #[error("it is no public key in DER (SubjectPublicKeyInfo)")]
    NotAKey,
    /// SSH has no such keys: use Ed25519, P-256, P-384 or RSA.
    #[error("SSH takes Ed25519, P-256, P-384 and RSA keys of 2,048 bits and more")]
    Algorithm,
    /// The comment would end the line: leave out line breaks and other control characters.
    #[error("the comment of an SSH key has no control characters")]
    Comment,
}

/// The line of a public key, which is `SubjectPublicKeyInfo` in DER, with a comment.
///
/// # Errors
///
/// [`NoSshKey`].
pub fn line(spki: &[u8], comment: &str) -> Result<String, NoSshKey> {
    if comment.chars().any(char::is_control) {
        return Err(NoSshKey::Comment);
    }
    let kind = PublicKeyKind::of(spki)?;
    let numbers = public_numbers(spki)?;
    let data = match kind {
        PublicKeyKind::Ed25519 => {
            let point = numbers.try_into().map_err(|_| NoSshKey::NotAKey)?;
            KeyData::Ed25519(Ed25519PublicKey(point))
        }
        PublicKeyKind::P256 | PublicKeyKind::P384 => {
            let point = EcdsaPublicKey::from_sec1_bytes(numbers);
            KeyData::Ecdsa(point.map_err(|_| NoSshKey::NotAKey)?)
        }
        PublicKeyKind::Rsa { .. } => {
            let (modulus, exponent) = rsa_numbers(numbers)?;
            KeyData::Rsa(RsaPublicKey {
                e: number(exponent)?,
                n: number(modulus)?,
            })
        }
    };
    let key = PublicKey::new(data, comment);
    key.to_openssh().map_err(|_| NoSshKey::NotAKey)
}

fn number(bytes: &[u8]) -> Result<Mpint, NoSshKey> {
    Mpint::from_positive_bytes(bytes).map_err(|_| NoSshKey::NotAKey)
}

impl From<UnsupportedKey> for NoSshKey {
    fn from(error: UnsupportedKey) -> Self {
        match error {
            UnsupportedKey::Algorithm(_) | UnsupportedKey::RsaBits(_) => Self::Algorithm,
            UnsupportedKey::Malformed | UnsupportedKey::Compressed | UnsupportedKey::NoKey => {
                Self::NotAKey
            }
        }
    }
}
