//! Bytes that cannot be printed, copied or serialised, and wipe themselves.

use std::path::Path;

use zeroize::{Zeroize, Zeroizing};

use crate::{
    ProviderFailure,
    file::{SecretFileError, read_credential_file},
};

/// Secret bytes.
///
/// They are wiped when dropped. There is no way to print, clone or serialise them by accident:
///
/// ```
/// let secret = keyledger_custody::Secret::new(b"hunter2hunter2".to_vec());
/// assert_eq!(secret.expose().len(), 14);
/// ```
/// ```compile_fail,E0277
/// let secret = keyledger_custody::Secret::new(b"hunter2hunter2".to_vec());
/// println!("{secret:?}");
/// ```
/// ```compile_fail,E0277
/// let secret = keyledger_custody::Secret::new(b"hunter2hunter2".to_vec());
/// println!("{secret}");
/// ```
/// ```compile_fail,E0599
/// let secret = keyledger_custody::Secret::new(b"hunter2hunter2".to_vec());
/// let copy = secret.clone();
/// ```
#[expect(
    missing_debug_implementations,
    reason = "a secret is never printed, not even redacted"
)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes `bytes` over: they are wiped when this is dropped.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A copy of `bytes`, whose owner wipes the original.
    pub(crate) fn copy_of(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec())
    }

    /// `N` random bytes of the system.
    pub(crate) fn random(length: usize) -> Result<Self, ProviderFailure> {
        let mut bytes = Zeroizing::new(vec![0; length]);
        aws_lc_rs::rand::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The bytes themselves: whoever calls this answers for what becomes of them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// A passphrase: its exact UTF-8 bytes count, so `é` typed in two ways is two passphrases.
///
/// ```compile_fail,E0277
/// let passphrase = keyledger_custody::Passphrase::new("correct horse".to_owned()).unwrap();
/// println!("{passphrase:?}");
/// ```
#[expect(
    missing_debug_implementations,
    reason = "a secret is never printed, not even redacted"
)]
pub struct Passphrase(Zeroizing<String>);

/// The fewest characters of a passphrase: NIST SP 800-63B §5.1.1.2's least for a memorised secret.
const MIN_PASSPHRASE_CHARS: usize = 8;

/// Why a text is not a passphrase.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PassphraseError {
    /// It is too short: choose a longer one; five random words are good.
    #[error(
        "a passphrase has at least {MIN_PASSPHRASE_CHARS} characters; five random words are good"
    )]
    TooShort,
    /// The file it should stand in is not text: write the passphrase into it as UTF-8.
    #[error("the passphrase file is not UTF-8 text")]
    NotText,
    /// The file it should stand in could not be read: the source says what to do.
    #[error("reading the passphrase file")]
    File(#[from] SecretFileError),
}

impl Passphrase {
    /// Takes `text` over as it is, spaces and all.
    ///
    /// # Errors
    ///
    /// [`PassphraseError::TooShort`] if it has fewer than 8 characters.
    pub fn new(text: String) -> Result<Self, PassphraseError> {
        let text = Zeroizing::new(text);
        if text.chars().count() < MIN_PASSPHRASE_CHARS {
            return Err(PassphraseError::TooShort);
        }
        Ok(Self(text))
    }

    /// Reads it from a file of mode 0600, 0400 or 0440 (as systemd's `LoadCredential=` makes it), less one newline at the end.
    ///
    /// # Errors
    ///
    /// [`PassphraseError::File`] if the file cannot be read or others can read it too,
    /// [`PassphraseError::NotText`] and [`PassphraseError::TooShort`] of what stands in it.
    pub fn from_file(path: &Path) -> Result<Self, PassphraseError> {
        let bytes = read_credential_file(path)?;
        let text = std::str::from_utf8(bytes.expose()).map_err(|_| PassphraseError::NotText)?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        Self::new(text.strip_suffix('\r').unwrap_or(text).to_owned())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// A key of 32 bytes that is wiped when dropped; not for export.
pub(crate) type Key32 = Zeroizing<[u8; 32]>;

/// `bytes` as a key, if there are 32.
pub(crate) fn key32(bytes: &[u8]) -> Option<Key32> {
    let mut key = Key32::default();
    if bytes.len() != key.len() {
        key.zeroize();
        return None;
    }
    key.copy_from_slice(bytes);
    Some(key)
}
