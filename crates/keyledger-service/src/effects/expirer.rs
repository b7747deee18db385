//! Takes out of revocation lists what refuses only JWTs that have expired: lists are bounded.

use std::time::Duration;

use keyledger_domain::{Name, Record, account::KEEP_EXPIRED_SECONDS, ledger::Outcome};

use super::{effect::Effect, ground::Ground};
use crate::clock::ClockRefusal;

/// See the module.
pub(super) struct Expirer(pub(super) Ground);

impl Effect for Expirer {
    /// The account.
    type Task = Name;
    type Error = ClockRefusal;

    const NAME: &'static str = "shorten revocation lists";
    const SWEEP: Duration = Duration::from_secs(600);

    fn wakes(_record: &Record) -> Option<Name> {
        None // time alone makes it due
    }

    /// Accounts whose lists have something that could leave. Whether it is worth a new JWT, the domain's rule says.
    async fn pending(&self) -> Result<Vec<Name>, ClockRefusal> {
        let shared = &self.0.shared;
        let before = (shared.clock)().seconds() - KEEP_EXPIRED_SECONDS;
        let (due, latest): (Vec<_>, _) = {
            let ledger = self.0.ledger();
            let due = ledger
                .accounts()
                .filter(|(_, account)| account.state.revocations.expired(before) > 0)
                .map(|(name, _)| name.clone());
            (due.collect(), ledger.latest())
        };
        // A clock that runs ahead would let a user in again whose JWT has not expired.
        if !due.is_empty() {
            shared.clock_watch.confirm(latest).await?;
        }
        Ok(due)
    }

    async fn run(&self, account: &Name) -> Result<(), ClockRefusal> {
        let outcome = Outcome::RevocationsExpired(account.clone());
        self.0.record(outcome).await;
        Ok(())
    }
}
