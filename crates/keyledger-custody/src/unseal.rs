//! How a vault is opened: where the root key comes from.

use std::path::Path;

use crate::{
    passphrase::Passphrase,
    root::{RootKey, RootKeyError},
    sealed_file::{SealedFile, SealedFileError},
};

/// A way to the root key.
pub trait Unseal {
    /// Its name, for logs and answers: never what it is given.
    fn name(&self) -> &'static str;

    /// The root key. May block for about a second.
    ///
    /// # Errors
    ///
    /// [`UnsealError`].
    fn root_key(&self) -> Result<RootKey, UnsealError>;
}

/// Why there is no root key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnsealError {
    /// The sealed root key does not open: the source says why.
    #[error("the sealed root key")]
    Sealed(#[from] SealedFileError),
    /// The local root key cannot be read: the source says why.
    #[error("the root key in its local file")]
    Local(#[from] RootKeyError),
}

/// A sealed file and its passphrase.
#[expect(
    missing_debug_implementations,
    reason = "a secret is never printed, not even redacted"
)]
#[derive(Clone, Copy)]
pub struct ByPassphrase<'a> {
    /// The sealed file.
    pub path: &'a Path,
    /// Its passphrase.
    pub passphrase: &'a Passphrase,
}

/// A file that holds the root key in clear: for one's own machine.
#[derive(Debug, Clone, Copy)]
pub struct ByLocalFile<'a> {
    /// The file.
    pub path: &'a Path,
}

impl Unseal for ByPassphrase<'_> {
    fn name(&self) -> &'static str {
        "passphrase"
    }

    fn root_key(&self) -> Result<RootKey, UnsealError> {
        Ok(SealedFile::read(self.path)?.open_root_key(self.passphrase)?)
    }
}

impl Unseal for ByLocalFile<'_> {
    fn name(&self) -> &'static str {
        "local_file"
    }

    fn root_key(&self) -> Result<RootKey, UnsealError> {
        Ok(RootKey::from_file(self.path)?)
    }
}
