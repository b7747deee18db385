//! Making keys.

use aws_lc_rs::{
    agreement,
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
    },
};
use data_encoding::{BASE64, HEXLOWER};
use keyledger_domain::{Algorithm, key::Public};

use crate::{
    ProviderFailure,
    custody::Custody,
    kdf,
    material::{MaterialContext, MaterialKind},
    nkey::{NkeyKind, SeedError},
    secret::{Key32, Secret, key32},
};

/// A new version of a key: its public half for the ledger, and its sealed material for the material bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// The public half.
    pub public: Public,
    /// The sealed secret half: harmless without the root key.
    pub sealed: Vec<u8>,
}

/// Why no key was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The imported text is no seed of this kind: the source says what it should be.
    #[error("the seed to import")]
    Seed(#[from] SeedError),
    /// See [`ProviderFailure`].
    #[error(transparent)]
    Provider(#[from] ProviderFailure),
}

impl From<aws_lc_rs::error::Unspecified> for GenerateError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Provider(ProviderFailure)
    }
}

impl Custody {
    /// Makes a key and seals it.
    ///
    /// An asymmetric key gives its public half as a DER `SubjectPublicKeyInfo`. An AES key gives a check value, derived by HKDF, that
    /// reveals nothing about the key.
    ///
    /// Blocks: an RSA key takes from a tenth of a second to some seconds, depending on the length of its modulus. Call it on a thread for
    /// blocking work (`tokio::task::spawn_blocking`).
    ///
    /// # Errors
    ///
    /// [`GenerateError::Provider`].
    pub fn generate(
        &self,
        algorithm: Algorithm,
        context: &MaterialContext,
    ) -> Result<Generated, GenerateError> {
        let (public, material) = match algorithm {
            Algorithm::Ed25519 => ed25519()?,
            Algorithm::X25519 => {
                let seed = key32(Secret::random(32)?.expose()).ok_or(ProviderFailure)?;
                (spki(&x25519(&seed)?)?, Secret::copy_of(&*seed))
            }
            Algorithm::P256 => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING)?,
            Algorithm::P384 => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING)?,
            Algorithm::Rsa2048 => rsa(KeySize::Rsa2048)?,
            Algorithm::Rsa3072 => rsa(KeySize::Rsa3072)?,
            Algorithm::Rsa4096 => rsa(KeySize::Rsa4096)?,
            Algorithm::Aes256 => aes_256()?,
        };
        let sealed = self.seal(MaterialKind::Key(algorithm), context, &material)?;
        Ok(Generated { public, sealed })
    }

    /// Makes an nkey and seals its seed. `public.nkey` is set, and `public.public_key` too.
    ///
    /// # Errors
    ///
    /// [`GenerateError::Provider`].
    pub fn generate_nkey(
        &self,
        kind: NkeyKind,
        context: &MaterialContext,
    ) -> Result<Generated, GenerateError> {
        let seed = key32(Secret::random(32)?.expose()).ok_or(ProviderFailure)?;
        self.adopt(kind, &seed, context)
    }

    /// Seals the seed of an nkey that was made elsewhere, for example by `nsc`.
    ///
    /// # Errors
    ///
    /// [`GenerateError::Seed`] if it is no seed, or a seed of another kind; [`GenerateError::Provider`].
    pub fn import_nkey(
        &self,
        kind: NkeyKind,
        seed: &Secret,
        context: &MaterialContext,
    ) -> Result<Generated, GenerateError> {
        self.adopt(kind, &kind.read_seed(seed.expose().trim_ascii())?, context)
    }

    fn adopt(
        &self,
        kind: NkeyKind,
        seed: &Key32,
        context: &MaterialContext,
    ) -> Result<Generated, GenerateError> {
        let (key, public_key) = match kind.algorithm() {
            Algorithm::X25519 => {
                let public = x25519(seed)?;
                (raw(public.as_ref())?, spki(&public)?)
            }
            _ => {
                let pair =
                    Ed25519KeyPair::from_seed_unchecked(&**seed).map_err(|_| ProviderFailure)?;
                (raw(pair.public_key().as_ref())?, spki(pair.public_key())?)
            }
        };
        let public = Public {
            nkey: Some(kind.public(&key).into()),
            ..public_key
        };
        let sealed = self.seal(MaterialKind::Nkey(kind), context, &Secret::copy_of(&**seed))?;
        Ok(Generated { public, sealed })
    }
}

fn ed25519() -> Result<(Public, Secret), ProviderFailure> {
    let pair = Ed25519KeyPair::generate()?;
    let pkcs8 = pair.to_pkcs8v1()?; // OpenSSL and others cannot read version 2
    Ok((spki(pair.public_key())?, Secret::copy_of(pkcs8.as_ref())))
}

fn ecdsa(curve: &'static EcdsaSigningAlgorithm) -> Result<(Public, Secret), ProviderFailure> {
    let pair = EcdsaKeyPair::generate(curve)?;
    let pkcs8 = pair.to_pkcs8v1()?;
    Ok((spki(pair.public_key())?, Secret::copy_of(pkcs8.as_ref())))
}

fn rsa(size: KeySize) -> Result<(Public, Secret), ProviderFailure> {
    let pair = RsaKeyPair::generate(size)?;
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der()?;
    Ok((spki(pair.public_key())?, Secret::copy_of(pkcs8.as_ref())))
}

fn aes_256() -> Result<(Public, Secret), ProviderFailure> {
    let key = Secret::random(32)?;
    let prk = kdf::extract("keyledger-check-value-v1", key.expose());
    let public = Public {
        public_key: None,
        nkey: None,
        check_value: Some(
            HEXLOWER
                .encode(&*kdf::expand::<8>(&prk, &["aes-256"]))
                .into(),
        ),
    };
    Ok((public, key))
}

pub(crate) fn x25519(seed: &Key32) -> Result<agreement::PublicKey, ProviderFailure> {
    let private = agreement::PrivateKey::from_private_key(&agreement::X25519, &**seed)
        .map_err(|_| ProviderFailure)?;
    Ok(private.compute_public_key()?)
}

pub(crate) fn spki(key: &impl AsDer<PublicKeyX509Der<'static>>) -> Result<Public, ProviderFailure> {
    Ok(Public {
        public_key: Some(BASE64.encode(key.as_der()?.as_ref()).into()),
        nkey: None,
        check_value: None,
    })
}

pub(crate) fn raw(key: &[u8]) -> Result<[u8; 32], ProviderFailure> {
    key.try_into().map_err(|_| ProviderFailure)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex32(text: &str) -> Key32 {
        key32(&HEXLOWER.decode(text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn rfc_7748_section_6_1_alice() {
        let seed = hex32("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        assert_eq!(
            HEXLOWER.encode(x25519(&seed).unwrap().as_ref()),
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
        );
    }

    #[test]
    fn rfc_8032_section_7_1_test_1() {
        let seed = hex32("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).unwrap();
        assert_eq!(
            HEXLOWER.encode(pair.public_key().as_ref()),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
        assert_eq!(
            HEXLOWER.encode(pair.sign(b"").as_ref()),
            concat!(
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155",
                "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            )
        );
    }
}
