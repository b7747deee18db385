//! What OpenPGP has in sealed files: certify keys, revocation certificates, escrowed decryption keys.

use super::{
    certify_key::{CertifyKey, NewCertifyKey},
    escrow::EscrowedKey,
    time,
};
use crate::{
    argon2id::KdfCost,
    passphrase::Passphrase,
    sealed_file::{Holds, SealedFile, SealedFileError},
    secret::Secret,
};

impl SealedFile {
    /// Seals a certify key.
    ///
    /// # Errors
    ///
    /// As [`of_root_key`](Self::of_root_key).
    pub fn of_certify_key(
        key: &CertifyKey,
        passphrase: &Passphrase,
        cost: KdfCost,
    ) -> Result<Self, SealedFileError> {
        let holds = Holds::CertifyKey {
            fingerprint: key.fingerprint(),
            created: key.created(),
        };
        Self::seal(holds, key.seed(), passphrase, cost)
    }

    /// Seals the revocation certificate of a new certify key.
    ///
    /// # Errors
    ///
    /// As [`of_root_key`](Self::of_root_key).
    pub fn of_revocation(
        made: &NewCertifyKey,
        passphrase: &Passphrase,
        cost: KdfCost,
    ) -> Result<Self, SealedFileError> {
        let holds = Holds::Revocation {
            fingerprint: made.key.fingerprint(),
            created: made.key.created(),
        };
        Self::seal(holds, made.revocation.expose(), passphrase, cost)
    }

    /// Seals an escrowed decryption key.
    ///
    /// # Errors
    ///
    /// As [`of_root_key`](Self::of_root_key).
    pub fn of_escrowed_key(
        key: &EscrowedKey,
        passphrase: &Passphrase,
        cost: KdfCost,
    ) -> Result<Self, SealedFileError> {
        let holds = Holds::EscrowedKey {
            fingerprint: key.fingerprint(),
            created: key.created(),
        };
        Self::seal(holds, key.secret(), passphrase, cost)
    }

    /// Opens a certify key.
    ///
    /// # Errors
    ///
    /// As [`open_root_key`](Self::open_root_key).
    pub fn open_certify_key(&self, passphrase: &Passphrase) -> Result<CertifyKey, SealedFileError> {
        let Holds::CertifyKey {
            fingerprint,
            created,
        } = *self.holds()
        else {
            return Err(self.holds_no("certify key"));
        };
        let seed = self.open(passphrase)?;
        let created = time::to_pgp(created).map_err(|_| SealedFileError::NotASealedFile)?;
        CertifyKey::from_seed(seed.expose(), created)
            .filter(|key| key.fingerprint() == fingerprint)
            .ok_or(SealedFileError::NotASealedFile)
    }

    /// Opens a revocation certificate: armored, for `gpg --import` and whoever has the certificate.
    ///
    /// # Errors
    ///
    /// As [`open_root_key`](Self::open_root_key).
    pub fn open_revocation(&self, passphrase: &Passphrase) -> Result<Secret, SealedFileError> {
        match self.holds() {
            Holds::Revocation { .. } => self.open(passphrase),
            Holds::RootKey { .. }
            | Holds::AuthorityKey { .. }
            | Holds::CertifyKey { .. }
            | Holds::EscrowedKey { .. } => Err(self.holds_no("revocation certificate")),
        }
    }

    /// Opens an escrowed decryption key.
    ///
    /// # Errors
    ///
    /// As [`open_root_key`](Self::open_root_key).
    pub fn open_escrowed_key(
        &self,
        passphrase: &Passphrase,
    ) -> Result<EscrowedKey, SealedFileError> {
        let Holds::EscrowedKey {
            fingerprint,
            created,
        } = *self.holds()
        else {
            return Err(self.holds_no("escrowed decryption key"));
        };
        let secret = self.open(passphrase)?;
        EscrowedKey::from_secret(secret.expose(), created)
            .filter(|key| key.fingerprint() == fingerprint)
            .ok_or(SealedFileError::NotASealedFile)
    }
}
