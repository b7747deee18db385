//! Serial numbers of certificates.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

/// The serial number of a certificate as people write it, brought into the form in which the ledger keeps it: lower-case
/// hexadecimal of whole octets, without leading zeros. Colons, capitals and `0x` are what other programs put in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Serial(#[schemars(length(min = 1, max = 64))] Box<str>);

/// Why a text is no serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is not a serial number: write up to 40 hexadecimal digits, as `openssl x509 -serial` does"
)]
pub struct NotASerial;

impl Serial {
    /// The number, in the ledger's form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Serial {
    type Err = NotASerial;

    fn from_str(text: &str) -> Result<Self, NotASerial> {
        let text = text.trim();
        let text = text.strip_prefix("0x").unwrap_or(text);
        let digits: String = text.chars().filter(|c| *c != ':').collect();
        let digits = digits.trim_start_matches('0').to_ascii_lowercase();
        let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        if digits.is_empty() || digits.len() > 40 || !hex {
            return Err(NotASerial);
        }
        let even = "0".repeat(digits.len() % 2);
        Ok(Self(format!("{even}{digits}").into()))
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for Serial {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(Error::custom)
    }
}
