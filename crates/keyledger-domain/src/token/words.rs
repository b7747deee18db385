//! What a token and its parts are called: serials, firmware, slots, policies.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::name::Name;

/// A token's serial number, as it is printed on it: 1 to 4,294,967,295.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Serial(u32);

/// Why a text is not a serial number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a serial number: write the digits that are printed on the token, without a leading 0"
)]
pub struct NotASerial(String);

impl Serial {
    /// The serial number `number`; nothing if it is 0, which a token without one shows.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number == 0 {
            None
        } else {
            Some(Self(number))
        }
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The serial number that a token's name is.
    ///
    /// # Errors
    ///
    /// [`NotASerial`] if the name is none.
    pub fn of(name: &Name) -> Result<Self, NotASerial> {
        name.as_str().parse()
    }

    /// The name of the token with this serial number: its digits.
    ///
    /// # Panics
    ///
    /// Never: digits are a name.
    #[must_use]
    pub fn name(self) -> Name {
        Name::new(&self.0.to_string()).expect("digits are a name")
    }
}

impl<'de> Deserialize<'de> for Serial {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u32::deserialize(deserializer)?;
        Self::new(number).ok_or_else(|| Error::custom("a serial number is not 0"))
    }
}

impl FromStr for Serial {
    type Err = NotASerial;

    fn from_str(text: &str) -> Result<Self, NotASerial> {
        let digits = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        let number = digits.then(|| text.parse().ok()).flatten();
        number
            .and_then(Self::new)
            .ok_or_else(|| NotASerial(text.chars().take(80).collect()))
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A firmware version, such as 5.7.1; ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Firmware {
    /// The first number.
    pub major: u8,
    /// The second.
    pub minor: u8,
    /// The third.
    pub patch: u8,
}

/// Why a text is not a firmware version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a firmware version: write three numbers below 256, like 5.7.1")]
pub struct NotAFirmware(String);

impl Firmware {
    /// The version `major`.`minor`.`patch`.
    #[must_use]
    pub const fn new(major: u8, minor: u8, patch: u8) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }
}

impl FromStr for Firmware {
    type Err = NotAFirmware;

    fn from_str(text: &str) -> Result<Self, NotAFirmware> {
        let mut parts = text.split('.').map(str::parse);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch)), None) => {
                Ok(Self::new(major, minor, patch))
            }
            _ => Err(NotAFirmware(text.chars().take(80).collect())),
        }
    }
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Serialize for Firmware {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (self.major, self.minor, self.patch).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Firmware {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
            text.parse().map_err(Error::custom)
        } else {
            let (major, minor, patch) = Deserialize::deserialize(deserializer)?;
            Ok(Self::new(major, minor, patch))
        }
    }
}

/// A PIV slot: 9a, 9c, 9d, 9e, or a retired one, 82 to 95.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u8);

/// Why a text is not a slot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a PIV slot: one of 9a, 9c, 9d, 9e, and 82 to 95")]
pub struct NotASlot(String);

impl Slot {
    /// PIV authentication.
    pub const AUTHENTICATION: Self = Self(0x9a);
    /// Digital signature.
    pub const SIGNATURE: Self = Self(0x9c);
    /// Key management: the one that decrypts.
    pub const KEY_MANAGEMENT: Self = Self(0x9d);
    /// Card authentication.
    pub const CARD_AUTHENTICATION: Self = Self(0x9e);

    /// The slot with this number; nothing if there is none.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        match number {
            0x9a | 0x9c | 0x9d | 0x9e | 0x82..=0x95 => Some(Self(number)),
            _ => None,
        }
    }

    /// Where a key in it lies: `piv.9a`.
    #[must_use]
    pub fn place(self) -> String {
        format!("piv.{self}")
    }

    /// The slot that a place names; nothing of OpenPGP's.
    #[must_use]
    pub fn of_place(place: &str) -> Option<Self> {
        place.strip_prefix("piv.")?.parse().ok()
    }

    /// Its number, as PIV's `P2`.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl FromStr for Slot {
    type Err = NotASlot;

    fn from_str(text: &str) -> Result<Self, NotASlot> {
        let number = (text.len() == 2)
            .then(|| u8::from_str_radix(text, 16).ok())
            .flatten();
        number
            .and_then(Self::new)
            .ok_or_else(|| NotASlot(text.chars().take(80).collect()))
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}", self.0)
    }
}

impl Serialize for Slot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Slot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
            text.parse().map_err(Error::custom)
        } else {
            let number = u8::deserialize(deserializer)?;
            Self::new(number).ok_or_else(|| Error::custom("no such slot"))
        }
    }
}

impl schemars::JsonSchema for Slot {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Slot".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^(9[acde]|8[2-9a-f]|9[0-5])$" })
    }
}

/// When a PIV key asks for the PIN; fixed when the key is made.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PinPolicy {
    /// Never.
    Never,
    /// Once a session.
    Once,
    /// Before each use.
    Always,
    /// Once a session, and a fingerprint will do. Tokens show it; no profile asks for it.
    MatchOnce,
    /// Before each use, and a fingerprint will do.
    MatchAlways,
}

/// When a key asks to be touched; weakest first. PIV: fixed when the key is made.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TouchPolicy {
    /// Never.
    Never,
    /// Before a use, unless touched in the last 15 seconds.
    Cached,
    /// Before each use.
    Always,
}

impl PinPolicy {
    /// Its name on the wire.
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

    /// True if a fingerprint will do.
    #[must_use]
    pub const fn takes_fingerprint(self) -> bool {
        matches!(self, Self::MatchOnce | Self::MatchAlways)
    }
}

impl TouchPolicy {
    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Cached => "cached",
            Self::Always => "always",
        }
    }
}

/// What a token looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormFactor {
    /// It does not say.
    Unknown,
    /// A keychain token with USB-A.
    UsbAKeychain,
    /// One that stays in a USB-A port.
    UsbANano,
    /// A keychain token with USB-C.
    UsbCKeychain,
    /// One that stays in a USB-C port.
    UsbCNano,
    /// With USB-C and Lightning.
    UsbCLightning,
    /// With USB-A and a fingerprint reader.
    UsbABio,
    /// With USB-C and a fingerprint reader.
    UsbCBio,
}

impl FormFactor {
    /// What the number in a token's configuration or attestation means.
    #[must_use]
    pub const fn of(number: u8) -> Self {
        // The upper bits say whether it is FIPS or of the security key series.
        match number & 0x0f {
            1 => Self::UsbAKeychain,
            2 => Self::UsbANano,
            3 => Self::UsbCKeychain,
            4 => Self::UsbCNano,
            5 => Self::UsbCLightning,
            6 => Self::UsbABio,
            7 => Self::UsbCBio,
            _ => Self::Unknown,
        }
    }

    /// True of one with a fingerprint reader, which has no PUK, and PIV retries that cannot be set.
    #[must_use]
    pub const fn reads_fingerprints(self) -> bool {
        matches!(self, Self::UsbABio | Self::UsbCBio)
    }
}

/// What a token can do, by the names of its applets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Applet {
    /// Personal identity verification (NIST SP 800-73).
    Piv,
    /// OpenPGP card.
    Openpgp,
}

impl Applet {
    /// What people call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Piv => "PIV",
            Self::Openpgp => "OpenPGP",
        }
    }
}

/// What a token of some series does not let be done with its PIV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restriction {
    /// It is of the FIPS series: keys ask for a PIN always, none is of X25519, PIN and PUK have eight characters.
    Fips,
    /// It refuses PINs that it finds too simple.
    PinComplexity,
    /// PIV cannot be reset alone, since FIDO is configured too.
    ResetBlocked,
}
