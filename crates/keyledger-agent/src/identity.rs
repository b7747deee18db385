//! The agent's identity: an nkey that signs, and a curve key to which others seal.

use std::path::Path;

use keyledger_custody::{
    CurveKey, Delivery, DeliveryError, NkeySigner, ProviderFailure, Secret, SecretFileError,
    SeedError, UserSeed, read_secret_file, write_secret_file,
};

/// The agent's identity. It is a seam: the keys may lie in files, in a token or in a TPM.
pub trait Identity: Send + Sync {
    /// The public nkey, `U…`: the name of its consumer and the third token of its reports' subjects.
    fn public_nkey(&self) -> &str;

    /// The public curve nkey, `X…`, to which secrets are sealed for it.
    fn curve_nkey(&self) -> &str;

    /// Signs `message` with the nkey: the server's nonce, or a line of the journal.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] if the holder of the key does not answer.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], IdentityError>;

    /// Opens a message that was sealed to the curve key.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Sealed`] if it was sealed to another key or was changed.
    fn open(&self, delivery: &Delivery) -> Result<Secret, IdentityError>;
}

/// Why the identity cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// One of its files cannot be used: the source says what to do.
    #[error("the agent's identity")]
    File(#[from] SecretFileError),
    /// A file does not hold a seed: put the right file back, or do what the message says.
    #[error(
        "{file} does not hold the seed of this agent: put the right file back, or enrol with new keys by \
         `keyledger-agent enrol --name WORKSTATION --anew`"
    )]
    Seed {
        /// The file's name.
        file: &'static str,
        /// What is wrong.
        #[source]
        source: SeedError,
    },
    /// The message was not sealed to this agent, or was changed.
    #[error("the sealed message cannot be opened")]
    Sealed(#[from] DeliveryError),
    /// The cryptographic provider fails.
    #[error(transparent)]
    Provider(#[from] ProviderFailure),
}

/// The file of the nkey's seed, in the agent's configuration.
pub const NKEY_FILE: &str = "agent.nk";
/// The file of the curve key's seed.
pub const CURVE_FILE: &str = "agent.curve.nk";

/// An identity whose seeds lie in two files of mode 0600.
#[expect(
    missing_debug_implementations,
    reason = "a secret is never printed, not even redacted"
)]
pub struct FileIdentity {
    signer: NkeySigner,
    curve: CurveKey,
}

impl FileIdentity {
    /// Makes the seeds that are missing in `directory`. After a crash, running it again finishes the work.
    ///
    /// # Errors
    ///
    /// [`IdentityError`]; a seed is never written over.
    pub fn make(directory: &Path) -> Result<Self, IdentityError> {
        let (nkey, curve) = (directory.join(NKEY_FILE), directory.join(CURVE_FILE));
        if !nkey.exists() {
            write_secret_file(&nkey, UserSeed::generate()?.seed().expose())?;
        }
        if !curve.exists() {
            write_secret_file(&curve, CurveKey::generate()?.seed().expose())?;
        }
        Self::open(directory)
    }

    /// Opens the identity in `directory`.
    ///
    /// # Errors
    ///
    /// [`IdentityError::File`] if a file is missing or others can read it; [`IdentityError::Seed`].
    pub fn open(directory: &Path) -> Result<Self, IdentityError> {
        let read = |file| read_secret_file(&directory.join(file));
        let broken = |file| move |source| IdentityError::Seed { file, source };
        let seed = UserSeed::from_seed(&read(NKEY_FILE)?).map_err(broken(NKEY_FILE))?;
        let curve = CurveKey::from_seed(&read(CURVE_FILE)?).map_err(broken(CURVE_FILE))?;
        Ok(Self {
            signer: seed.signer()?,
            curve,
        })
    }
}

impl Identity for FileIdentity {
    fn public_nkey(&self) -> &str {
        self.signer.public_nkey()
    }

    fn curve_nkey(&self) -> &str {
        self.curve.public_nkey()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], IdentityError> {
        Ok(self.signer.sign(message))
    }

    fn open(&self, delivery: &Delivery) -> Result<Secret, IdentityError> {
        Ok(self.curve.open(delivery)?)
    }
}
