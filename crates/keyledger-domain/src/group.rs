//! Groups: histories that have something in common, such as a public key.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use crate::name::Name;

/// Histories that have something in common.
///
/// Whoever looks for all of a group sees those that are in it, each of which is noted as a history, and sees that there are no others. So
/// what has to stay besides is that none joins: each event says which groups its history joins with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// The keys and users that bear a public key.
    Bearers(Fingerprint),
    /// The keys over which there is the certificate of this issuer and serial number.
    Certificate(Name, Box<str>),
    /// The keys over which there is a certificate of this issuer.
    CertifiedBy(Name),
    /// The keys that are or were authorities.
    Authorities,
    /// The keys that this principal owns.
    OwnedBy(Name),
    /// The principals that this one answers for.
    AnsweredBy(Name),
    /// The users that stand for this principal.
    UsersOf(Name),
    /// The users of this account.
    UsersIn(Name),
    /// The users that are administrators.
    Administrators,
    /// The tokens that this principal holds.
    TokensOf(Name),
    /// The tokens that were last seen at this workstation.
    SeenAt(Name),
    /// The tokens with a task for the agent of this nkey.
    TasksOf(Box<str>),
}

/// What the DER `SubjectPublicKeyInfo` of a bare 32-byte key begins with (RFC 8410): Ed25519, X25519.
const BARE: [&[u8]; 2] = [
    b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00",
    b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00",
];

/// A public key, however it is written: an nkey and a `SubjectPublicKeyInfo` of the same key are the same here.
///
/// The first 16 bytes of a BLAKE3: every key ever seen keeps one in memory, and nobody can find a second key for a given one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Of base64 of a DER `SubjectPublicKeyInfo`; nothing if it is no base64.
    #[must_use]
    pub fn of_public_key(base64: &str) -> Option<Self> {
        let der = BASE64.decode(base64.as_bytes()).ok()?;
        let bare = BARE.iter().find_map(|head| der.strip_prefix(*head));
        Some(Self::of(bare.unwrap_or(&der)))
    }

    /// Of a public nkey; nothing if it is none.
    #[must_use]
    pub fn of_nkey(nkey: &str) -> Option<Self> {
        let (_, bare) = nkeys::from_public_key(nkey).ok()?;
        Some(Self::of(&bare))
    }

    /// Of a version of a key; nothing if it is symmetric.
    pub(crate) fn of_version(public_key: Option<&str>, nkey: Option<&str>) -> Option<Self> {
        public_key
            .and_then(Self::of_public_key)
            .or_else(|| nkey.and_then(Self::of_nkey))
    }

    fn of(bytes: &[u8]) -> Self {
        let mut short = [0; 16];
        short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
        Self(short)
    }
}
