//! What a token is, apart from what is on it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The firmware of a YubiKey: it decides which algorithms and instructions there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Firmware(pub u8, pub u8, pub u8);

impl Firmware {
    pub(crate) fn bytes(self) -> [u8; 3] {
        [self.0, self.1, self.2]
    }
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// This is no firmware version.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no firmware version: write three numbers up to 255, such as 5.7.1")]
pub struct NoFirmware(String);

impl FromStr for Firmware {
    type Err = NoFirmware;

    fn from_str(text: &str) -> Result<Self, NoFirmware> {
        let numbers: Option<Vec<u8>> = text.split('.').map(|part| part.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[major, minor, patch]) => Ok(Self(major, minor, patch)),
            _ => Err(NoFirmware(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Firmware {
    type Error = NoFirmware;

    fn try_from(text: String) -> Result<Self, NoFirmware> {
        text.parse()
    }
}

impl From<Firmware> for String {
    fn from(firmware: Firmware) -> Self {
        firmware.to_string()
    }
}

/// Printed on the token, or burnt into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Device {
    pub(crate) serial: u32,
    pub(crate) firmware: Firmware,
}

impl Device {
    /// A keychain token for USB-A with NFC, as Yubico numbers form factors.
    pub(crate) const FORM_FACTOR: u8 = 0x01;

    /// Answer to reset of a YubiKey 5: T=1, and "YubiKey" in its historical bytes.
    pub(crate) const ANSWER_TO_RESET: [u8; 23] = [
        0x3b, 0xfd, 0x13, 0x00, 0x00, 0x81, 0x31, 0xfe, 0x15, 0x80, 0x73, 0xc0, 0x21, 0xc0, 0x57,
        0x59, 0x75, 0x62, 0x69, 0x4b, 0x65, 0x79, 0x40,
    ];

    pub(crate) fn is_at_least(&self, major: u8, minor: u8, patch: u8) -> bool {
        self.firmware >= Firmware(major, minor, patch)
    }
}
