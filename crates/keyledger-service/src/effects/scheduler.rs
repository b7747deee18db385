//! Carries out dates that have come, as explicit events: exact after restarts, and not deceived by a clock that jumped.

use std::time::Duration;

use keyledger_domain::{Name, Record, ledger::Outcome};

use super::{effect::Effect, ground::Ground};
use crate::clock::ClockRefusal;

/// How many dates are carried out before the ledger is looked through again.
const AT_ONCE: usize = 1_000;

/// See the module.
pub(super) struct Scheduler(pub(super) Ground);

impl Effect for Scheduler {
    /// The key that has a date.
    type Task = Name;
    type Error = ClockRefusal;

    const NAME: &'static str = "carry out dates";
    /// A new date may come before the next known one.
    const SWEEP: Duration = Duration::from_millis(250);

    fn wakes(_record: &Record) -> Option<Name> {
        None // time alone makes it due
    }

    async fn pending(&self) -> Result<Vec<Name>, ClockRefusal> {
        let shared = &self.0.shared;
        let now = (shared.clock)();
        let (due, latest): (Vec<_>, _) = {
            let ledger = self.0.ledger();
            let due = ledger.due(now).take(AT_ONCE).cloned();
            (due.collect(), ledger.latest())
        };
        // What a date ends does not come back: the server's clock is asked before this one is believed.
        if !due.is_empty() {
            shared.clock_watch.confirm(latest).await?;
        }
        Ok(due)
    }

    async fn run(&self, key: &Name) -> Result<(), ClockRefusal> {
        self.0.record(Outcome::Due(key.clone())).await;
        Ok(())
    }

    /// When the next known date comes, if that is sooner. A date that has come waits for a full pause: it is being recorded, or the
    /// clock is not believed.
    fn next_sweep(&self) -> Duration {
        let now = (self.0.shared.clock)();
        let next = self.0.ledger().next_due().map(|at| at.ms() - now.ms());
        let next = next
            .and_then(|ms| u64::try_from(ms).ok())
            .filter(|ms| *ms > 0);
        next.map_or(Self::SWEEP, |ms| Duration::from_millis(ms).min(Self::SWEEP))
    }
}
