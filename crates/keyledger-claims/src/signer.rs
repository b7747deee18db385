//! The signer as a trait, so that this crate need not hold the key.

use std::error::Error;
use std::fmt;

use nkeys::KeyPair;

/// Signs claims with one nkey, whose seed may be kept anywhere.
pub trait Signer {
    /// The public nkey that verifies what this signs; becomes `iss`.
    fn public_nkey(&self) -> &str;

    /// Signs `message` with Ed25519 (RFC 8032).
    ///
    /// # Errors
    ///
    /// [`SignError`] if the custodian of the key failed or refused.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError>;
}

/// The custodian of the key did not sign; its own error is the source.
#[derive(Debug, thiserror::Error)]
#[error("the signing key did not sign")]
pub struct SignError(#[source] Box<dyn Error + Send + Sync>);

impl SignError {
    /// Carries the custodian's own error.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

/// Signs with a key pair in memory. Drop it soon: [`KeyPair`] does not wipe its seed.
pub struct KeyPairSigner {
    pair: KeyPair,
    public_nkey: String,
}

impl KeyPairSigner {
    /// The public nkey is computed once, here.
    #[must_use]
    pub fn new(pair: KeyPair) -> Self {
        let public_nkey = pair.public_key();
        Self { pair, public_nkey }
    }
}

impl Signer for KeyPairSigner {
    fn public_nkey(&self) -> &str {
        &self.public_nkey
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        let signature = self.pair.sign(message).map_err(SignError::new)?;
        <[u8; 64]>::try_from(signature).map_err(|_| SignError::new("signature of wrong length"))
    }
}

impl fmt::Debug for KeyPairSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyPairSigner")
            .field(&self.public_nkey)
            .finish()
    }
}
