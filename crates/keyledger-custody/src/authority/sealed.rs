//! The sealed file of an authority's key.

use std::path::Path;

use data_encoding::BASE64;
use keyledger_domain::{
    Algorithm,
    form::{self, NotOfForm},
};
use serde::{Deserialize, Serialize};

use super::key::AuthorityKey;
use crate::{
    ProviderFailure,
    argon2id::{KdfCost, KdfError},
    file::{read_secret_file, replace_secret_file, write_secret_file},
    file_error::SecretFileError,
    passphrase::Passphrase,
    under_passphrase::{self, OpenFault, SealFault},
};

/// An authority's key, sealed under a passphrase as [`SealedRoot`](crate::SealedRoot) seals a root key.
///
/// ```json
/// { "version": 1, "kind": "authority_key", "algorithm": "p-384", "public_key": "base64 of the SubjectPublicKeyInfo",
///   "kdf": { "name": "argon2id", "memory_kib": 262144, "passes": 3, "lanes": 4 },
///   "salt": "base64, 16 bytes", "wrapped": "base64: nonce (12), ciphertext, tag (16)" }
/// ```
///
/// The associated data are `keyledger-authority-sealed-v1`, the algorithm and the public key: what is written outside is
/// what is inside, or it does not open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedAuthority {
    version: u8,
    kind: Kind,
    algorithm: Algorithm,
    public_key: Box<str>,
    kdf: KdfCost,
    salt: Box<str>,
    wrapped: Box<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    AuthorityKey,
}

/// Why an authority's key was not sealed, or not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealedAuthorityError {
    /// The passphrase is wrong; or, which nobody can tell apart, the file was changed: try again, or take a backup.
    #[error("the passphrase is wrong, or the sealed file was changed")]
    WrongPassphrase,
    /// It is no sealed file of an authority's key: look at the path.
    #[error("it is no sealed key of an authority, as `keyledger offline ca-init` makes one")]
    NotASealedAuthority,
    /// A newer Keyledger sealed it: upgrade this one.
    #[error("it is sealed in format {found}, and this version of Keyledger reads format 1")]
    NewerFormat {
        /// The format it is sealed in.
        found: u64,
    },
    /// Argon2id: its cost is out of range, or the memory is not to be had. The source says which.
    #[error("deriving a key from the passphrase")]
    Kdf(#[source] KdfError),
    /// The file could not be read or written: the source says why.
    #[error("the sealed file")]
    File(#[from] SecretFileError),
    /// See [`ProviderFailure`].
    #[error(transparent)]
    Provider(#[from] ProviderFailure),
}

impl SealedAuthority {
    /// Seals a key. Blocks for about a second at the usual cost, as [`open`](Self::open) does.
    ///
    /// # Errors
    ///
    /// [`SealedAuthorityError::Kdf`], [`SealedAuthorityError::Provider`].
    pub fn seal(
        key: &AuthorityKey,
        passphrase: &Passphrase,
        cost: KdfCost,
    ) -> Result<Self, SealedAuthorityError> {
        let associated = associated(key.algorithm(), key.public_key());
        let sealed = under_passphrase::seal(passphrase, &cost, &associated, key.pkcs8())?;
        Ok(Self {
            version: 1,
            kind: Kind::AuthorityKey,
            algorithm: key.algorithm(),
            public_key: BASE64.encode(key.public_key()).into(),
            kdf: cost,
            salt: sealed.salt,
            wrapped: sealed.wrapped,
        })
    }

    /// Opens the key.
    ///
    /// # Errors
    ///
    /// [`SealedAuthorityError::WrongPassphrase`] if it is wrong or the file was changed;
    /// [`SealedAuthorityError::NotASealedAuthority`] if it cannot have been made here; [`SealedAuthorityError::Kdf`].
    pub fn open(&self, passphrase: &Passphrase) -> Result<AuthorityKey, SealedAuthorityError> {
        let public_key = self.public_key()?;
        let associated = associated(self.algorithm, &public_key);
        let both = (&*self.salt, &*self.wrapped);
        let pkcs8 = under_passphrase::open(passphrase, &self.kdf, &associated, both)?;
        AuthorityKey::from_pkcs8(self.algorithm, pkcs8)
            .filter(|key| key.public_key() == public_key)
            .ok_or(SealedAuthorityError::NotASealedAuthority)
    }

    /// The same under a new passphrase. What is under the old one stays good until every copy of it is gone.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn resealed(
        &self,
        passphrase: &Passphrase,
        new: &Passphrase,
        cost: KdfCost,
    ) -> Result<Self, SealedAuthorityError> {
        Self::seal(&self.open(passphrase)?, new, cost)
    }

    /// The public half of what is in it, as a `SubjectPublicKeyInfo` in DER: to be seen without the passphrase, and only
    /// believed once it opened.
    ///
    /// # Errors
    ///
    /// [`SealedAuthorityError::NotASealedAuthority`] if it does not say.
    pub fn public_key(&self) -> Result<Vec<u8>, SealedAuthorityError> {
        BASE64
            .decode(self.public_key.as_bytes())
            .map_err(|_| SealedAuthorityError::NotASealedAuthority)
    }

    /// Reads it from a file of mode 0600 or 0400.
    ///
    /// # Errors
    ///
    /// [`SealedAuthorityError::File`] if it cannot be read or others can read it too;
    /// [`SealedAuthorityError::NotASealedAuthority`], [`SealedAuthorityError::NewerFormat`] if something else stands there.
    pub fn read(path: &Path) -> Result<Self, SealedAuthorityError> {
        Self::from_json(read_secret_file(path)?.expose())
    }

    /// Reads it from the JSON that a file holds.
    ///
    /// # Errors
    ///
    /// [`SealedAuthorityError::NotASealedAuthority`], [`SealedAuthorityError::NewerFormat`].
    pub fn from_json(json: &[u8]) -> Result<Self, SealedAuthorityError> {
        Ok(form::read(json)?)
    }

    /// Writes it to a new file of mode 0600.
    ///
    /// # Errors
    ///
    /// [`SealedAuthorityError::File`] if there is one already or it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), SealedAuthorityError> {
        Ok(write_secret_file(path, &self.to_json())?)
    }

    /// Writes it in place of another: at any moment either the old or the new one is there. For a new passphrase.
    ///
    /// # Errors
    ///
    /// [`SealedAuthorityError::File`].
    pub fn replace(&self, path: &Path) -> Result<(), SealedAuthorityError> {
        Ok(replace_secret_file(path, &self.to_json())?)
    }

    /// As it stands in a file; there is nothing secret in it without the passphrase.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        form::write(self)
    }
}

fn associated(algorithm: Algorithm, public_key: &[u8]) -> Vec<u8> {
    let head = format!("keyledger-authority-sealed-v1|{algorithm}|");
    [head.as_bytes(), public_key].concat()
}

impl From<NotOfForm> for SealedAuthorityError {
    fn from(fault: NotOfForm) -> Self {
        match fault {
            NotOfForm::Malformed(_) => Self::NotASealedAuthority,
            NotOfForm::OtherVersion(found) => Self::NewerFormat { found },
        }
    }
}

impl From<SealFault> for SealedAuthorityError {
    fn from(fault: SealFault) -> Self {
        match fault {
            SealFault::Kdf(source) => Self::Kdf(source),
            SealFault::Provider(failure) => Self::Provider(failure),
        }
    }
}

impl From<OpenFault> for SealedAuthorityError {
    fn from(fault: OpenFault) -> Self {
        match fault {
            OpenFault::Form => Self::NotASealedAuthority,
            OpenFault::Kdf(source) => Self::Kdf(source),
            OpenFault::WrongPassphrase => Self::WrongPassphrase,
        }
    }
}
