//! The content id of a stored event.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};

/// Codec `raw` of the multicodec table: the CID is over bytes, not over a structure.
const RAW: u64 = 0x55;
/// BLAKE3 of the multihash table, at its full 256 bits.
const BLAKE3: u64 = 0x1e;
/// What every such CID begins with: version 1, the codec, the hash, its 32 bytes.
const PREFIX: [u8; 4] = [1, 0x55, 0x1e, 32];

/// `CIDv1`, codec raw, BLAKE3-256, over the exact stored bytes of an event; in text `bafkr4i…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventCid([u8; 32]);

/// Why a text is not the CID of an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a CIDv1 of raw bytes under BLAKE3-256 (bafkr4i…)")]
pub struct NotACid(String);

impl EventCid {
    /// The CID of `stored`, an event's exact bytes.
    #[must_use]
    pub fn of(stored: &[u8]) -> Self {
        Self(*blake3::hash(stored).as_bytes())
    }

    /// The CID of a BLAKE3-256 digest.
    #[must_use]
    pub const fn from_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The 32 bytes of the digest.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 36 bytes of the binary CID: what the service signs.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 36] {
        let mut bytes = [0; 36];
        bytes[..4].copy_from_slice(&PREFIX);
        bytes[4..].copy_from_slice(&self.0);
        bytes
    }
}

impl fmt::Display for EventCid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The multibase text of `to_bytes`; written here since it is on the path of every event.
        let mut text = data_encoding::BASE32_NOPAD.encode(&self.to_bytes());
        text.make_ascii_lowercase();
        write!(f, "b{text}")
    }
}

impl fmt::Debug for EventCid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EventCid {
    type Err = NotACid;

    fn from_str(text: &str) -> Result<Self, NotACid> {
        let refuse = || NotACid(text.chars().take(80).collect());
        // The one form that is written is read without detours: a ledger of millions is read at each start.
        if let Some(cid) = Self::parse_usual(text) {
            return Ok(cid);
        }
        let cid = ::cid::Cid::try_from(text).map_err(|_| refuse())?;
        if cid.version() != ::cid::Version::V1 || cid.codec() != RAW || cid.hash().code() != BLAKE3
        {
            return Err(refuse());
        }
        cid.hash()
            .digest()
            .try_into()
            .map(Self)
            .map_err(|_| refuse())
    }
}

impl EventCid {
    /// Reads `bafkr4i…` as [`fmt::Display`] writes it.
    fn parse_usual(text: &str) -> Option<Self> {
        let base32 = text.strip_prefix('b')?;
        let mut bytes = [0; 36];
        if base32.len() != data_encoding::BASE32_NOPAD.encode_len(bytes.len()) {
            return None;
        }
        let mut upper = [0; 58];
        upper.copy_from_slice(base32.as_bytes());
        if upper.iter().any(u8::is_ascii_uppercase) {
            return None;
        }
        upper.make_ascii_uppercase();
        data_encoding::BASE32_NOPAD
            .decode_mut(&upper, &mut bytes)
            .ok()?;
        let digest = bytes.strip_prefix(&PREFIX)?;
        digest.try_into().ok().map(Self)
    }
}

impl Serialize for EventCid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for EventCid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            <[u8; 32]>::deserialize(deserializer).map(Self)
        }
    }
}

impl schemars::JsonSchema for EventCid {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EventCid".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^bafkr4i[a-z2-7]{52}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_text_is_what_the_cid_crate_writes() {
        let ours = EventCid::of(b"{}");
        let theirs = ::cid::Cid::try_from(&ours.to_bytes()[..]).unwrap();
        assert_eq!(ours.to_string(), theirs.to_string());
        assert_eq!(ours.to_string().parse(), Ok(ours));
        assert!(ours.to_string().starts_with("bafkr4i"));
    }

    #[test]
    fn another_hash_is_refused() {
        let sha256 = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
        assert!(sha256.parse::<EventCid>().is_err());
    }
}
