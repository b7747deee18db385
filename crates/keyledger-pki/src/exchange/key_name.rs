//! Names of keys.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};

/// What a key is called where it is kept track of: 1 to 63 small letters, digits, hyphens and underscores, the first of them a
/// letter or a digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct KeyName(Box<str>);

/// Why a text is no name of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key's name has 1 to 63 small letters, digits, hyphens and underscores")]
pub struct NotAKeyName;

impl KeyName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = NotAKeyName;

    fn from_str(text: &str) -> Result<Self, NotAKeyName> {
        let first = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let other = |b: u8| first(b) || b == b'-' || b == b'_';
        match text.as_bytes() {
            [begin, rest @ ..]
                if first(*begin) && rest.len() <= 62 && rest.iter().all(|b| other(*b)) =>
            {
                Ok(Self(text.into()))
            }
            _ => Err(NotAKeyName),
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyName {
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
            assert_eq!(good.parse::<KeyName>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "_a", "Root", "a b", "a.b", "ä", &"x".repeat(64)] {
            assert_eq!(bad.parse::<KeyName>(), Err(NotAKeyName), "{bad}");
        }
    }
}
