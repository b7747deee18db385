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
    material::{Kind, MaterialContext},
    nkey::{NkeyKind, SeedError},
    secret::{Key32, Secret, key32},
};

/// A new version of a key: its public face for the ledger, and its material for the material bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// What everybody may know.
    pub public: Public,
    /// The sealed secret half: harmless without the root key.
    pub sealed: Vec<u8>,
}

/// Why no key was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// What was to be imported is no seed of that kind: the source says what it should be.
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
    /// Of an asymmetric key the public half is given as a DER `SubjectPublicKeyInfo`, of AES a check value, derived
    /// by HKDF, that tells nothing of the key.
    ///
    /// Blocks: RSA-3072 takes from a tenth of a second to some seconds. Call it on a thread for blocking work
    /// (`tokio::task::spawn_blocking`).
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
            Algorithm::Rsa3072 => rsa_3072()?,
            Algorithm::Aes256 => aes_256()?,
        };
        let sealed = self.seal(Kind::Key(algorithm), context, &material)?;
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

    /// Seals the seed of an nkey that was made elsewhere, by `nsc` for one.
    ///
    /// # Errors
    ///
    /// [`GenerateError::Seed`] if it is no seed or one of another kind; [`GenerateError::Provider`].
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
        let sealed = self.seal(Kind::Nkey(kind), context, &Secret::copy_of(&**seed))?;
        Ok(Generated { public, sealed })
    }
}

fn ed25519() -> Result<(Public, Secret), ProviderFailure> {
    let pair = Ed25519KeyPair::generate()?;
    let pkcs8 = pair.to_pkcs8()?;
    Ok((spki(pair.public_key())?, Secret::copy_of(pkcs8.as_ref())))
}

fn ecdsa(curve: &'static EcdsaSigningAlgorithm) -> Result<(Public, Secret), ProviderFailure> {
    let pair = EcdsaKeyPair::generate(curve)?;
    let pkcs8 = pair.to_pkcs8v1()?;
    Ok((spki(pair.public_key())?, Secret::copy_of(pkcs8.as_ref())))
}

fn rsa_3072() -> Result<(Public, Secret), ProviderFailure> {
    let pair = RsaKeyPair::generate(KeySize::Rsa3072)?;
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

fn spki(key: &impl AsDer<PublicKeyX509Der<'static>>) -> Result<Public, ProviderFailure> {
    Ok(Public {
        public_key: Some(BASE64.encode(key.as_der()?.as_ref()).into()),
        nkey: None,
        check_value: None,
    })
}

pub(crate) fn raw(key: &[u8]) -> Result<[u8; 32], ProviderFailure> {
    key.try_into().map_err(|_| ProviderFailure)
}
