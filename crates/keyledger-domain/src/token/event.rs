//! What is written of what happens to a token.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Announcement, Evidence, FailureCode, OpenpgpKeyMade, Step};
use crate::{
    key::Escrowed,
    name::Name,
    text::{Note, Title},
    time::Timestamp,
};

/// An agent saw a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Announced {
    /// The workstation: the name of the agent's user.
    pub workstation: Name,
    /// What it shows.
    pub shown: Announcement,
}

/// A token was enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolled {
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Title>,
}

/// A token was assigned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assigned {
    /// To whom.
    pub principal: Name,
}

/// A step began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskProgressed {
    /// The task.
    pub task: Uuid,
    /// The step.
    pub step: Step,
}

/// A token's secrets lie in custody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsEscrowed {
    /// The task that made them.
    pub task: Uuid,
    /// The entry in the material bucket.
    pub entry: Box<str>,
}

/// A token's secrets that open it no more are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsErased {
    /// The entries that were erased and looked for in vain.
    pub entries: Vec<Box<str>>,
    /// When that was seen.
    pub erased_at: Timestamp,
}

/// A key in custody was given to an agent, sealed, to be imported into the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EscrowedKeyReleased {
    /// The task for which it was given.
    pub task: Uuid,
    /// The public curve key that it was sealed to.
    pub seal_to: Box<str>,
    /// The key.
    pub escrowed: Escrowed,
}

/// Keys were made on a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysMadeOn {
    /// The task that made them.
    pub task: Uuid,
    /// The keys, by place.
    pub keys: Vec<TokenKey>,
    /// The OpenPGP keys among them, as the holder's certify key is to bind them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub openpgp: Vec<OpenpgpKeyMade>,
}

/// A key on a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenKey {
    /// Where it lies: `piv.9a`, `openpgp.sign`.
    pub place: Box<str>,
    /// The key aggregate.
    pub key: Name,
    /// Base64 of the DER `SubjectPublicKeyInfo`.
    pub public_key: Box<str>,
}

/// A token's evidence was checked. The evidence stays, so that anybody can check it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proved {
    /// The task.
    pub task: Uuid,
    /// The evidence as it was reported.
    pub evidence: Evidence,
    /// The common name of the root that the attestations lead to.
    pub root: Note,
}

/// A task came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskEnded {
    /// The task.
    pub task: Uuid,
}

/// A token's evidence did not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quarantined {
    /// The task.
    pub task: Uuid,
    /// The stable name of what does not fit.
    pub code: Box<str>,
    /// The same in a sentence.
    pub fault: Note,
}

/// A task could not go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskFailed {
    /// The task.
    pub task: Uuid,
    /// Why.
    pub code: FailureCode,
    /// What was seen.
    pub detail: Note,
}

/// A NATS user was bound to a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserBound {
    /// The user.
    pub user: Name,
}

/// A token's secrets were given away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsReleased {
    /// The public curve key that they were sealed to.
    pub seal_to: Box<str>,
    /// The task for which they were given to an agent; none if a person asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Uuid>,
}

/// Who held a token was offboarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HolderLeft {
    /// Who held it.
    pub principal: Name,
    /// When it left.
    pub left_at: Timestamp,
}

/// Something happened at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct At {
    /// When.
    pub at: Timestamp,
}
