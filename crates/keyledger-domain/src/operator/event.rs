//! What can happen to the operator.

use serde::{Deserialize, Serialize};

use crate::{cid::EventCid, event::events, group::Group, name::Name, text::Title};

events! {
    /// The trust bootstrap made it.
    "operator.v1.created" => Created(Created),
    /// It has a further signing key.
    "operator.v1.signing_key_added" => SigningKeyAdded(SigningKey),
    /// Its title changed.
    "operator.v1.described" => Described(Described),
    /// Attestations of tokens that a further authority signed are believed from now on.
    "operator.v1.attestation_authority_trusted" => AttestationAuthorityTrusted(AttestationAuthority),
    /// The ledger is served although it was proved to be rolled back or replaced.
    "operator.v1.rollback_accepted" => RollbackAccepted(RollbackAccepted),
}

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

impl Event {
    /// The groups that its history is in from then on, if it was not before.
    #[must_use]
    pub fn joins(&self) -> Vec<Group> {
        match self {
            Self::Created(_)
            | Self::SigningKeyAdded(_)
            | Self::Described(_)
            | Self::AttestationAuthorityTrusted(_)
            | Self::RollbackAccepted(_) => Vec::new(),
            Self::OfVerb(event) => event.joins(),
        }
    }
}
