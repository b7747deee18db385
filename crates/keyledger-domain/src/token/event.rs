//! What can happen to a token.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Announcement, Evidence, FailureCode, OpenpgpKeyMade, Step, TaskFiled};
use crate::{
    event::events,
    group::Group,
    key::Escrowed,
    name::Name,
    text::{Note, Title},
    time::Timestamp,
};

events! {
    /// An agent saw it, or saw that it shows something else than before.
    "token.v1.announced" => Announced(Announced),
    /// It is the organisation's from now on.
    "token.v1.enrolled" => Enrolled(Enrolled),
    /// A principal holds it from now on.
    "token.v1.assigned" => Assigned(Assigned),
    /// A task was filed for a workstation's agent.
    "token.v1.task_filed" => TaskFiled(TaskFiled),
    /// A step of a task began.
    "token.v1.task_progressed" => TaskProgressed(TaskProgressed),
    /// Its secrets lie sealed in custody, before they are set on it.
    "token.v1.secrets_escrowed" => SecretsEscrowed(SecretsEscrowed),
    /// Secrets that open it no more were erased, and looked for in vain.
    "token.v1.secrets_erased" => SecretsErased(SecretsErased),
    /// A key that decrypts, made in custody, was given to an agent, sealed, to be imported into it.
    "token.v1.escrowed_key_released" => EscrowedKeyReleased(EscrowedKeyReleased),
    /// Its keys were made on it and attested; they are pre-active until it is provisioned.
    "token.v1.keys_made" => KeysMade(KeysMadeOn),
    /// Its evidence was checked: it is what the profile says.
    "token.v1.provisioned" => Provisioned(Proved),
    /// Its evidence was checked again: it still is what the ledger says.
    "token.v1.verified" => Verified(Proved),
    /// It is back in the factory's state: nothing is on it.
    "token.v1.was_reset" => WasReset(TaskEnded),
    /// Its PIN was unblocked.
    "token.v1.unblocked" => Unblocked(TaskEnded),
    /// It has a new PUK and a new management key.
    "token.v1.secrets_rotated" => SecretsRotated(TaskEnded),
    /// Its evidence did not fit: it is not to be used.
    "token.v1.quarantined" => Quarantined(Quarantined),
    /// A task could not go on.
    "token.v1.task_failed" => TaskFailed(TaskFailed),
    /// A task was cancelled.
    "token.v1.task_cancelled" => TaskCancelled(TaskEnded),
    /// A NATS user is bound to it.
    "token.v1.user_bound" => UserBound(UserBound),
    /// Its secrets were given to somebody, sealed.
    "token.v1.secrets_released" => SecretsReleased(SecretsReleased),
    /// It was declared lost.
    "token.v1.lost" => Lost(At),
    /// Who held it was offboarded: nothing on it counts any more.
    "token.v1.holder_left" => HolderLeft(HolderLeft),
    /// It was declared found.
    "token.v1.found" => Found(At),
    /// It is out of use for good.
    "token.v1.retired" => Retired(At),
    /// It was physically destroyed.
    "token.v1.destroyed" => Destroyed(At),
}

impl Event {
    /// The task that it is of; none of what belongs to none.
    #[must_use]
    pub const fn task(&self) -> Option<Uuid> {
        match self {
            Self::TaskFiled(e) => Some(e.task),
            Self::TaskProgressed(e) => Some(e.task),
            Self::SecretsEscrowed(e) => Some(e.task),
            Self::EscrowedKeyReleased(e) => Some(e.task),
            Self::KeysMade(e) => Some(e.task),
            Self::Provisioned(e) | Self::Verified(e) => Some(e.task),
            Self::WasReset(e)
            | Self::Unblocked(e)
            | Self::SecretsRotated(e)
            | Self::TaskCancelled(e) => Some(e.task),
            Self::Quarantined(e) => Some(e.task),
            Self::TaskFailed(e) => Some(e.task),
            Self::SecretsReleased(e) => e.task,
            Self::Announced(_)
            | Self::Enrolled(_)
            | Self::Assigned(_)
            | Self::SecretsErased(_)
            | Self::UserBound(_)
            | Self::Lost(_)
            | Self::Found(_)
            | Self::Retired(_)
            | Self::HolderLeft(_)
            | Self::Destroyed(_) => None,
            Self::OfVerb(event) => match *event {},
        }
    }
}

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

impl Event {
    /// The groups that its history is in from then on, if it was not before.
    #[must_use]
    pub fn joins(&self) -> Vec<Group> {
        match self {
            Self::Announced(announced) => vec![Group::SeenAt(announced.workstation.clone())],
            Self::Assigned(assigned) => vec![Group::TokensOf(assigned.principal.clone())],
            Self::TaskFiled(filed) => vec![Group::TasksOf(filed.agent.clone())],
            Self::Enrolled(_)
            | Self::TaskProgressed(_)
            | Self::SecretsEscrowed(_)
            | Self::SecretsErased(_)
            | Self::EscrowedKeyReleased(_)
            | Self::KeysMade(_)
            | Self::Provisioned(_)
            | Self::Verified(_)
            | Self::WasReset(_)
            | Self::Unblocked(_)
            | Self::SecretsRotated(_)
            | Self::Quarantined(_)
            | Self::TaskFailed(_)
            | Self::TaskCancelled(_)
            | Self::UserBound(_)
            | Self::SecretsReleased(_)
            | Self::Lost(_)
            | Self::HolderLeft(_)
            | Self::Found(_)
            | Self::Retired(_)
            | Self::Destroyed(_) => Vec::new(),
            Self::OfVerb(event) => event.joins(),
        }
    }
}
