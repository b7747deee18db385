//! Tasks: what an agent is asked to do with a token.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Profile;
use crate::{name::Name, text::Title};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Reset the token, set its secrets, make its keys, write its certificates, prove it all.
    Provision,
    /// Prove that it still is what the ledger says.
    Verify,
    /// Back to the factory's state: everything on it is gone.
    Reset,
    /// Unblock the PIN with the PUK, which the agent is given for this.
    Unblock,
    /// New PUK and management key.
    RotateSecrets,
}

impl TaskKind {
    /// Its name on the wire: the last token of the task's subject.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Verify => "verify",
            Self::Reset => "reset",
            Self::Unblock => "unblock",
            Self::RotateSecrets => "rotate_secrets",
        }
    }
}

/// A task was filed for a workstation's agent. The agent gets this very event, signed as every event is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskFiled {
    /// Its id: the command's that filed it.
    pub task: Uuid,
    /// What is to be done.
    pub kind: TaskKind,
    /// The workstation: the name of the agent's user.
    pub workstation: Name,
    /// The agent's public nkey (`U…`).
    pub agent: Box<str>,
    /// What goes into the token's certificates and OpenPGP keys as its holder.
    #[serde(default)]
    pub holder: Option<Holder>,
    /// What to put on it; a verification's is what the token was provisioned with.
    #[serde(default)]
    pub profile: Option<Profile>,
    /// The key that certifies the keys of its slots.
    #[serde(default)]
    pub issuer: Option<Name>,
    /// 32 random bytes in base64url: what proofs are about.
    pub nonce: Box<str>,
    /// A public curve key (`X…`) made for this task: the token's secrets are sealed to it.
    pub seal_to: Box<str>,
    /// Base64 of the DER `SubjectPublicKeyInfo`s with which keys that only agree prove themselves: P-256, then X25519.
    pub challenges: Vec<Box<str>>,
}

/// Who holds a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// The principal.
    pub principal: Name,
    /// What people call it: the common name.
    pub title: Title,
    /// Its e-mail address.
    #[serde(default)]
    pub email: Option<Title>,
    /// Base64 of its OpenPGP certificate: whose primary key is to bind the token's.
    #[serde(default)]
    pub openpgp: Option<Box<str>>,
}
