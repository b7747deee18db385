//! What a token's task needs from custody: its own keys, a place for the token's secrets, and their release.

use aws_lc_rs::{
    agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey, X25519},
    encoding::{AsDer, PublicKeyX509Der},
    hmac,
};
use data_encoding::BASE64;
use keyledger_domain::{Name, Purpose, Purposes};

use crate::{
    CurveKey, Delivery, DeliveryError, NotTokenSecrets, ProviderFailure, TokenSecrets,
    custody::Custody,
    kdf,
    material::{MaterialContext, MaterialKind, OpenError},
    seal_to,
    secret::{Key32, Secret},
};

/// The largest sealed secrets of a token, in bytes.
pub const MAX_TOKEN_SECRETS_BYTES: usize = 4_096;

/// The keys of one task. They are derived from the root key and the task's id each time they are needed, and are stored nowhere.
#[expect(
    missing_debug_implementations,
    reason = "a secret is never printed, not even redacted"
)]
pub struct TaskKeys {
    curve: CurveKey,
    p256: PrivateKey,
    x25519: PrivateKey,
}

/// Why a token's secrets were not accepted, or not released.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EscrowError {
    /// It is larger than a token's secrets can be.
    #[error("it has {bytes} bytes, and at most {MAX_TOKEN_SECRETS_BYTES} are taken")]
    TooLarge {
        /// How many there were.
        bytes: usize,
    },
    /// It was not sealed to this task's curve key, or the receiver's key is no curve nkey.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// The agent sent something else than a token's secrets.
    #[error(transparent)]
    Other(#[from] NotTokenSecrets),
    /// The stored secrets cannot be opened.
    #[error("opening the token's secrets")]
    Open(#[from] OpenError),
    /// See [`ProviderFailure`].
    #[error(transparent)]
    Provider(#[from] ProviderFailure),
}

impl Custody {
    /// The keys of the task with this id.
    ///
    /// # Errors
    ///
    /// [`ProviderFailure`].
    pub fn task(&self, task: &str) -> Result<TaskKeys, ProviderFailure> {
        let derive = |what: &str| kdf::expand::<32>(self.prk(), &["task:", what, ":", task]);
        // A number beyond the curve's order is no key. That happens once in 2^32 times, and then the next number is a key.
        let p256 = (0..8_u8).find_map(|n| {
            let scalar: Key32 = derive(&format!("p256.{n}"));
            PrivateKey::from_private_key(&ECDH_P256, &*scalar).ok()
        });
        Ok(TaskKeys {
            curve: CurveKey::new(derive("curve"))?,
            p256: p256.ok_or(ProviderFailure)?,
            x25519: PrivateKey::from_private_key(&X25519, &*derive("x25519"))
                .map_err(|_| ProviderFailure)?,
        })
    }

    /// Takes a token's secrets into custody, as they were sealed to the task. Returns the bytes to store.
    ///
    /// # Errors
    ///
    /// [`EscrowError`].
    pub fn escrow(
        &self,
        task: &str,
        token: &Name,
        delivery: &Delivery,
    ) -> Result<Vec<u8>, EscrowError> {
        if delivery.ciphertext.len() > MAX_TOKEN_SECRETS_BYTES {
            return Err(EscrowError::TooLarge {
                bytes: delivery.ciphertext.len(),
            });
        }
        let secrets = self.task(task)?.curve.open(delivery)?;
        Ok(self.seal(MaterialKind::TokenSecrets, &context(token), &secrets)?)
    }

    /// Returns a token's secrets, sealed to the holder of a curve nkey.
    ///
    /// # Errors
    ///
    /// [`EscrowError`].
    pub fn release(
        &self,
        sealed: &[u8],
        token: &Name,
        receiver: &str,
    ) -> Result<Delivery, EscrowError> {
        Ok(seal_to(receiver, self.secrets_of(sealed, token)?.expose())?)
    }

    /// Returns only the management key of a token's secrets, sealed to the holder of a curve nkey.
    ///
    /// # Errors
    ///
    /// [`EscrowError`].
    pub fn release_management_key(
        &self,
        sealed: &[u8],
        token: &Name,
        receiver: &str,
    ) -> Result<Delivery, EscrowError> {
        let secrets = TokenSecrets::from_secret(&self.secrets_of(sealed, token)?)?;
        let key = secrets.management_key_to_secret();
        Ok(seal_to(receiver, key.expose())?)
    }

    fn secrets_of(&self, sealed: &[u8], token: &Name) -> Result<Secret, EscrowError> {
        let (kind, secrets) = self.unseal(sealed, &context(token))?;
        if kind != MaterialKind::TokenSecrets {
            return Err(EscrowError::Open(OpenError::OtherKind {
                expected: MaterialKind::TokenSecrets.as_str(),
                found: kind.as_str(),
            }));
        }
        Ok(secrets)
    }
}

/// A token's secrets are bound to its name. Their kind distinguishes them from the material of a key with the same name.
fn context(token: &Name) -> MaterialContext {
    MaterialContext {
        key: token.clone(),
        version: 1,
        purposes: Purposes::of(&[Purpose::Wrap]),
    }
}

impl TaskKeys {
    /// The public curve key that the token's secrets are sealed to (`X…`).
    #[must_use]
    pub fn seal_to(&self) -> &str {
        self.curve.public_nkey()
    }

    /// Base64 of the DER `SubjectPublicKeyInfo`s of the challenges: P-256, then X25519.
    ///
    /// # Errors
    ///
    /// [`ProviderFailure`].
    pub fn challenges(&self) -> Result<[String; 2], ProviderFailure> {
        let spki = |key: &PrivateKey| -> Result<String, ProviderFailure> {
            let public = key.compute_public_key()?;
            let der: PublicKeyX509Der<'_> = public.as_der()?;
            Ok(BASE64.encode(der.as_ref()))
        };
        Ok([spki(&self.p256)?, spki(&self.x25519)?])
    }

    /// True if `proof` is the HMAC-SHA-256 of `statement` under the secret that the challenge and the key with this public
    /// point agree on: `point` is uncompressed (65 bytes) of P-256, 32 bytes of X25519.
    #[must_use]
    pub fn agrees(&self, point: &[u8], statement: &[u8], proof: &[u8]) -> bool {
        let (key, algorithm) = match point.len() {
            32 => (&self.x25519, &X25519),
            65 => (&self.p256, &ECDH_P256),
            _ => return false,
        };
        let peer = UnparsedPublicKey::new(algorithm, point);
        agreement::agree(key, peer, ProviderFailure, |secret| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            hmac::verify(&key, statement, proof).map_err(|_| ProviderFailure)
        })
        .is_ok()
    }
}
