//! What can happen to the operator.

use serde::{Deserialize, Serialize};

use crate::{event::events, name::Name, text::Title};

events! {
    /// The trust bootstrap made it.
    "operator.v1.created" => Created(Created),
    /// It has a further signing key.
    "operator.v1.signing_key_added" => SigningKeyAdded(SigningKey),
    /// Its title changed.
    "operator.v1.described" => Described(Described),
    /// Attestations of tokens that a further authority signed are believed from now on.
    "operator.v1.attestation_authority_trusted" => AttestationAuthorityTrusted(AttestationAuthority),
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
