//! The root key: the topmost key, under which everything is sealed.

use std::{fmt, path::Path, str::FromStr};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::{
    ProviderFailure,
    file::{read_secret_file, write_secret_file},
    file_error::SecretFileError,
    kdf,
    secret::{Key32, key32},
};

/// The salt of everything derived from a root key. It must never change, or every key is lost.
pub(crate) const ROOT_SALT: &str = "keyledger-custody-root-v1";
/// What a root key file begins with.
const FILE_HEAD: &str = "keyledger-root-key-v1\n";

/// The root key: 32 random bytes that seal everything.
///
/// It comes from a passphrase through [`SealedFile`](crate::SealedFile), or from a local file. If it is lost, every key is lost: there
/// is no other way in.
#[expect(
    missing_debug_implementations,
    reason = "a secret is never printed, not even redacted"
)]
pub struct RootKey(Key32);

/// Why a root key could not be read from a file, or written to one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootKeyError {
    /// The file could not be read or written, or others can read it: the source says what to do.
    #[error("the root key file")]
    File(#[from] SecretFileError),
    /// The file holds something else: check the path, or restore the file from its backup.
    #[error(
        "the file holds no root key: it begins with `keyledger-root-key-v1` and 64 hex digits follow"
    )]
    NotARootKey,
    /// No random numbers: see [`ProviderFailure`].
    #[error(transparent)]
    Provider(#[from] ProviderFailure),
}

impl RootKey {
    /// Makes a new one.
    ///
    /// # Errors
    ///
    /// [`ProviderFailure`] if the system gives no random numbers.
    pub fn generate() -> Result<Self, ProviderFailure> {
        let mut key = Key32::default();
        aws_lc_rs::rand::fill(&mut *key)?;
        Ok(Self(key))
    }

    /// Makes a new one and writes it *in clear* to a new file of mode 0600.
    ///
    /// Everybody who reads that file can read every key: use it on your own machine, and not in production.
    ///
    /// # Errors
    ///
    /// [`RootKeyError::File`] if there is a file already or it cannot be written.
    pub fn generate_file(path: &Path) -> Result<Self, RootKeyError> {
        let root = Self::generate()?;
        let mut text = Zeroizing::new(String::with_capacity(FILE_HEAD.len() + 65));
        text.push_str(FILE_HEAD);
        HEXLOWER.encode_append(&*root.0, &mut text);
        text.push('\n');
        write_secret_file(path, text.as_bytes())?;
        Ok(root)
    }

    /// Reads it from the file that [`generate_file`](Self::generate_file) wrote.
    ///
    /// # Errors
    ///
    /// [`RootKeyError::File`] if it cannot be read, or if anybody but its owner could read it too;
    /// [`RootKeyError::NotARootKey`] if it holds something else.
    pub fn from_file(path: &Path) -> Result<Self, RootKeyError> {
        let text = read_secret_file(path)?;
        let hex = text
            .expose()
            .strip_prefix(FILE_HEAD.as_bytes())
            .map(<[u8]>::trim_ascii_end)
            .filter(|hex| hex.len() == 64)
            .ok_or(RootKeyError::NotARootKey)?;
        let mut key = Key32::default();
        HEXLOWER
            .decode_mut(hex, &mut *key)
            .map_err(|_| RootKeyError::NotARootKey)?;
        Ok(Self(key))
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        key32(bytes).map(Self)
    }

    /// The id of this root key. It reveals nothing about the key itself.
    #[must_use]
    pub fn id(&self) -> RootId {
        RootId(*kdf::expand(
            &kdf::extract(ROOT_SALT, self.expose()),
            &["root-id"],
        ))
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &*self.0
    }
}

/// The id of the root key that something is sealed under: eight bytes derived from the key, written as hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RootId(pub(crate) [u8; 8]);

impl fmt::Display for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootId({self})")
    }
}

/// A text that is not the id of a root key: it has 16 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a root key has 16 hex digits")]
pub struct NotARootId;

impl Serialize for RootId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RootId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for RootId {
    type Err = NotARootId;

    fn from_str(text: &str) -> Result<Self, NotARootId> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| NotARootId)?;
        Ok(Self(bytes.try_into().map_err(|_| NotARootId)?))
    }
}
