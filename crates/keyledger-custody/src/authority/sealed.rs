//! An authority's key in a sealed file.

use data_encoding::BASE64;

use super::key::AuthorityKey;
use crate::{
    argon2id::KdfCost,
    passphrase::Passphrase,
    sealed_file::{Holds, SealedFile, SealedFileError},
};

/// What is asked for, in words.
const WANTED: &str = "key of an authority";

impl SealedFile {
    /// Seals the key of an authority.
    ///
    /// # Errors
    ///
    /// As [`of_root_key`](Self::of_root_key).
    pub fn of_authority_key(
        key: &AuthorityKey,
        passphrase: &Passphrase,
        cost: KdfCost,
    ) -> Result<Self, SealedFileError> {
        let holds = Holds::AuthorityKey {
            algorithm: key.algorithm(),
            public_key: BASE64.encode(key.public_key()).into(),
        };
        Self::seal(holds, key.pkcs8(), passphrase, cost)
    }

    /// Opens the key of an authority.
    ///
    /// # Errors
    ///
    /// As [`open_root_key`](Self::open_root_key).
    pub fn open_authority_key(
        &self,
        passphrase: &Passphrase,
    ) -> Result<AuthorityKey, SealedFileError> {
        let Holds::AuthorityKey { algorithm, .. } = self.holds() else {
            return Err(self.holds_no(WANTED));
        };
        let public_key = self.authority_public_key()?;
        let pkcs8 = self.open(passphrase)?;
        AuthorityKey::from_pkcs8(*algorithm, pkcs8)
            .filter(|key| key.public_key() == public_key)
            .ok_or(SealedFileError::NotASealedFile)
    }

    /// The public half of the authority's key in it, as a `SubjectPublicKeyInfo` in DER: to be seen without the passphrase, and only
    /// believed once it opened.
    ///
    /// # Errors
    ///
    /// [`SealedFileError::OtherContent`] if it holds something else, [`SealedFileError::NotASealedFile`] if it does not say.
    pub fn authority_public_key(&self) -> Result<Vec<u8>, SealedFileError> {
        let Holds::AuthorityKey { public_key, .. } = self.holds() else {
            return Err(self.holds_no(WANTED));
        };
        BASE64
            .decode(public_key.as_bytes())
            .map_err(|_| SealedFileError::NotASealedFile)
    }
}
