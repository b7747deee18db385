//! Passphrases, typed or read from a file.

use std::path::Path;

use zeroize::Zeroizing;

use crate::{file::read_credential_file, file_error::SecretFileError};

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

/// The fewest characters of a passphrase: the minimum of NIST SP 800-63B §5.1.1.2 for a memorised secret.
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
    /// The passphrase file is not text: write the passphrase into it as UTF-8.
    #[error("the passphrase file is not UTF-8 text")]
    NotText,
    /// The passphrase file could not be read: the source says what to do.
    #[error("reading the passphrase file")]
    File(#[from] SecretFileError),
}

impl Passphrase {
    /// Takes `text` as it is, with all spaces.
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

    /// Reads it from a file of mode 0600, 0400 or 0440 (as systemd's `LoadCredential=` makes it). One newline at the end is left out.
    ///
    /// # Errors
    ///
    /// [`PassphraseError::File`] if the file cannot be read, or if other users can read it too; [`PassphraseError::NotText`] and
    /// [`PassphraseError::TooShort`] for its content.
    pub fn from_file(path: &Path) -> Result<Self, PassphraseError> {
        let bytes = read_credential_file(path)?;
        let text = std::str::from_utf8(bytes.expose()).map_err(|_| PassphraseError::NotText)?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        Self::new(text.strip_suffix('\r').unwrap_or(text).to_owned())
    }

    /// The bytes themselves. The caller is responsible for what happens to them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}
