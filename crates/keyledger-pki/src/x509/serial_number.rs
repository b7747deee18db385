//! Serial numbers of certificates.

use std::{fmt, str::FromStr};

use x509_cert::serial_number::SerialNumber as Encoded;

/// The serial number of a certificate: a positive integer of at most 20 octets (RFC 5280 §4.1.2.2). Written in hexadecimal,
/// without leading zeros, as `openssl x509 -serial` does but in small letters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SerialNumber(Vec<u8>);

/// Why something is no serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a serial number: write a positive number of at most 20 octets in hexadecimal")]
pub struct NotASerialNumber;

impl SerialNumber {
    /// A serial number nobody can guess, of 16 octets: 126 of the 128 random bits given, so that it is positive and
    /// always as long. Whoever issues makes sure that it was never used.
    #[must_use]
    pub fn from_random(mut random: [u8; 16]) -> Self {
        random[0] = random[0] & 0x7f | 0x40;
        Self(random.to_vec())
    }

    /// The number with these octets, most significant first.
    ///
    /// # Errors
    ///
    /// [`NotASerialNumber`] if it is zero or needs more than 20 octets with its sign.
    pub fn from_octets(octets: &[u8]) -> Result<Self, NotASerialNumber> {
        let leading = octets.iter().take_while(|octet| **octet == 0).count();
        let octets = &octets[leading..];
        let sign_octets = usize::from(octets.first().is_some_and(|first| *first > 0x7f));
        if octets.is_empty() || octets.len() + sign_octets > 20 {
            return Err(NotASerialNumber);
        }
        Ok(Self(octets.to_vec()))
    }

    /// The octets, most significant first, without leading zeros.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// Whatever a certificate has, also what RFC 5280 does not allow: it is shown, and compared, but never issued.
    pub(super) fn as_found(found: &Encoded) -> Self {
        let octets = found.as_bytes();
        let leading = octets.iter().take_while(|octet| **octet == 0).count();
        Self(octets[leading.min(octets.len().saturating_sub(1))..].to_vec())
    }

    /// What RFC 5280 allows, as it stands in a certificate: positive, and of at most 20 octets.
    pub(super) fn strictly(found: &Encoded) -> Result<Self, NotASerialNumber> {
        let octets = found.as_bytes();
        if octets.first().is_some_and(|first| *first > 0x7f) {
            return Err(NotASerialNumber);
        }
        Self::from_octets(octets)
    }

    pub(super) fn encoded(&self) -> der::Result<Encoded> {
        Encoded::new(&self.0)
    }
}

impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl FromStr for SerialNumber {
    type Err = NotASerialNumber;

    fn from_str(text: &str) -> Result<Self, NotASerialNumber> {
        if text.len() > 42 {
            return Err(NotASerialNumber);
        }
        let even = format!("{}{text}", "0".repeat(text.len() % 2));
        let octets = data_encoding::HEXLOWER_PERMISSIVE
            .decode(even.as_bytes())
            .map_err(|_| NotASerialNumber)?;
        Self::from_octets(&octets)
    }
}
