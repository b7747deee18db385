//! Fingerprints, by which keys and certificates are known.

use std::{fmt, str::FromStr};

use data_encoding::{HEXLOWER_PERMISSIVE, HEXUPPER};
use pgp::types::KeyDetails;
use serde::{Deserialize, Serialize};

/// A fingerprint of version 4: SHA-1 of the public key packet, 20 bytes. Written as 40 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 20]);

/// A text that is no fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint has 40 hex digits, as `gpg --fingerprint` shows them")]
pub struct NotAFingerprint;

impl Fingerprint {
    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// In groups of four, as people compare them.
    #[must_use]
    pub fn grouped(&self) -> String {
        let text = self.to_string();
        let groups: Vec<_> = (0..10).map(|at| &text[4 * at..4 * at + 4]).collect();
        format!("{}  {}", groups[..5].join(" "), groups[5..].join(" "))
    }

    pub(super) fn of(key: &impl KeyDetails) -> Self {
        let fingerprint = key.fingerprint();
        let bytes = fingerprint.as_bytes().try_into();
        Self(bytes.expect("a key of version 4 has a fingerprint of 20 bytes"))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&HEXUPPER.encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    fn from_str(text: &str) -> Result<Self, NotAFingerprint> {
        let digits: String = text.chars().filter(|c| *c != ' ').collect();
        let digits = digits.strip_prefix("0x").unwrap_or(&digits);
        let bytes = HEXLOWER_PERMISSIVE
            .decode(digits.as_bytes())
            .map_err(|_| NotAFingerprint)?;
        Ok(Self(bytes.try_into().map_err(|_| NotAFingerprint)?))
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = NotAFingerprint;

    fn try_from(text: String) -> Result<Self, NotAFingerprint> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}
