//! `root.sealed`: a root key under a passphrase.

use std::path::Path;

use keyledger_domain::form::{self, NotOfForm};
use serde::{Deserialize, Serialize};

use crate::{
    ProviderFailure,
    argon2id::{KdfCost, KdfError},
    file::{read_secret_file, replace_secret_file, write_secret_file},
    file_error::SecretFileError,
    passphrase::Passphrase,
    root::{RootId, RootKey},
    under_passphrase::{self, OpenFault, SealFault},
};

/// A root key sealed under a passphrase, as it is stored in `root.sealed`.
///
/// ```json
/// { "version": 2, "kind": "passphrase", "root": "16 hex digits, the root key's id",
///   "kdf": { "name": "argon2id", "memory_kib": 262144, "passes": 3, "lanes": 4 },
///   "salt": "base64, 16 bytes", "wrapped": "base64: nonce (12), ciphertext (32), tag (16)" }
/// ```
///
/// Argon2id 1.3 (RFC 9106) makes an AES-256-GCM key of the passphrase; the associated data are
/// `keyledger-root-sealed-v2` and the root key's id. The root key itself is random, so the passphrase can be changed without
/// touching what the root key seals.
///
/// Version 2 says that what stands beside it was sealed with it: its reader holds that (see [`is_bound`](Self::is_bound)). Version 1,
/// with `keyledger-root-sealed-v1`, is older and says nothing; the one cannot be passed off as the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedRoot {
    version: u8,
    kind: Kind,
    root: Box<str>,
    kdf: KdfCost,
    salt: Box<str>,
    wrapped: Box<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Passphrase,
}

/// The version that vouches for nothing but the root key.
const ALONE: u8 = 1;
/// The version of a root key that vouches for what stands beside it.
const BOUND: u8 = 2;

/// Why a root key was not sealed, or not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealedRootError {
    /// The passphrase is wrong; or, which nobody can tell apart, the file was changed: try again, or restore
    /// `root.sealed` from its backup.
    #[error("the passphrase is wrong, or the sealed root key was changed")]
    WrongPassphrase,
    /// It is no `root.sealed`: look at the path, or restore the file from its backup.
    #[error("it is no sealed root key")]
    NotASealedRoot,
    /// A newer Keyledger sealed it: upgrade this one.
    #[error("it is sealed in format {found}, and this version of Keyledger reads up to {BOUND}")]
    NewerFormat {
        /// The format it is sealed in.
        found: u64,
    },
    /// See [`KdfError`].
    #[error(transparent)]
    Kdf(#[from] KdfError),
    /// The file could not be read or written: the source says why.
    #[error("the sealed root key file")]
    File(#[from] SecretFileError),
    /// See [`ProviderFailure`].
    #[error(transparent)]
    Provider(#[from] ProviderFailure),
}

impl SealedRoot {
    /// Seals a root key under a passphrase.
    ///
    /// Blocks for about a second at the usual cost.
    ///
    /// # Errors
    ///
    /// [`SealedRootError::Kdf`], [`SealedRootError::Provider`].
    pub fn seal(
        root: &RootKey,
        passphrase: &Passphrase,
        cost: KdfCost,
    ) -> Result<Self, SealedRootError> {
        Self::seal_as(ALONE, root, passphrase, cost)
    }

    /// Seals the root key of an organisation whose own file is authenticated under it.
    ///
    /// # Errors
    ///
    /// As [`seal`](Self::seal).
    pub fn seal_bound(
        root: &RootKey,
        passphrase: &Passphrase,
        cost: KdfCost,
    ) -> Result<Self, SealedRootError> {
        Self::seal_as(BOUND, root, passphrase, cost)
    }

    /// True if the file that stands beside it must be authentic under this root key. It counts once the root key was opened.
    #[must_use]
    pub const fn is_bound(&self) -> bool {
        self.version >= BOUND
    }

    fn seal_as(
        version: u8,
        root: &RootKey,
        passphrase: &Passphrase,
        cost: KdfCost,
    ) -> Result<Self, SealedRootError> {
        let associated = associated(version, root.id());
        let sealed = under_passphrase::seal(passphrase, &cost, &associated, root.expose())?;
        Ok(Self {
            version,
            kind: Kind::Passphrase,
            root: root.id().to_string().into(),
            kdf: cost,
            salt: sealed.salt,
            wrapped: sealed.wrapped,
        })
    }

    /// Opens the root key.
    ///
    /// Blocks for about a second at the usual cost.
    ///
    /// # Errors
    ///
    /// [`SealedRootError::WrongPassphrase`] if it is wrong or the sealed root was changed;
    /// [`SealedRootError::NotASealedRoot`] if it cannot have been made here; [`SealedRootError::Kdf`] if its cost is out of range
    /// or takes more memory than there is.
    pub fn open(&self, passphrase: &Passphrase) -> Result<RootKey, SealedRootError> {
        let id = self.root()?;
        let both = (&*self.salt, &*self.wrapped);
        let root =
            under_passphrase::open(passphrase, &self.kdf, &associated(self.version, id), both)?;
        RootKey::from_bytes(root.expose())
            .filter(|root| root.id() == id)
            .ok_or(SealedRootError::NotASealedRoot)
    }

    /// Which root key is in it.
    ///
    /// # Errors
    ///
    /// [`SealedRootError::NotASealedRoot`] if it does not say.
    pub fn root(&self) -> Result<RootId, SealedRootError> {
        self.root
            .parse()
            .map_err(|_| SealedRootError::NotASealedRoot)
    }

    /// Reads it from a file of mode 0600.
    ///
    /// # Errors
    ///
    /// [`SealedRootError::File`]; [`SealedRootError::NotASealedRoot`] or [`SealedRootError::NewerFormat`] if something
    /// else stands there.
    pub fn read(path: &Path) -> Result<Self, SealedRootError> {
        let file = read_secret_file(path)?;
        Ok(form::read_up_to(file.expose(), BOUND.into())?)
    }

    /// Writes it to a new file of mode 0600.
    ///
    /// # Errors
    ///
    /// [`SealedRootError::File`] if there is one already or it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), SealedRootError> {
        Ok(write_secret_file(path, &form::write(self))?)
    }

    /// Writes it in place of another: at any moment either the old or the new one is there. For a new passphrase.
    ///
    /// # Errors
    ///
    /// [`SealedRootError::File`].
    pub fn replace(&self, path: &Path) -> Result<(), SealedRootError> {
        Ok(replace_secret_file(path, &form::write(self))?)
    }
}

impl From<NotOfForm> for SealedRootError {
    fn from(fault: NotOfForm) -> Self {
        match fault {
            NotOfForm::Malformed(_) => Self::NotASealedRoot,
            NotOfForm::OtherVersion(found) => Self::NewerFormat { found },
        }
    }
}

impl From<SealFault> for SealedRootError {
    fn from(fault: SealFault) -> Self {
        match fault {
            SealFault::Kdf(error) => Self::Kdf(error),
            SealFault::Provider(failure) => Self::Provider(failure),
        }
    }
}

impl From<OpenFault> for SealedRootError {
    fn from(fault: OpenFault) -> Self {
        match fault {
            OpenFault::Form => Self::NotASealedRoot,
            OpenFault::Kdf(error) => Self::Kdf(error),
            OpenFault::WrongPassphrase => Self::WrongPassphrase,
        }
    }
}

fn associated(version: u8, root: RootId) -> Vec<u8> {
    let form = format!("keyledger-root-sealed-v{version}");
    [form.as_bytes(), &root.0].concat()
}
