//! Names of keys.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};

/// What a key is called where it is kept track of: 1 to 63 small letters, digits, hyphens and underscores, the first of them a
/// letter or a digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct KeyLabel(Box<str>);

/// Why a text is no name of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key's name has 1 to 63 small letters, digits, hyphens and underscores")]
pub struct NotAKeyLabel;

impl KeyLabel {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyLabel {
    type Err = NotAKeyLabel;

    fn from_str(text: &str) -> Result<Self, NotAKeyLabel> {
        let first = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let other = |b: u8| first(b) || b == b'-' || b == b'_';
        match text.as_bytes() {
            [begin, rest @ ..]
                if first(*begin) && rest.len() <= 62 && rest.iter().all(|b| other(*b)) =>
            {
                Ok(Self(text.into()))
            }
            _ => Err(NotAKeyLabel),
        }
    }
}

impl fmt::Display for KeyLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyLabel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_called_as_the_ledger_calls_it() {
        for good in ["a", "9a", "root-ca", "issuing_ca-2", &"x".repeat(63)] {
            assert_eq!(good.parse::<KeyLabel>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "_a", "Root", "a b", "a.b", "ä", &"x".repeat(64)] {
            assert_eq!(bad.parse::<KeyLabel>(), Err(NotAKeyLabel), "{bad}");
        }
    }
}
