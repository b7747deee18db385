//! Remarks on what a command did: what its sender would want to know beside the acknowledgement.

use super::Ledger;
use crate::{
    command::{Command, Target},
    key,
    name::HistoryId,
    user,
};

/// The most that are named one by one.
const MAX_NAMED: usize = 8;

impl Ledger {
    /// Sentences for people about a command that was accepted; `changed` is false of one that found everything so already.
    #[must_use]
    pub fn remarks(&self, target: &Target, command: &Command, changed: bool) -> Vec<String> {
        match command {
            Command::Key(key::Command::Register(_) | key::Command::Rotate(_))
            | Command::User(user::Command::Issue(_)) => self.same_public_key(target),
            Command::Key(key::Command::Revoke(r)) if r.revocation_reason.is_compromise() => {
                self.same_public_key(target)
            }
            Command::User(user::Command::Revoke(_)) if !changed => {
                self.revoked_before(target).into_iter().collect()
            }
            Command::Key(_)
            | Command::Principal(_)
            | Command::Operator(_)
            | Command::Account(_)
            | Command::User(_)
            | Command::Token(_)
            | Command::Report(_) => Vec::new(),
        }
    }

    fn same_public_key(&self, target: &Target) -> Vec<String> {
        let namesakes = self.namesakes(target);
        let say = |other: &&HistoryId| {
            let state = self.state(other).unwrap_or("unknown");
            format!("the same public key is {other}'s, which is {state}")
        };
        let more = namesakes.len().saturating_sub(MAX_NAMED);
        let named = namesakes.iter().take(MAX_NAMED).map(say);
        let rest = (more > 0).then(|| format!("and that of {more} more"));
        named.chain(rest).collect()
    }

    fn revoked_before(&self, target: &Target) -> Option<String> {
        let user = &self.user(&target.name)?.state;
        let at = user.revoked_at?;
        let why = user.revoked_why.as_ref();
        let why = why
            .map(|why| format!(": {}", why.as_str()))
            .unwrap_or_default();
        Some(format!("it was revoked before, at {at}{why}"))
    }
}
