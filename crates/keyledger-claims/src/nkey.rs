//! Public nkeys: a letter for the kind, 32 bytes and a checksum, in base32.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The kind of a public nkey, which is its first letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NkeyKind {
    /// `O`: vouches for accounts.
    Operator,
    /// `A`: vouches for users.
    Account,
    /// `U`: connects.
    User,
    /// `N`: a nats-server.
    Server,
    /// `C`: a group of servers.
    Cluster,
    /// `X`: an X25519 key, for sealing.
    Curve,
}

impl NkeyKind {
    /// The kind that `letter` stands for, if nats-server knows one.
    #[must_use]
    pub fn from_letter(letter: char) -> Option<Self> {
        Some(match letter {
            'O' => Self::Operator,
            'A' => Self::Account,
            'U' => Self::User,
            'N' => Self::Server,
            'C' => Self::Cluster,
            'X' => Self::Curve,
            _ => return None,
        })
    }

    /// The letter that every public nkey of this kind begins with.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Operator => 'O',
            Self::Account => 'A',
            Self::User => 'U',
            Self::Server => 'N',
            Self::Cluster => 'C',
            Self::Curve => 'X',
        }
    }
}

impl fmt::Display for NkeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Operator => "operator",
            Self::Account => "account",
            Self::User => "user",
            Self::Server => "server",
            Self::Cluster => "cluster",
            Self::Curve => "curve",
        })
    }
}

/// A public nkey whose length, letter and checksum were checked.
///
/// Its 32 bytes may not be a point of the curve: only the verification of a signature shows that.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicNkey(String);

impl PublicNkey {
    /// Reads an nkey of this kind.
    ///
    /// # Errors
    ///
    /// [`NkeyError::WrongKind`] if it names something else, otherwise as [`FromStr`].
    pub fn parse_kind(text: &str, expected: NkeyKind) -> Result<Self, NkeyError> {
        let nkey: Self = text.parse()?;
        match nkey.kind() {
            found if found == expected => Ok(nkey),
            found => Err(NkeyError::WrongKind { expected, found }),
        }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> NkeyKind {
        self.0
            .chars()
            .next()
            .and_then(NkeyKind::from_letter)
            .expect("parsing let only known letters through")
    }

    /// The 56 letters and digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PublicNkey {
    type Err = NkeyError;

    fn from_str(text: &str) -> Result<Self, NkeyError> {
        if text.len() == SEED_LENGTH && text.starts_with('S') {
            return Err(NkeyError::Seed);
        }
        if text.len() != PUBLIC_LENGTH {
            return Err(NkeyError::Length { found: text.len() });
        }
        nkeys::from_public_key(text).map_err(|_| NkeyError::Checksum)?;
        text.chars()
            .next()
            .and_then(NkeyKind::from_letter)
            .ok_or(NkeyError::UnknownKind)?;
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for PublicNkey {
    type Error = NkeyError;

    fn try_from(text: String) -> Result<Self, NkeyError> {
        text.parse()
    }
}

impl From<PublicNkey> for String {
    fn from(nkey: PublicNkey) -> Self {
        nkey.0
    }
}

impl AsRef<str> for PublicNkey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PublicNkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for PublicNkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for PublicNkey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PublicNkey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// Whether `text` is a public nkey of this kind.
#[must_use]
pub fn is_public(text: &str, kind: NkeyKind) -> bool {
    PublicNkey::parse_kind(text, kind).is_ok()
}

/// Letters of a public nkey: 1 + 32 + 2 bytes in base32.
const PUBLIC_LENGTH: usize = 56;

/// Letters of a seed: 2 + 32 + 2 bytes in base32.
pub(crate) const SEED_LENGTH: usize = 58;

/// Why a text is not the expected public nkey. It never contains the text, which may be a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NkeyError {
    /// The text is a seed instead of a public nkey. Everybody who saw it has the key now: replace the key.
    #[error(
        "this is a seed (S…), a secret: give the public nkey, and treat the key as compromised"
    )]
    Seed,
    /// Too short or too long: copy all of it.
    #[error("a public nkey has 56 letters and digits, this has {found}: copy all of it")]
    Length {
        /// Bytes found.
        found: usize,
    },
    /// A typing error: copy it again.
    #[error("not a public nkey: a letter is wrong; copy it again")]
    Checksum,
    /// A kind that nats-server does not know, such as a module (`M`).
    #[error("not an nkey that NATS knows: it begins with none of O, A, U, N, C, X")]
    UnknownKind,
    /// A good nkey of another kind.
    #[error("this names a {found}: give the nkey of a {expected} ({}…)", expected.letter())]
    WrongKind {
        /// The kind asked for.
        expected: NkeyKind,
        /// The kind found.
        found: NkeyKind,
    },
}
