//! What is written of what happens to the operator.

use serde::{Deserialize, Serialize};

use crate::{cid::EventCid, name::Name, text::Title};

/// The operator was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Created {
    /// What people call it.
    pub title: Title,
    /// Its identity: a public nkey (`O…`), whose secret half stays offline.
    pub nkey: Box<str>,
    /// The key aggregate of the identity.
    pub key: Name,
    /// The public nkey of the system account.
    pub system_account: Box<str>,
    /// Its JWT, signed by the identity: what servers are configured with.
    pub jwt: Box<str>,
}

/// A signing key of the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningKey {
    /// The key aggregate.
    pub key: Name,
    /// Its public nkey.
    pub nkey: Box<str>,
}

/// The operator's title changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Described {
    /// What people call it.
    pub title: Title,
}

/// An authority that signs attestations of tokens, beside those that the service has embedded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttestationAuthority {
    /// Whose certificate it is.
    pub subject: Box<str>,
    /// The certificate's SHA-256, in lower-case hexadecimal.
    pub sha256: Box<str>,
    /// The certificate, as DER in base64.
    pub certificate: Box<str>,
}

/// The ledger's stream contradicted a witness, and an administrator had the service start all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackAccepted {
    /// Who knew it.
    pub witness: Witness,
    /// The sequence of an event that the witness knew.
    pub sequence: u64,
    /// That event's CID.
    pub expected: EventCid,
    /// The last sequence that the witness knew of.
    pub known_end: u64,
    /// Where the stream ended when it was accepted.
    pub end: u64,
}

/// Who knows, besides the stream, what the ledger was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Witness {
    /// A snapshot, authenticated under the root key.
    Snapshot,
    /// The file of the trust bootstrap in the organisation's directory.
    GenesisFile,
}

impl RollbackAccepted {
    /// True if both are of the same knowledge of the same witness: what was accepted once need not be again.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let known = |of: &Self| (of.witness, of.sequence, of.expected, of.known_end);
        known(self) == known(other)
    }
}
