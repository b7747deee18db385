//! Retries: what tells a command that comes again from another one under a used id.

use crate::{
    command::Command,
    event::Event,
    principal,
    record::Record,
    stamp::Stamp,
    token::{self, Report, Reported},
};

impl Command {
    /// True if it is the command that wrote `first`, the first event under its id, and so is to be answered as it was then.
    ///
    /// Of most commands the verb tells: their answer says only what was done. A command whose answer delivers a secret must come
    /// from the same sender, with the same receiver: nobody is to be given anything that the event does not say he was given. A
    /// report must be of the same agent, task and kind.
    #[must_use]
    pub fn is_retry_of(&self, first: &Record, sender: &Stamp) -> bool {
        let before = &*first.principal;
        match self {
            Self::Report(reported) => before.user == sender.user && reported.wrote(&first.event),
            Self::Token(token::Command::Release(release)) => {
                is_same(before, sender) && was_released(release, &first.event)
            }
            Self::Principal(principal::Command::RecoverKey(recover)) => {
                is_same(before, sender) && was_recovered(recover, &first.event)
            }
            _ => self.writes(first.event.past()),
        }
    }

    /// True if the first event it writes to its own history is the one called `past`.
    fn writes(&self, past: &str) -> bool {
        matches!(
            (self.verb(), past),
            ("generate", "generated")
                | ("register", "registered")
                | ("activate", "activated")
                | ("suspend", "suspended")
                | ("resume", "resumed")
                | ("deactivate", "deactivated")
                | ("revoke", "revoked")
                | ("rotate", "rotated")
                | ("destroy", "destroyed")
                | ("archive", "archived")
                | ("recover", "recovered")
                | ("describe", "described")
                | ("schedule", "scheduled")
                | ("offboard", "offboarded")
                | ("publish", "openpgp_published")
                | ("create", "created")
                | ("issue", "issued")
                | ("enrol", "enrolled")
                | ("assign" | "transfer", "assigned")
                | (
                    "provision" | "verify" | "reset" | "unblock" | "rotate-secrets",
                    "task_filed"
                )
                | ("cancel", "task_cancelled")
                | ("bind", "user_bound")
                | ("lose", "lost")
                | ("find", "found")
                | ("retire", "retired")
                | ("certify" | "install", "certified")
                | ("revoke-certificate", "certificate_revoked")
                | ("trust", "attestation_authority_trusted")
        )
    }
}

impl Reported {
    /// True if this report, taken before, wrote `event`.
    fn wrote(&self, event: &Event) -> bool {
        use {Report as R, token::Event as E};
        let Event::Token(event) = event else {
            return false;
        };
        let of_task = event.task().is_some() && event.task() == self.task;
        match (&self.report, event) {
            (R::Announced(shown), E::Announced(before)) => before.shown == *shown,
            (R::Progressed(progress), E::TaskProgressed(before)) => {
                of_task && before.step == progress.step
            }
            (R::SecretsWanted(wanted), E::SecretsReleased(before)) => {
                of_task && before.seal_to == wanted.seal_to
            }
            (R::EscrowWanted(wanted), E::EscrowedKeyReleased(before)) => {
                of_task && before.seal_to == wanted.seal_to
            }
            (R::SecretsSealed(_), E::SecretsEscrowed(_))
            | (R::EscrowWanted(_), E::Quarantined(_))
            | (R::KeysMade(_), E::KeysMade(_) | E::Quarantined(_))
            | (
                R::Proved(_),
                E::Provisioned(_)
                | E::Verified(_)
                | E::WasReset(_)
                | E::Unblocked(_)
                | E::SecretsRotated(_)
                | E::Quarantined(_),
            )
            | (R::Failed(_), E::TaskFailed(_)) => of_task,
            _ => false,
        }
    }
}

/// By nkeys: names are for people.
fn is_same(one: &Stamp, other: &Stamp) -> bool {
    (&one.account, &one.user) == (&other.account, &other.user)
}

fn was_released(release: &token::Release, event: &Event) -> bool {
    let Event::Token(token::Event::SecretsReleased(before)) = event else {
        return false;
    };
    before.task.is_none() && *before.seal_to == *release.seal_to
}

fn was_recovered(recover: &principal::RecoverKey, event: &Event) -> bool {
    let Event::Principal(principal::Event::KeyRecovered(before)) = event else {
        return false;
    };
    let is_key = recover.key.as_ref().is_none_or(|key| *key == before.key);
    is_key && *before.seal_to == *recover.seal_to
}
