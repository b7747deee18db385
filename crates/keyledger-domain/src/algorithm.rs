//! Algorithms and what a key may be used for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The algorithm of a key, with its length.
///
/// The order of the variants is stored, in snapshots: a new one goes to the end.
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
pub enum Algorithm {
    /// EdDSA over Curve25519 (RFC 8032).
    #[serde(rename = "ed25519")]
    Ed25519,
    /// Diffie-Hellman over Curve25519 (RFC 7748).
    #[serde(rename = "x25519")]
    X25519,
    /// ECDSA or ECDH over NIST P-256.
    #[serde(rename = "p-256")]
    P256,
    /// ECDSA or ECDH over NIST P-384.
    #[serde(rename = "p-384")]
    P384,
    /// RSA with a modulus of 3,072 bits.
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    /// AES with a key of 256 bits.
    #[serde(rename = "aes-256")]
    Aes256,
    /// RSA with a modulus of 2,048 bits: 112 bits of security, which NIST SP 800-57 part 1 §5.6.3 accepts for protecting
    /// through 2030 only.
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    /// RSA with a modulus of 4,096 bits.
    #[serde(rename = "rsa-4096")]
    Rsa4096,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Ed25519,
        Self::X25519,
        Self::P256,
        Self::P384,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
        Self::Aes256,
    ];

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::X25519 => "x25519",
            Self::P256 => "p-256",
            Self::P384 => "p-384",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
            Self::Aes256 => "aes-256",
        }
    }

    /// The length of an RSA modulus in bits; nothing of other algorithms.
    #[must_use]
    pub const fn rsa_bits(self) -> Option<u16> {
        match self {
            Self::Rsa2048 => Some(2_048),
            Self::Rsa3072 => Some(3_072),
            Self::Rsa4096 => Some(4_096),
            Self::Ed25519 | Self::X25519 | Self::P256 | Self::P384 | Self::Aes256 => None,
        }
    }

    /// True of a secret key without a public half.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Aes256)
    }

    /// What a key of this algorithm can be used for at all.
    #[must_use]
    pub const fn able(self) -> Purposes {
        use Purpose as P;
        match self {
            Self::Ed25519 => Purposes::of(&[P::Sign, P::Authenticate, P::Certify]),
            Self::X25519 => Purposes::of(&[P::Encrypt, P::Wrap, P::Derive]),
            Self::P256 | Self::P384 => Purposes::of(&[
                P::Sign,
                P::Authenticate,
                P::Certify,
                P::Encrypt,
                P::Wrap,
                P::Derive,
            ]),
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => {
                Purposes::of(&[P::Sign, P::Authenticate, P::Certify, P::Encrypt, P::Wrap])
            }
            Self::Aes256 => Purposes::of(&[P::Encrypt, P::Wrap, P::Derive, P::Authenticate]),
        }
    }

    /// What a key of this algorithm is for when its creator does not say.
    #[must_use]
    pub const fn usual(self) -> Purposes {
        match self {
            Self::Ed25519
            | Self::P256
            | Self::P384
            | Self::Rsa2048
            | Self::Rsa3072
            | Self::Rsa4096 => Purposes::of(&[Purpose::Sign]),
            Self::X25519 => Purposes::of(&[Purpose::Derive]),
            Self::Aes256 => Purposes::of(&[Purpose::Encrypt]),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a key is for.
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
#[repr(u8)]
pub enum Purpose {
    /// Sign data; its other half verifies.
    Sign,
    /// Encrypt data; its other half decrypts.
    Encrypt,
    /// Wrap other keys.
    Wrap,
    /// Derive or agree on other keys.
    Derive,
    /// Prove who its holder is.
    Authenticate,
    /// Sign other keys: certificates, JWTs.
    Certify,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Sign,
        Self::Encrypt,
        Self::Wrap,
        Self::Derive,
        Self::Authenticate,
        Self::Certify,
    ];

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sign => "sign",
            Self::Encrypt => "encrypt",
            Self::Wrap => "wrap",
            Self::Derive => "derive",
            Self::Authenticate => "authenticate",
            Self::Certify => "certify",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A set of purposes; written as a list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Purposes(u8);

impl Purposes {
    /// The set of `purposes`.
    #[must_use]
    pub const fn of(purposes: &[Purpose]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < purposes.len() {
            bits |= 1 << purposes[at] as u8;
            at += 1;
        }
        Self(bits)
    }

    /// True if `purpose` is in it.
    #[must_use]
    pub const fn has(self, purpose: Purpose) -> bool {
        self.0 & (1 << purpose as u8) != 0
    }

    /// True if all of it is in `other`.
    #[must_use]
    pub const fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// True if there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The purposes, in the order of [`Purpose::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Purpose> {
        Purpose::ALL.into_iter().filter(move |p| self.has(*p))
    }
}

impl fmt::Debug for Purposes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl fmt::Display for Purposes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Purpose::as_str).collect();
        f.pad(&names.join(","))
    }
}

impl Serialize for Purposes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_seq(self.iter())
        } else {
            serializer.serialize_u8(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Purposes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            Vec::<Purpose>::deserialize(deserializer).map(|list| Self::of(&list))
        } else {
            u8::deserialize(deserializer).map(Self)
        }
    }
}

impl schemars::JsonSchema for Purposes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Purposes".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let item = generator.subschema_for::<Purpose>();
        schemars::json_schema!({ "type": "array", "items": item, "uniqueItems": true })
    }
}
