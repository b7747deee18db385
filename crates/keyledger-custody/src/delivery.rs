//! Delivery: a secret sealed to the one who may have it.

use nkeys::XKey;

use crate::{
    ProviderFailure,
    generate::{raw, x25519},
    nkey::{NkeyKind, SeedError},
    public,
    secret::{Key32, Secret, key32},
};

/// A secret on its way, sealed to its recipient's curve nkey: harmless to anybody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The public curve nkey it was sealed with, `X…`: made for this delivery alone and forgotten.
    pub sender: String,
    /// The sealed bytes in NATS's form: `xkv1`, a nonce of 24 bytes, and NaCl's `crypto_box`.
    pub ciphertext: Vec<u8>,
}

/// Why a secret was not sealed, or not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// It is no public curve nkey: give the `X…` that [`CurveKey::public_nkey`] or `nk -gen curve` shows.
    #[error("it is no public curve nkey: `X` and 55 more letters and digits")]
    NotACurveNkey,
    /// It was sealed to another curve key or by another sender, or it was changed: ask the sender to send it again.
    #[error("it was sealed to another key, or was changed")]
    Refused,
    /// See [`ProviderFailure`].
    #[error(transparent)]
    Provider(#[from] ProviderFailure),
}

/// Seals `text` to the holder of a curve nkey.
///
/// The delivery is confidential and tamper-evident, but anonymous: the sender's key is made for this one delivery, so the recipient
/// must know from elsewhere who sent it.
///
/// # Errors
///
/// [`DeliveryError::NotACurveNkey`] if `recipient` is no curve nkey, or one with which no secret can be agreed.
pub fn seal_to(recipient: &str, text: &[u8]) -> Result<Delivery, DeliveryError> {
    let recipient = curve(recipient)?;
    let sender = CurveKey::generate()?;
    let ciphertext = sender
        .key
        .seal(text, &recipient)
        .map_err(|_| ProviderFailure)?;
    Ok(Delivery {
        sender: sender.public_nkey,
        ciphertext,
    })
}

/// The recipient's side: a curve key, to whose public half others seal.
#[expect(
    missing_debug_implementations,
    reason = "a secret is never printed, not even redacted"
)]
pub struct CurveKey {
    seed: Key32,
    key: XKey, // wipes its secret half
    public_nkey: String,
}

impl CurveKey {
    /// Makes a new one.
    ///
    /// # Errors
    ///
    /// [`ProviderFailure`] if the system gives no random numbers.
    pub fn generate() -> Result<Self, ProviderFailure> {
        Self::new(key32(Secret::random(32)?.expose()).ok_or(ProviderFailure)?)
    }

    /// The curve key of a seed, `SX…`.
    ///
    /// # Errors
    ///
    /// [`SeedError`] if it is none.
    pub fn from_seed(seed: &Secret) -> Result<Self, SeedError> {
        let seed = NkeyKind::Curve.read_seed(seed.expose().trim_ascii())?;
        Self::new(seed).map_err(|_| SeedError::NotASeed)
    }

    pub(crate) fn new(seed: Key32) -> Result<Self, ProviderFailure> {
        let public = x25519(&seed)?;
        Ok(Self {
            key: XKey::new_from_raw(*seed),
            public_nkey: NkeyKind::Curve.public(&raw(public.as_ref())?),
            seed,
        })
    }

    /// The public curve nkey, `X…`, for others to seal to.
    #[must_use]
    pub fn public_nkey(&self) -> &str {
        &self.public_nkey
    }

    /// The seed, `SX…`, to keep in a file of mode 0600.
    #[must_use]
    pub fn seed(&self) -> Secret {
        NkeyKind::Curve.seed(&self.seed)
    }

    /// Opens what was sealed to this key.
    ///
    /// # Errors
    ///
    /// [`DeliveryError::Refused`] if it was sealed to another key or was changed;
    /// [`DeliveryError::NotACurveNkey`] if its sender is no curve nkey.
    pub fn open(&self, delivery: &Delivery) -> Result<Secret, DeliveryError> {
        let sender = curve(&delivery.sender)?;
        let text = self.key.open(&delivery.ciphertext, &sender);
        text.map(Secret::new).map_err(|_| DeliveryError::Refused)
    }
}

/// A public curve nkey with which a secret can be agreed.
fn curve(text: &str) -> Result<XKey, DeliveryError> {
    let key = NkeyKind::Curve.read_public(text);
    let key = key.ok_or(DeliveryError::NotACurveNkey)?;
    if !public::contributes(&key)? {
        return Err(DeliveryError::NotACurveNkey);
    }
    XKey::from_public_key(text).map_err(|_| DeliveryError::NotACurveNkey)
}
