//! Finishes offboardings: what did not fit the first decision ends, or goes to somebody else, in as many further ones as it takes.

use std::time::Duration;

use keyledger_domain::{Event, Name, Record, ledger::Outcome, principal};
use tokio::time::{sleep, timeout};

use super::{effect::Effect, ground::Ground};

/// How long the handler is given to record a step.
const STEP: Duration = Duration::from_secs(5);
/// The pause between two looks whether it did.
const LOOK: Duration = Duration::from_millis(20);

/// An offboarding did not go on: a rule is in the way, or the store takes nothing.
#[derive(Debug, thiserror::Error)]
#[error("it does not go on: see `keyledger principal show`")]
pub(super) struct Stuck;

/// See the module.
pub(super) struct Offboarder(pub(super) Ground);

impl Effect for Offboarder {
    /// The principal.
    type Task = Name;
    type Error = Stuck;

    const NAME: &'static str = "finish an offboarding";
    const SWEEP: Duration = Duration::from_secs(600);

    fn wakes(record: &Record) -> Option<Name> {
        let Event::Principal(principal::Event::Offboarded(_)) = &record.event else {
            return None;
        };
        Some(record.history.name.clone())
    }

    async fn pending(&self) -> Result<Vec<Name>, Stuck> {
        Ok(self
            .0
            .ledger()
            .unfinished_offboardings()
            .into_iter()
            .collect())
    }

    /// Goes on until nothing is left to do.
    async fn run(&self, name: &Name) -> Result<(), Stuck> {
        while self.is_left(name) {
            let before = self.0.ledger().events();
            self.0.record(Outcome::Offboarded(name.clone())).await;
            let recorded = async {
                while self.is_left(name) && self.0.ledger().events() == before {
                    sleep(LOOK).await;
                }
            };
            timeout(STEP, recorded).await.map_err(|_| Stuck)?;
        }
        Ok(())
    }
}

impl Offboarder {
    fn is_left(&self, name: &Name) -> bool {
        self.0.ledger().unfinished_offboardings().contains(name)
    }
}
