//! The signed head: what a ledger's length and content were at a moment, in 32 bytes and a signature.

use std::fmt;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};

use crate::{cid::EventCid, time::Timestamp};

/// A digest over the CIDs of all events in their order: *d*₀ is 32 zero bytes, and
/// *d*ₙ = BLAKE3(*d*ₙ₋₁ ‖ the 32-byte digest of CID *n*).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeadDigest {
    events: u64,
    digest: [u8; 32],
}

impl HeadDigest {
    /// The digest of no events.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            events: 0,
            digest: [0; 32],
        }
    }

    /// Takes in the next event.
    pub fn push(&mut self, cid: &EventCid) {
        let mut both = [0; 64];
        both[..32].copy_from_slice(&self.digest);
        both[32..].copy_from_slice(cid.digest());
        self.digest = *blake3::hash(&both).as_bytes();
        self.events += 1;
    }

    /// How many events it covers.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Its 32 bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.digest
    }
}

impl fmt::Display for HeadDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&HEXLOWER.encode(&self.digest))
    }
}

/// A signed statement that a ledger's first `events` events are exactly these.
///
/// Whoever keeps one can show later that history was not rewritten or cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedHead {
    /// The prefix of the ledger's subjects.
    pub prefix: String,
    /// How many events it covers.
    pub events: u64,
    /// The stream sequence of the last of them.
    pub sequence: u64,
    /// The [`HeadDigest`] over them, in hex.
    pub digest: String,
    /// When it was signed.
    pub at: Timestamp,
    /// The public nkey that signed it: a version of the ledger's signing key.
    pub signer: String,
    /// The Ed25519 signature over [`SignedHead::message`], base64url without padding; empty until it is signed.
    pub signature: String,
}

impl SignedHead {
    /// A head that is not signed yet: sign its [`message`](Self::message), then [`with_signature`](Self::with_signature).
    #[must_use]
    pub fn unsigned(
        prefix: &str,
        digest: &HeadDigest,
        sequence: u64,
        at: Timestamp,
        signer: &str,
    ) -> Self {
        Self {
            prefix: prefix.to_owned(),
            events: digest.events(),
            sequence,
            digest: digest.to_string(),
            at,
            signer: signer.to_owned(),
            signature: String::new(),
        }
    }

    /// The bytes that are signed: seven lines of UTF-8, each ended by a line feed.
    ///
    /// ```text
    /// keyledger-head-v1
    /// {prefix}
    /// {events, decimal}
    /// {sequence, decimal}
    /// {digest, 64 hex digits}
    /// {at, RFC 3339 with milliseconds}
    /// {signer}
    /// ```
    ///
    /// An event's signature is over a CID, which begins with byte 1: neither can pass for the other.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        let Self {
            prefix,
            events,
            sequence,
            digest,
            at,
            signer,
            signature: _,
        } = self;
        format!("keyledger-head-v1\n{prefix}\n{events}\n{sequence}\n{digest}\n{at}\n{signer}\n")
            .into_bytes()
    }

    /// The head with its signature.
    #[must_use]
    pub fn with_signature(mut self, signature: &[u8; 64]) -> Self {
        self.signature = BASE64URL_NOPAD.encode(signature);
        self
    }
}
