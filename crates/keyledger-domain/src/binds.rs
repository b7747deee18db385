//! What a command about a key binds others by.

use crate::{ledger::Fingerprint, name::Name};

/// What a command about a key binds others by. Services may bind only themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Binds<'a> {
    /// The principal that is to answer for the key.
    pub owner: Option<&'a Name>,
    /// The key above it.
    pub parent: Option<&'a Name>,
    /// The public key that it brings.
    pub public: Option<Fingerprint>,
    /// True if it is to have a certificate, which vouches for it.
    pub certifies: bool,
}
