//! A NATS user's seed, from its generation to the creds file.

use std::{fmt, path::Path};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    ProviderFailure,
    delivery::{Delivery, DeliveryError, seal_to},
    file::write_secret_file,
    file_error::SecretFileError,
    generate::raw,
    nkey::{NkeyKind, SeedError},
    secret::{Key32, Secret, key32},
    signer::NkeySigner,
};

/// The seed of a NATS user. The service that issues the user does not store it: the seed goes to the user, sealed, and is wiped.
pub struct UserSeed {
    seed: Key32,
    public_nkey: String,
}

/// Why no creds were made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredsError {
    /// It is no JWT: pass the user JWT as it was signed.
    #[error("it is no JWT: three parts of base64url with dots between")]
    NotAJwt,
    /// The JWT is for another user: sign one for this seed's public nkey.
    #[error("the JWT is for {subject}, and the seed is {public_nkey}'s")]
    OtherUser {
        /// The user that the JWT is for.
        subject: String,
        /// The public nkey of the seed.
        public_nkey: String,
    },
    /// They could not be sealed: the source says why.
    #[error("sealing the creds to their recipient")]
    Delivery(#[from] DeliveryError),
    /// They could not be written: the source says why.
    #[error("writing the creds file")]
    File(#[from] SecretFileError),
}

impl UserSeed {
    /// Makes a new one.
    ///
    /// # Errors
    ///
    /// [`ProviderFailure`] if the system gives no random numbers.
    pub fn generate() -> Result<Self, ProviderFailure> {
        Self::new(key32(Secret::random(32)?.expose()).ok_or(ProviderFailure)?)
    }

    /// Reads a seed, `SU…`, that its owner keeps in a file of mode 0600.
    ///
    /// # Errors
    ///
    /// [`SeedError`] if it is no such seed.
    pub fn from_seed(seed: &Secret) -> Result<Self, SeedError> {
        let seed = NkeyKind::User.read_seed(seed.expose().trim_ascii())?;
        Self::new(seed).map_err(|_| SeedError::NotASeed)
    }

    fn new(seed: Key32) -> Result<Self, ProviderFailure> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| ProviderFailure)?;
        let public_nkey = NkeyKind::User.public(&raw(pair.public_key().as_ref())?);
        Ok(Self { seed, public_nkey })
    }

    /// The public nkey, `U…`.
    #[must_use]
    pub fn public_nkey(&self) -> &str {
        &self.public_nkey
    }

    /// The seed, `SU…`, for a program that keeps its own seed: a workstation's agent.
    #[must_use]
    pub fn seed(&self) -> Secret {
        NkeyKind::User.seed(&self.seed)
    }

    /// Opens it to sign with, as a NATS client signs the server's nonce.
    ///
    /// # Errors
    ///
    /// [`ProviderFailure`].
    pub fn signer(&self) -> Result<NkeySigner, ProviderFailure> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&*self.seed).map_err(|_| ProviderFailure)?;
        Ok(NkeySigner::new(NkeyKind::User, pair))
    }

    /// Makes a creds file of the seed and its JWT, and seals it to the holder of a curve nkey (`X…`).
    ///
    /// # Errors
    ///
    /// [`CredsError::NotAJwt`], [`CredsError::OtherUser`]; [`CredsError::Delivery`] if `recipient` is no curve nkey.
    pub fn seal_creds(&self, jwt: &str, recipient: &str) -> Result<Delivery, CredsError> {
        Ok(seal_to(recipient, self.creds(jwt)?.expose())?)
    }

    /// Writes a new creds file *in clear*, of mode 0600, for a person at this machine.
    ///
    /// # Errors
    ///
    /// [`CredsError::NotAJwt`], [`CredsError::OtherUser`]; [`CredsError::File`] if the file exists already or cannot be written.
    pub fn write_creds(&self, jwt: &str, path: &Path) -> Result<(), CredsError> {
        Ok(write_secret_file(path, self.creds(jwt)?.expose())?)
    }

    /// The creds file, byte for byte as nsc writes it (`FormatUserConfig` of nats-io/jwt).
    fn creds(&self, jwt: &str) -> Result<Secret, CredsError> {
        let subject = subject(jwt).ok_or(CredsError::NotAJwt)?;
        if subject != self.public_nkey {
            return Err(CredsError::OtherUser {
                subject: subject.chars().take(80).collect(), // from outside: shown back shortened
                public_nkey: self.public_nkey.clone(),
            });
        }
        let seed = NkeyKind::User.seed(&self.seed);
        let parts = [HEAD, jwt.as_bytes(), BETWEEN, seed.expose(), FOOT];
        // With its full size from the start: a buffer that grows leaves copies in memory.
        let length = parts.iter().map(|part| part.len()).sum();
        let mut creds = Zeroizing::new(Vec::with_capacity(length));
        parts.iter().for_each(|part| creds.extend_from_slice(part));
        Ok(Secret::new(std::mem::take(&mut *creds)))
    }
}

impl fmt::Debug for UserSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserSeed({})", self.public_nkey)
    }
}

const HEAD: &[u8] = b"-----BEGIN NATS USER JWT-----\n";
const BETWEEN: &[u8] = b"
------END NATS USER JWT------

************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.
NKEYs are sensitive and should be treated as secrets.

-----BEGIN USER NKEY SEED-----
";
const FOOT: &[u8] = b"
------END USER NKEY SEED------

*************************************************************
";

/// The subject of a JWT. Its signature is not checked, because the caller has just signed it.
fn subject(jwt: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        sub: String,
    }
    let [header, claims, signature] = jwt.split('.').collect::<Vec<_>>().try_into().ok()?;
    BASE64URL_NOPAD.decode(header.as_bytes()).ok()?;
    BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
    let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?;
    serde_json::from_slice::<Claims>(&claims)
        .ok()
        .map(|c| c.sub)
}
