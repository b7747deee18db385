//! What an agent is given for its task: the token's secrets, and how often it is given anything.

use super::reports::{Walk, refuse};
use crate::{
    ledger::Decision,
    rejection::Rejection,
    token::{self, SecretsReleased, SecretsWanted, TaskKind},
};

/// How often the agent of a task is given a secret: once, and again after each crash before it was used. Each time is an event.
const MAX_GIVEN: u8 = 16;

impl Walk<'_> {
    /// An agent asks for the token's secrets: to unblock its PIN, or to make new ones. A verification is given the management key alone, to
    /// see whether it still is the token's; where the token is not at home, or no secrets of it are known, it goes without.
    pub(super) fn secrets_wanted(
        &self,
        wanted: &SecretsWanted,
        decision: &mut Decision,
    ) -> Result<(), Rejection> {
        let filed = &self.open.filed;
        let (known, home) = (self.token.entry.is_some(), self.token.home.as_ref());
        let is_home = home == Some(&filed.workstation);
        match filed.kind {
            TaskKind::Unblock | TaskKind::RotateSecrets if known => {}
            TaskKind::Verify if known && is_home => {}
            TaskKind::Verify => return Ok(()),
            TaskKind::Unblock | TaskKind::RotateSecrets | TaskKind::Provision | TaskKind::Reset => {
                return Err(refuse("this task is given no secrets"));
            }
        }
        // Whoever files a task names a workstation, and anybody's agent can say that it sees the token.
        if !is_home {
            return Err(refuse(
                "a token's secrets go only to the workstation where it was last proved: file the task for that one, or have an \
                 approver release them (`keyledger token release`)",
            ));
        }
        self.check_given()?;
        let released = SecretsReleased {
            seal_to: wanted.seal_to.clone(),
            task: Some(filed.task),
        };
        self.add(token::Event::SecretsReleased(released), decision);
        Ok(())
    }

    /// An agent does not fill the ledger with what it is given.
    pub(super) fn check_given(&self) -> Result<(), Rejection> {
        if self.open.given < MAX_GIVEN {
            return Ok(());
        }
        Err(Rejection::LimitReached {
            what: "times that a task's agent is given a secret (cancel the task, and file it again)",
            max: usize::from(MAX_GIVEN),
        })
    }
}
