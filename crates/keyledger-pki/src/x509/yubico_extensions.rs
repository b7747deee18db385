//! What a YubiKey says about a key, in the extensions of its attestation
//! (<https://developers.yubico.com/PIV/Introduction/PIV_attestation.html>).

use std::fmt;

use der::{Decode as _, oid::ObjectIdentifier};

pub(super) const FIRMWARE: ObjectIdentifier = yubico("1.3.6.1.4.1.41482.3.3");
pub(super) const SERIAL: ObjectIdentifier = yubico("1.3.6.1.4.1.41482.3.7");
pub(super) const POLICIES: ObjectIdentifier = yubico("1.3.6.1.4.1.41482.3.8");
pub(super) const FORM_FACTOR: ObjectIdentifier = yubico("1.3.6.1.4.1.41482.3.9");
pub(super) const FIPS: ObjectIdentifier = yubico("1.3.6.1.4.1.41482.3.10");

/// How the subject of an attestation begins; the slot follows.
pub(super) const SUBJECT: &str = "CN=YubiKey PIV Attestation ";

const fn yubico(id: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(id)
}

/// The version of a token's firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FirmwareVersion {
    /// The first number.
    pub major: u8,
    /// The second.
    pub minor: u8,
    /// The third.
    pub patch: u8,
}

impl fmt::Display for FirmwareVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// When a key asks for the PIN, as its attestation says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttestedPin {
    /// Never.
    Never,
    /// Once a session.
    Once,
    /// Before each use.
    Always,
}

/// When a key asks for touch, as its attestation says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttestedTouch {
    /// Never.
    Never,
    /// Before a use, unless touched in the last 15 seconds.
    Cached,
    /// Before each use.
    Always,
}

/// What an attestation says about the PIN: when it is asked for, or that a fingerprint is taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    Pin(AttestedPin),
    Fingerprint,
}

pub(super) fn read_firmware(value: &[u8]) -> Option<FirmwareVersion> {
    let [major, minor, patch] = value.try_into().ok()?;
    Some(FirmwareVersion {
        major,
        minor,
        patch,
    })
}

/// The serial number printed on the token.
pub(super) fn read_serial(value: &[u8]) -> Option<u32> {
    u32::from_der(value).ok()
}

/// What the key was made with: when it asks for the PIN, and when for touch.
pub(super) fn read_policies(value: &[u8]) -> Option<(Asks, AttestedTouch)> {
    let [pin, touch] = value.try_into().ok()?;
    let pin = match pin {
        1 => Asks::Pin(AttestedPin::Never),
        2 => Asks::Pin(AttestedPin::Once),
        3 => Asks::Pin(AttestedPin::Always),
        4 | 5 => Asks::Fingerprint,
        _ => return None,
    };
    let touch = match touch {
        1 => AttestedTouch::Never,
        2 => AttestedTouch::Always,
        3 => AttestedTouch::Cached,
        _ => return None,
    };
    Some((pin, touch))
}

/// What the token looks like, as Yubico numbers it, and whether it is of the FIPS series (bit 7).
pub(super) fn read_form_factor(value: &[u8]) -> Option<(u8, bool)> {
    let [octet] = value.try_into().ok()?;
    Some((octet & 0x0f, octet & 0x80 != 0))
}
