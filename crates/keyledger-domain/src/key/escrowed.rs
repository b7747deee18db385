//! A key that custody made for a principal, and that its tokens hold.

use serde::{Deserialize, Serialize};

use crate::name::Name;

/// A key of OpenPGP that decrypts, made in custody: what is public of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Escrowed {
    /// The key aggregate.
    pub key: Name,
    /// Base64 of the DER `SubjectPublicKeyInfo`.
    pub public_key: Box<str>,
    /// Its version 4 fingerprint, 40 digits of hex.
    pub fingerprint: Box<str>,
    /// When it was made, in seconds since 1970: part of its fingerprint.
    pub created_at: i64,
}
