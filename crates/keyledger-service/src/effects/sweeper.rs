//! Sweeps sealed material that no event names: a command had it sealed, and its instance was killed before it wrote its event.

use std::time::Duration;

use keyledger_domain::{Ledger, Record, Timestamp};

use super::{effect::Effect, ground::Ground};
use crate::{material::MaterialError, reserve::is_reserve, store::ReadError, verbs::is_named};

/// How old an entry must be, in milliseconds. A command takes seconds; a day leaves time to notice that a ledger lacks events,
/// whose material this would be.
const OLD_MS: i64 = 24 * 3_600 * 1_000;

/// Why nothing is swept, or an entry not erased.
#[derive(Debug, thiserror::Error)]
pub(super) enum SweepError {
    /// The material bucket does not answer: tried again.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// The ledger is not folded to its end: what looks unused may be named by an event. Tried again.
    #[error("the ledger is not folded to its end")]
    Behind(#[from] ReadError),
}

/// See the module.
pub(super) struct Sweeper(pub(super) Ground);

impl Effect for Sweeper {
    /// The entry.
    type Task = String;
    type Error = SweepError;

    const NAME: &'static str = "erase unused material";
    const SWEEP: Duration = Duration::from_secs(6 * 3_600);
    /// What is more pressing comes first.
    const FIRST_SWEEP: Duration = Duration::from_secs(30);

    fn wakes(_record: &Record) -> Option<String> {
        None // that no event came makes it due
    }

    async fn pending(&self) -> Result<Vec<String>, SweepError> {
        let shared = &self.0.shared;
        let entries = shared.materials.entries().await?;
        shared.handler.catch_up().await?;
        if shared.live.broken().is_some() {
            return Ok(Vec::new());
        }
        Ok(orphans(&self.0.ledger(), entries))
    }

    async fn run(&self, entry: &String) -> Result<(), SweepError> {
        let shared = &self.0.shared;
        let written_at = shared.materials.written_at(entry).await?;
        // It is looked at once more: a retry of an old command may have named it meanwhile.
        let is_unused = !is_named(&self.0.ledger(), entry);
        if is_unused && written_at.is_some_and(|at| is_old(at, (shared.clock)())) {
            shared.materials.erase(entry).await?;
            tracing::info!(%entry, "erased material that no event names");
        }
        Ok(())
    }
}

/// The entries that no event names.
fn orphans(ledger: &Ledger, entries: Vec<String>) -> Vec<String> {
    entries
        .into_iter()
        .filter(|entry| !is_reserve(entry) && !is_named(ledger, entry))
        .collect()
}

/// Whether no event can be on its way that names what was written at `written_at`.
const fn is_old(written_at: Timestamp, now: Timestamp) -> bool {
    now.ms() - written_at.ms() > OLD_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_event_names_is_swept_once_it_is_old() {
        let entries = [
            "orders-db.1.0199",
            "creds.0199.UABC",
            "token.42.0199",
            "reserve.3",
        ];
        let found = orphans(&Ledger::new(), entries.map(str::to_owned).to_vec());
        assert_eq!(found, entries[..3]);
        let now = Timestamp::from_ms(1_800_000_000_000);
        let hours_ago = |hours: i64| Timestamp::from_ms(now.ms() - hours * 3_600_000);
        assert!(is_old(hours_ago(25), now));
        assert!(!is_old(hours_ago(23), now));
    }
}
