//! Sealed files of OpenPGP: certify keys, revocation certificates, escrowed decryption keys.

use std::path::Path;

use keyledger_domain::{
    Timestamp,
    form::{self, NotOfForm},
};
use serde::{Deserialize, Serialize};

use super::{
    certify_key::{CertifyKey, NewCertifyKey},
    escrow::EscrowedKey,
    fingerprint::Fingerprint,
    time,
};
use crate::{
    ProviderFailure,
    argon2id::{KdfCost, KdfError},
    file::{read_secret_file, replace_secret_file, write_secret_file},
    file_error::SecretFileError,
    passphrase::Passphrase,
    secret::Secret,
    under_passphrase::{self, OpenFault, SealFault},
};

/// Something secret of OpenPGP, sealed under a passphrase as [`SealedRoot`](crate::SealedRoot) seals a root key.
///
/// ```json
/// { "version": 1, "kind": "certify_key", "fingerprint": "40 hex digits", "created": "2026-11-25T10:00:00.000Z",
///   "kdf": { "name": "argon2id", "memory_kib": 262144, "passes": 3, "lanes": 4 },
///   "salt": "base64, 16 bytes", "wrapped": "base64: nonce (12), ciphertext, tag (16)" }
/// ```
///
/// The associated data are `keyledger-openpgp-sealed-v1`, the kind, the fingerprint and the time: what is written outside
/// is what is inside, or it does not open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedKey {
    version: u8,
    kind: SealedKind,
    fingerprint: Fingerprint,
    created: Timestamp,
    kdf: KdfCost,
    salt: Box<str>,
    wrapped: Box<str>,
}

/// What is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SealedKind {
    /// A [`CertifyKey`]; the fingerprint is the certificate's.
    CertifyKey,
    /// A revocation of a whole certificate, made at its birth; the fingerprint is the certificate's.
    Revocation,
    /// An [`EscrowedKey`]; the fingerprint is the subkey's.
    EscrowedKey,
}

impl SealedKind {
    /// Its name in words.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::CertifyKey => "certify key",
            Self::Revocation => "revocation certificate",
            Self::EscrowedKey => "escrowed decryption key",
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::CertifyKey => "certify_key",
            Self::Revocation => "revocation",
            Self::EscrowedKey => "escrowed_key",
        }
    }
}

/// Why something was not sealed, or not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealedKeyError {
    /// The passphrase is wrong; or, which nobody can tell apart, the file was changed: try again, or take a backup.
    #[error("the passphrase is wrong, or the sealed file was changed")]
    WrongPassphrase,
    /// It is no sealed file of OpenPGP: look at the path.
    #[error("it is no sealed OpenPGP key")]
    NotASealedKey,
    /// It is something else: look at the path.
    #[error("it is a sealed {}, not a {}", found.in_words(), wanted.in_words())]
    OtherKind {
        /// What it is.
        found: SealedKind,
        /// What it should be.
        wanted: SealedKind,
    },
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

impl SealedKey {
    /// Seals a certify key. Blocks for about a second at the usual cost, as does everything here that takes a passphrase.
    ///
    /// # Errors
    ///
    /// [`SealedKeyError::Kdf`], [`SealedKeyError::Provider`].
    pub fn certify_key(
        key: &CertifyKey,
        passphrase: &Passphrase,
        cost: KdfCost,
    ) -> Result<Self, SealedKeyError> {
        let head = (SealedKind::CertifyKey, key.fingerprint(), key.created());
        Self::seal(head, key.seed(), passphrase, cost)
    }

    /// Seals the revocation certificate of a new certify key.
    ///
    /// # Errors
    ///
    /// As [`certify_key`](Self::certify_key).
    pub fn revocation(
        made: &NewCertifyKey,
        passphrase: &Passphrase,
        cost: KdfCost,
    ) -> Result<Self, SealedKeyError> {
        let key = &made.key;
        let head = (SealedKind::Revocation, key.fingerprint(), key.created());
        Self::seal(head, made.revocation.expose(), passphrase, cost)
    }

    /// Seals an escrowed decryption key.
    ///
    /// # Errors
    ///
    /// As [`certify_key`](Self::certify_key).
    pub fn escrowed_key(
        key: &EscrowedKey,
        passphrase: &Passphrase,
        cost: KdfCost,
    ) -> Result<Self, SealedKeyError> {
        let head = (SealedKind::EscrowedKey, key.fingerprint(), key.created());
        Self::seal(head, key.secret(), passphrase, cost)
    }

    /// Opens a certify key.
    ///
    /// # Errors
    ///
    /// [`SealedKeyError::OtherKind`], [`SealedKeyError::WrongPassphrase`], [`SealedKeyError::NotASealedKey`],
    /// [`SealedKeyError::Kdf`].
    pub fn open_certify_key(&self, passphrase: &Passphrase) -> Result<CertifyKey, SealedKeyError> {
        let seed = self.open(SealedKind::CertifyKey, passphrase)?;
        let created = time::to_pgp(self.created).map_err(|_| SealedKeyError::NotASealedKey)?;
        CertifyKey::from_seed(seed.expose(), created)
            .filter(|key| key.fingerprint() == self.fingerprint)
            .ok_or(SealedKeyError::NotASealedKey)
    }

    /// Opens a revocation certificate: armored, for `gpg --import` and whoever has the certificate.
    ///
    /// # Errors
    ///
    /// As [`open_certify_key`](Self::open_certify_key).
    pub fn open_revocation(&self, passphrase: &Passphrase) -> Result<Secret, SealedKeyError> {
        self.open(SealedKind::Revocation, passphrase)
    }

    /// Opens an escrowed decryption key.
    ///
    /// # Errors
    ///
    /// As [`open_certify_key`](Self::open_certify_key).
    pub fn open_escrowed_key(
        &self,
        passphrase: &Passphrase,
    ) -> Result<EscrowedKey, SealedKeyError> {
        let secret = self.open(SealedKind::EscrowedKey, passphrase)?;
        EscrowedKey::from_secret(secret.expose(), self.created)
            .filter(|key| key.fingerprint() == self.fingerprint)
            .ok_or(SealedKeyError::NotASealedKey)
    }

    /// The same under a new passphrase. What is under the old one stays good until every copy of it is gone.
    ///
    /// # Errors
    ///
    /// As [`open_certify_key`](Self::open_certify_key).
    pub fn resealed(
        &self,
        passphrase: &Passphrase,
        new: &Passphrase,
        cost: KdfCost,
    ) -> Result<Self, SealedKeyError> {
        let secret = self.open(self.kind, passphrase)?;
        let head = (self.kind, self.fingerprint, self.created);
        Self::seal(head, secret.expose(), new, cost)
    }

    /// What is in it.
    #[must_use]
    pub const fn kind(&self) -> SealedKind {
        self.kind
    }

    /// Whose it is: see [`SealedKind`].
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Reads it from a file of mode 0600 or 0400.
    ///
    /// # Errors
    ///
    /// [`SealedKeyError::File`] if it cannot be read or others can read it too; [`SealedKeyError::NotASealedKey`],
    /// [`SealedKeyError::NewerFormat`] if something else stands there.
    pub fn read(path: &Path) -> Result<Self, SealedKeyError> {
        Self::from_json(read_secret_file(path)?.expose())
    }

    /// Reads it from the JSON that a file holds.
    ///
    /// # Errors
    ///
    /// [`SealedKeyError::NotASealedKey`], [`SealedKeyError::NewerFormat`].
    pub fn from_json(json: &[u8]) -> Result<Self, SealedKeyError> {
        Ok(form::read(json)?)
    }

    /// Writes it to a new file of mode 0600.
    ///
    /// # Errors
    ///
    /// [`SealedKeyError::File`] if there is one already or it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), SealedKeyError> {
        Ok(write_secret_file(path, &self.to_json())?)
    }

    /// Writes it in place of another: at any moment either the old or the new one is there. For a new passphrase.
    ///
    /// # Errors
    ///
    /// [`SealedKeyError::File`].
    pub fn replace(&self, path: &Path) -> Result<(), SealedKeyError> {
        Ok(replace_secret_file(path, &self.to_json())?)
    }

    /// As it stands in a file; there is nothing secret in it without the passphrase.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        form::write(self)
    }

    fn seal(
        (kind, fingerprint, created): (SealedKind, Fingerprint, Timestamp),
        secret: &[u8],
        passphrase: &Passphrase,
        cost: KdfCost,
    ) -> Result<Self, SealedKeyError> {
        let associated = associated(kind, fingerprint, created);
        let sealed = under_passphrase::seal(passphrase, &cost, &associated, secret)?;
        Ok(Self {
            version: 1,
            kind,
            fingerprint,
            created,
            kdf: cost,
            salt: sealed.salt,
            wrapped: sealed.wrapped,
        })
    }

    fn open(&self, wanted: SealedKind, passphrase: &Passphrase) -> Result<Secret, SealedKeyError> {
        if self.kind != wanted {
            let found = self.kind;
            return Err(SealedKeyError::OtherKind { found, wanted });
        }
        let associated = associated(self.kind, self.fingerprint, self.created);
        let both = (&*self.salt, &*self.wrapped);
        Ok(under_passphrase::open(
            passphrase,
            &self.kdf,
            &associated,
            both,
        )?)
    }
}

impl From<NotOfForm> for SealedKeyError {
    fn from(fault: NotOfForm) -> Self {
        match fault {
            NotOfForm::Malformed(_) => Self::NotASealedKey,
            NotOfForm::OtherVersion(found) => Self::NewerFormat { found },
        }
    }
}

impl From<SealFault> for SealedKeyError {
    fn from(fault: SealFault) -> Self {
        match fault {
            SealFault::Kdf(source) => Self::Kdf(source),
            SealFault::Provider(failure) => Self::Provider(failure),
        }
    }
}

impl From<OpenFault> for SealedKeyError {
    fn from(fault: OpenFault) -> Self {
        match fault {
            OpenFault::Form => Self::NotASealedKey,
            OpenFault::Kdf(source) => Self::Kdf(source),
            OpenFault::WrongPassphrase => Self::WrongPassphrase,
        }
    }
}

fn associated(kind: SealedKind, fingerprint: Fingerprint, created: Timestamp) -> Vec<u8> {
    let head = format!("keyledger-openpgp-sealed-v1|{}|", kind.as_str());
    let time = created.ms().to_be_bytes();
    [head.as_bytes(), fingerprint.as_bytes(), &time].concat()
}
