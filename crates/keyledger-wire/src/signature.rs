//! A signature by a key on a token, as a command carries it.

use keyledger_domain::Name;

/// The signature that a key on the sender's token made over a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSignature {
    /// The key.
    pub key: Name,
    /// Base64url without padding.
    pub signature: String,
}
