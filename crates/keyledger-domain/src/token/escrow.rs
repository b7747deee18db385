//! The key that decrypts, where it is made in custody and imported: how an agent asks for it, and that it was given.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{OpenTask, OpenpgpRole, Profile, Serial, TaskKind};
use crate::principal::Escrowed;

/// The key that decrypts is needed, to be imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EscrowWanted {
    /// The token.
    pub serial: Serial,
    /// The agent's public curve key (`X…`): it is sealed to it in the answer.
    pub seal_to: Box<str>,
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

impl Profile {
    /// True if its key that decrypts is made in custody and imported.
    #[must_use]
    pub fn escrows(&self) -> bool {
        let plan = self.openpgp.as_ref();
        plan.is_some_and(|plan| plan.subkey(OpenpgpRole::Encrypt).escrow)
    }
}

impl OpenTask {
    /// True if its agent is given a key of custody to import.
    #[must_use]
    pub fn imports(&self) -> bool {
        let profile = self.filed.profile.as_ref();
        self.filed.kind == TaskKind::Provision && profile.is_some_and(Profile::escrows)
    }
}
