//! Lines for `authorized_keys`, made from the public keys of people's tokens.

use keyledger_domain::{Timestamp, text::Title};
use pkcs1::RsaPublicKey as Pkcs1;
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef, der::Decode as _};
use ssh_key::{
    Mpint, PublicKey,
    public::{EcdsaPublicKey, Ed25519PublicKey, KeyData, RsaPublicKey},
};

use super::{
    public::Certificate,
    subkey::{PublicSubkey, SubkeyAlgorithm, SubkeyRole},
};

/// Why there is no line for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoSshKey {
    /// It is no `SubjectPublicKeyInfo` in DER: give the public key as a certificate contains it.
    #[error("it is no public key in DER (SubjectPublicKeyInfo)")]
    NotAKey,
    /// SSH has no such keys: use Ed25519, P-256, P-384 or RSA.
    #[error("SSH takes Ed25519, P-256, P-384 and RSA keys of 2,048 bits and more")]
    Algorithm,
}

/// The lines of a certificate's [A] subkeys that may be used at `now`, the newest first, as `gpg --export-ssh-key` writes them:
/// the comment is `openpgp:0x` and the last eight digits of the subkey's fingerprint.
#[must_use]
pub fn of_certificate(certificate: &Certificate, now: Timestamp) -> Vec<String> {
    certificate
        .usable(SubkeyRole::Authenticate, now)
        .filter_map(|view| of_subkey(&view.public).ok())
        .collect()
}

/// The line of one subkey.
///
/// # Errors
///
/// [`NoSshKey::Algorithm`] if the subkey only decrypts.
pub fn of_subkey(subkey: &PublicSubkey) -> Result<String, NoSshKey> {
    let point = subkey.point();
    let data = match subkey.algorithm() {
        _ if subkey.role() == SubkeyRole::Encrypt => return Err(NoSshKey::Algorithm),
        SubkeyAlgorithm::Ed25519 => ed25519(&point)?,
        SubkeyAlgorithm::Nistp256 => ecdsa(&point)?,
        SubkeyAlgorithm::Cv25519 => return Err(NoSshKey::Algorithm),
    };
    let fingerprint = subkey.fingerprint().to_string();
    line(data, &format!("openpgp:0x{}", &fingerprint[32..]))
}

/// The line of a bare public key: `SubjectPublicKeyInfo` in DER, as PIV's slot 9a gives it.
///
/// # Errors
///
/// [`NoSshKey`].
pub fn of_spki(der: &[u8], comment: &Title) -> Result<String, NoSshKey> {
    const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
    const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
    const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
    let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| NoSshKey::NotAKey)?;
    let bits = spki
        .subject_public_key
        .as_bytes()
        .ok_or(NoSshKey::NotAKey)?;
    let data = match spki.algorithm.oid {
        ED25519 => ed25519(bits)?,
        EC => {
            let data = ecdsa(bits)?;
            let curve = spki.algorithm.parameters_oid();
            if curve.ok() != curve_of(&data) {
                return Err(NoSshKey::Algorithm);
            }
            data
        }
        RSA => rsa(bits)?,
        _ => return Err(NoSshKey::Algorithm),
    };
    line(data, comment.as_str())
}

fn line(data: KeyData, comment: &str) -> Result<String, NoSshKey> {
    let key = PublicKey::new(data, comment);
    key.to_openssh().map_err(|_| NoSshKey::NotAKey)
}

fn ed25519(point: &[u8]) -> Result<KeyData, NoSshKey> {
    let point = point.try_into().map_err(|_| NoSshKey::NotAKey)?;
    Ok(KeyData::Ed25519(Ed25519PublicKey(point)))
}

fn ecdsa(point: &[u8]) -> Result<KeyData, NoSshKey> {
    match EcdsaPublicKey::from_sec1_bytes(point) {
        Ok(EcdsaPublicKey::NistP521(_)) => Err(NoSshKey::Algorithm),
        Ok(key) => Ok(KeyData::Ecdsa(key)),
        Err(_) => Err(NoSshKey::NotAKey),
    }
}

fn curve_of(data: &KeyData) -> Option<ObjectIdentifier> {
    const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
    const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
    match data {
        KeyData::Ecdsa(EcdsaPublicKey::NistP256(_)) => Some(P256),
        KeyData::Ecdsa(EcdsaPublicKey::NistP384(_)) => Some(P384),
        _ => None,
    }
}

fn rsa(der: &[u8]) -> Result<KeyData, NoSshKey> {
    /// The fewest bytes of a modulus that NIST SP 800-131A allows.
    const MIN_BYTES: usize = 256;
    let key = Pkcs1::from_der(der).map_err(|_| NoSshKey::NotAKey)?;
    let number = |bytes: &[u8]| Mpint::from_positive_bytes(bytes).map_err(|_| NoSshKey::NotAKey);
    if key.modulus.as_bytes().len() < MIN_BYTES {
        return Err(NoSshKey::Algorithm);
    }
    Ok(KeyData::Rsa(RsaPublicKey {
        e: number(key.public_exponent.as_bytes())?,
        n: number(key.modulus.as_bytes())?,
    }))
}
