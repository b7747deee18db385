//! Files that hold one secret, sealed under a passphrase.

use std::path::Path;

use keyledger_domain::{
    Algorithm, Timestamp,
    form::{self, NotOfForm},
};
use serde::{Deserialize, Serialize};

use crate::{
    ProviderFailure,
    argon2id::{KdfCost, KdfError},
    file::{read_secret_file, replace_secret_file, write_secret_file},
    file_error::SecretFileError,
    openpgp::fingerprint::Fingerprint,
    passphrase::Passphrase,
    root::{RootId, RootKey},
    secret::Secret,
    under_passphrase::{self, OpenFault, SealFault},
};

/// A secret sealed under a passphrase, as it is stored in a file. There is one format for all that is sealed so; what the file
/// [holds](Holds) it says itself.
///
/// ```json
/// { "format": "keyledger-sealed", "version": 1, "holds": { "root_key": { "id": "16 hex digits" } },
///   "kdf": { "name": "argon2id", "memory_kib": 262144, "passes": 3, "lanes": 4 },
///   "salt": "base64, 16 bytes", "wrapped": "base64: nonce (12), ciphertext, tag (16)" }
/// ```
///
/// Argon2id 1.3 (RFC 9106) makes an AES-256-GCM key of the passphrase. The associated data are `keyledger-sealed-v1`, a line feed,
/// and what the file holds as JSON without spaces: what is written outside is what is inside, or it does not open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedFile {
    format: Format,
    version: u8,
    holds: Holds,
    kdf: KdfCost,
    salt: Box<str>,
    wrapped: Box<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Format {
    #[serde(rename = "keyledger-sealed")]
    Sealed,
}

/// What a sealed file holds: to be seen without the passphrase, and only believed once it opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Holds {
    /// A root key. The organisation's file that stands beside it is authentic under it.
    RootKey {
        /// Which root key.
        id: RootId,
    },
    /// The key of a certificate authority.
    AuthorityKey {
        /// Its algorithm.
        algorithm: Algorithm,
        /// Its public half: a `SubjectPublicKeyInfo` in base64 of DER.
        public_key: Box<str>,
    },
    /// A certify key of OpenPGP.
    CertifyKey {
        /// The fingerprint of its certificate.
        fingerprint: Fingerprint,
        /// When it was made.
        created: Timestamp,
    },
    /// A revocation of a whole OpenPGP certificate, made at its birth.
    Revocation {
        /// The fingerprint of the certificate.
        fingerprint: Fingerprint,
        /// When the certificate was made.
        created: Timestamp,
    },
    /// A decryption key of OpenPGP that was made in custody.
    EscrowedKey {
        /// The fingerprint of the subkey.
        fingerprint: Fingerprint,
        /// When it was made.
        created: Timestamp,
    },
}

/// What the field `version` says, and the form of the associated data.
const VERSION: u8 = 1;

impl Holds {
    /// What it is, in words.
    #[must_use]
    pub const fn in_words(&self) -> &'static str {
        match self {
            Self::RootKey { .. } => "root key",
            Self::AuthorityKey { .. } => "key of an authority",
            Self::CertifyKey { .. } => "certify key",
            Self::Revocation { .. } => "revocation certificate",
            Self::EscrowedKey { .. } => "escrowed decryption key",
        }
    }

    /// Its name in JSON.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::RootKey { .. } => "root_key",
            Self::AuthorityKey { .. } => "authority_key",
            Self::CertifyKey { .. } => "certify_key",
            Self::Revocation { .. } => "revocation",
            Self::EscrowedKey { .. } => "escrowed_key",
        }
    }

    /// Whose it is, of what is OpenPGP's.
    #[must_use]
    pub const fn fingerprint(&self) -> Option<Fingerprint> {
        match self {
            Self::CertifyKey { fingerprint, .. }
            | Self::Revocation { fingerprint, .. }
            | Self::EscrowedKey { fingerprint, .. } => Some(*fingerprint),
            Self::RootKey { .. } | Self::AuthorityKey { .. } => None,
        }
    }

    fn associated(&self) -> Vec<u8> {
        let mut bytes = format!("keyledger-sealed-v{VERSION}\n").into_bytes();
        serde_json::to_writer(&mut bytes, self).expect("texts and numbers are always JSON");
        bytes
    }
}

/// Why something was not sealed, or not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealedFileError {
    /// The passphrase is wrong; or, which nobody can tell apart, the file was changed: try again, or restore the file from its
    /// backup.
    #[error("the passphrase is wrong, or the sealed file was changed")]
    WrongPassphrase,
    /// It is no sealed file: look at the path, or restore the file from its backup.
    #[error("it is no sealed file of Keyledger")]
    NotASealedFile,
    /// It holds something else: look at the path.
    #[error("it holds a {found}, and a {wanted} is asked for")]
    OtherContent {
        /// What it holds, in words.
        found: &'static str,
        /// What it should hold, in words.
        wanted: &'static str,
    },
    /// A newer Keyledger sealed it: upgrade this one.
    #[error("it is sealed in format {found}, and this version of Keyledger reads format {VERSION}")]
    NewerFormat {
        /// The format it is sealed in.
        found: u64,
    },
    /// See [`KdfError`].
    #[error(transparent)]
    Kdf(#[from] KdfError),
    /// The file could not be read or written: the source says why.
    #[error("the sealed file")]
    File(#[from] SecretFileError),
    /// See [`ProviderFailure`].
    #[error(transparent)]
    Provider(#[from] ProviderFailure),
}

impl SealedFile {
    /// Seals a root key. Blocks for about a second at the usual cost, as does everything here that takes a passphrase.
    ///
    /// The root key itself is random, so that the passphrase can be changed without touching what the root key seals.
    ///
    /// # Errors
    ///
    /// [`SealedFileError::Kdf`], [`SealedFileError::Provider`].
    pub fn of_root_key(
        root: &RootKey,
        passphrase: &Passphrase,
        cost: KdfCost,
    ) -> Result<Self, SealedFileError> {
        let holds = Holds::RootKey { id: root.id() };
        Self::seal(holds, root.expose(), passphrase, cost)
    }

    /// Opens a root key.
    ///
    /// # Errors
    ///
    /// [`SealedFileError::OtherContent`] if it holds something else; [`SealedFileError::WrongPassphrase`] if the passphrase is wrong
    /// or the file was changed; [`SealedFileError::NotASealedFile`] if it cannot have been made here; [`SealedFileError::Kdf`].
    pub fn open_root_key(&self, passphrase: &Passphrase) -> Result<RootKey, SealedFileError> {
        let Holds::RootKey { id } = self.holds else {
            return Err(self.holds_no("root key"));
        };
        let root = self.open(passphrase)?;
        RootKey::from_bytes(root.expose())
            .filter(|root| root.id() == id)
            .ok_or(SealedFileError::NotASealedFile)
    }

    /// The same under a new passphrase. What is under the old one stays good until every copy of it is gone.
    ///
    /// # Errors
    ///
    /// As [`open_root_key`](Self::open_root_key).
    pub fn resealed(
        &self,
        passphrase: &Passphrase,
        new: &Passphrase,
        cost: KdfCost,
    ) -> Result<Self, SealedFileError> {
        let secret = self.open(passphrase)?;
        Self::seal(self.holds.clone(), secret.expose(), new, cost)
    }

    /// What it holds.
    #[must_use]
    pub const fn holds(&self) -> &Holds {
        &self.holds
    }

    /// Reads it from a file of mode 0600 or 0400.
    ///
    /// # Errors
    ///
    /// [`SealedFileError::File`] if it cannot be read or others can read it too; [`SealedFileError::NotASealedFile`],
    /// [`SealedFileError::NewerFormat`] if something else stands there.
    pub fn read(path: &Path) -> Result<Self, SealedFileError> {
        Self::from_json(read_secret_file(path)?.expose())
    }

    /// Reads it from the JSON that a file holds.
    ///
    /// # Errors
    ///
    /// [`SealedFileError::NotASealedFile`], [`SealedFileError::NewerFormat`].
    pub fn from_json(json: &[u8]) -> Result<Self, SealedFileError> {
        form::read(json).map_err(|fault| match fault {
            NotOfForm::Malformed(_) => SealedFileError::NotASealedFile,
            NotOfForm::OtherVersion(found) => SealedFileError::NewerFormat { found },
        })
    }

    /// Writes it to a new file of mode 0600.
    ///
    /// # Errors
    ///
    /// [`SealedFileError::File`] if there is one already or it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), SealedFileError> {
        Ok(write_secret_file(path, &self.to_json())?)
    }

    /// Writes it in place of another: at any moment either the old or the new one is there. For a new passphrase.
    ///
    /// # Errors
    ///
    /// [`SealedFileError::File`].
    pub fn replace(&self, path: &Path) -> Result<(), SealedFileError> {
        Ok(replace_secret_file(path, &self.to_json())?)
    }

    /// As it stands in a file; there is nothing secret in it without the passphrase.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        form::write(self)
    }

    pub(crate) fn seal(
        holds: Holds,
        secret: &[u8],
        passphrase: &Passphrase,
        cost: KdfCost,
    ) -> Result<Self, SealedFileError> {
        let sealed = under_passphrase::seal(passphrase, &cost, &holds.associated(), secret)?;
        Ok(Self {
            format: Format::Sealed,
            version: VERSION,
            holds,
            kdf: cost,
            salt: sealed.salt,
            wrapped: sealed.wrapped,
        })
    }

    pub(crate) fn open(&self, passphrase: &Passphrase) -> Result<Secret, SealedFileError> {
        let both = (&*self.salt, &*self.wrapped);
        let associated = self.holds.associated();
        Ok(under_passphrase::open(
            passphrase,
            &self.kdf,
            &associated,
            both,
        )?)
    }

    /// Why it is not opened as something that it does not hold.
    pub(crate) const fn holds_no(&self, wanted: &'static str) -> SealedFileError {
        SealedFileError::OtherContent {
            found: self.holds.in_words(),
            wanted,
        }
    }
}

impl From<SealFault> for SealedFileError {
    fn from(fault: SealFault) -> Self {
        match fault {
            SealFault::Kdf(error) => Self::Kdf(error),
            SealFault::Provider(failure) => Self::Provider(failure),
        }
    }
}

impl From<OpenFault> for SealedFileError {
    fn from(fault: OpenFault) -> Self {
        match fault {
            OpenFault::Form => Self::NotASealedFile,
            OpenFault::Kdf(error) => Self::Kdf(error),
            OpenFault::WrongPassphrase => Self::WrongPassphrase,
        }
    }
}
