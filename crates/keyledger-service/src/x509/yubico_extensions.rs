//! What a YubiKey says about a key, in the extensions of its attestation
//! (<https://developers.yubico.com/PIV/Introduction/PIV_attestation.html>).

use std::{fmt, str::FromStr};

use der::{Decode as _, oid::ObjectIdentifier};

pub(super) const FIRMWARE: ObjectIdentifier = yubico("1.3.6.1.4.1.41482.3.3");
pub(super) const SERIAL: ObjectIdentifier = yubico("1.3.6.1.4.1.41482.3.7");
pub(super) const POLICIES: ObjectIdentifier = yubico("1.3.6.1.4.1.41482.3.8");
pub(super) const FORM_FACTOR: ObjectIdentifier = yubico("1.3.6.1.4.1.41482.3.9");
pub(super) const FIPS: ObjectIdentifier = yubico("1.3.6.1.4.1.41482.3.10");

const fn yubico(id: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(id)
}

/// The firmware of a token. It is fixed when the token is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Firmware {
    /// First part: 5 of a YubiKey 5.
    pub major: u8,
    /// Second part.
    pub minor: u8,
    /// Third part.
    pub patch: u8,
}

/// When the PIN is asked for; fixed when the key is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PinPolicy {
    /// Never.
    Never,
    /// Once in a session.
    Once,
    /// Before every use.
    Always,
    /// PIN or fingerprint, once in a session.
    MatchOnce,
    /// PIN or fingerprint, before every use.
    MatchAlways,
}

/// When somebody must touch the token; fixed when the key is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TouchPolicy {
    /// Never.
    Never,
    /// For every use.
    Always,
    /// For every use, unless the last touch was within 15 seconds.
    Cached,
}

/// What the token looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum FormFactor {
    /// It does not say, or something newer than this list; the number is Yubico's.
    Other(u8),
    UsbAKeychain,
    UsbANano,
    UsbCKeychain,
    UsbCNano,
    UsbCLightning,
    UsbABio,
    UsbCBio,
}

/// A PIV slot that can hold an attested key: 9a, 9c, 9d, 9e, or retired 82 to 95.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u8);

/// Why something is no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a PIV slot: 9a, 9c, 9d, 9e, or 82 to 95")]
pub struct NotASlot;

impl Firmware {
    pub(super) fn read(value: &[u8]) -> Option<Self> {
        let [major, minor, patch] = value.try_into().ok()?;
        Some(Self {
            major,
            minor,
            patch,
        })
    }
}

impl PinPolicy {
    /// Its name, as `ykman` has it but for the underscores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Once => "once",
            Self::Always => "always",
            Self::MatchOnce => "match_once",
            Self::MatchAlways => "match_always",
        }
    }

    fn read(value: u8) -> Option<Self> {
        Some(match value {
            1 => Self::Never,
            2 => Self::Once,
            3 => Self::Always,
            4 => Self::MatchOnce,
            5 => Self::MatchAlways,
            _ => return None,
        })
    }
}

impl TouchPolicy {
    /// Its name, as `ykman` has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Always => "always",
            Self::Cached => "cached",
        }
    }

    fn read(value: u8) -> Option<Self> {
        Some(match value {
            1 => Self::Never,
            2 => Self::Always,
            3 => Self::Cached,
            _ => return None,
        })
    }
}

impl FormFactor {
    /// The kind and whether the token is of the FIPS series (bit 7). Bit 6 marks a Security Key.
    pub(super) fn read(value: &[u8]) -> Option<(Self, bool)> {
        let [octet] = value.try_into().ok()?;
        let form = match octet & 0x3f {
            1 => Self::UsbAKeychain,
            2 => Self::UsbANano,
            3 => Self::UsbCKeychain,
            4 => Self::UsbCNano,
            5 => Self::UsbCLightning,
            6 => Self::UsbABio,
            7 => Self::UsbCBio,
            other => Self::Other(other),
        };
        Some((form, octet & 0x80 != 0))
    }
}

/// The serial number printed on the token.
pub(super) fn read_serial(value: &[u8]) -> Option<u32> {
    u32::from_der(value).ok()
}

pub(super) fn read_policies(value: &[u8]) -> Option<(PinPolicy, TouchPolicy)> {
    let [pin, touch] = value.try_into().ok()?;
    Some((PinPolicy::read(pin)?, TouchPolicy::read(touch)?))
}

impl Slot {
    /// The slot with this number, as `ykman` and APDUs have it.
    ///
    /// # Errors
    ///
    /// [`NotASlot`] if no attested key can be there.
    pub const fn new(number: u8) -> Result<Self, NotASlot> {
        match number {
            0x9a | 0x9c | 0x9d | 0x9e | 0x82..=0x95 => Ok(Self(number)),
            _ => Err(NotASlot),
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl FromStr for Slot {
    type Err = NotASlot;

    fn from_str(text: &str) -> Result<Self, NotASlot> {
        let hexadecimal = text.len() == 2 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let number = u8::from_str_radix(text, 16).ok().filter(|_| hexadecimal);
        Self::new(number.ok_or(NotASlot)?)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}", self.0)
    }
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl fmt::Display for PinPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for TouchPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
