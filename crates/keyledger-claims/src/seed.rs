//! Seeds: secrets that are wiped when dropped and never shown.

use std::fmt;
use std::str::FromStr;

use nkeys::KeyPair;
use zeroize::Zeroizing;

use crate::nkey::{NkeyKind, PublicNkey, SEED_LENGTH};

/// A seed: everybody who has it has the key. It is wiped when dropped, and has no `Display`, `Serialize` or `Clone`.
pub struct Seed {
    text: Zeroizing<String>,
    public: PublicNkey,
}

impl Seed {
    /// Takes `text`, and wipes it if it is no seed.
    ///
    /// # Errors
    ///
    /// [`SeedError`] if it is no seed of a kind that NATS knows.
    pub fn new(text: Zeroizing<String>) -> Result<Self, SeedError> {
        if text.len() != SEED_LENGTH {
            return Err(SeedError::Length { found: text.len() });
        }
        let (_, raw) = nkeys::decode_seed(&text).map_err(|_| SeedError::Checksum)?;
        drop(Zeroizing::new(raw));
        let letter = text.chars().nth(1).ok_or(SeedError::UnknownKind)?;
        match NkeyKind::from_letter(letter) {
            None | Some(NkeyKind::Curve) => return Err(SeedError::UnknownKind),
            Some(_) => {}
        }
        let pair = KeyPair::from_seed(&text).map_err(|_| SeedError::Checksum)?;
        let public = pair
            .public_key()
            .parse()
            .map_err(|_| SeedError::UnknownKind)?;
        Ok(Self { text, public })
    }

    /// The public half.
    #[must_use]
    pub fn public_nkey(&self) -> &PublicNkey {
        &self.public
    }

    /// The secret itself. Copy it only to memory that is wiped.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// A key pair for signing. Drop it soon: it does not wipe its copy of the seed.
    #[must_use]
    pub fn key_pair(&self) -> KeyPair {
        KeyPair::from_seed(&self.text).expect("a seed was a good seed when it was made")
    }
}

impl FromStr for Seed {
    type Err = SeedError;

    fn from_str(text: &str) -> Result<Self, SeedError> {
        Self::new(Zeroizing::new(text.to_owned()))
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seed(of {})", self.public)
    }
}

/// Why a text is no seed. It never contains the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SeedError {
    /// Too short or too long: copy all of it.
    #[error("a seed has 58 letters and digits, this has {found}: copy all of it")]
    Length {
        /// Bytes found.
        found: usize,
    },
    /// A typing error: copy it again.
    #[error("not a seed: a letter is wrong; copy it again")]
    Checksum,
    /// It is a curve seed (`SX`), or of a kind that nats-server does not know.
    #[error("not a seed that signs: it begins with none of SO, SA, SU, SN, SC")]
    UnknownKind,
}
