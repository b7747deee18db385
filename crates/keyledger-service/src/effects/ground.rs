//! What every effect stands on.

use std::sync::Arc;

use keyledger_domain::{Ledger, Stamp, ledger::Outcome};
use parking_lot::RwLockReadGuard;

use crate::shared::Shared;

/// The running instance, and in whose name it records.
#[derive(Clone)]
pub(super) struct Ground {
    pub(super) shared: Arc<Shared>,
    pub(super) principal: Arc<Stamp>,
}

impl Ground {
    pub(super) fn ledger(&self) -> RwLockReadGuard<'_, Ledger> {
        self.shared.live.ledger.read()
    }

    /// Has an outcome recorded. Of one that the ledger holds already, nothing is written.
    pub(super) async fn record(&self, outcome: Outcome) {
        let principal = Arc::clone(&self.principal);
        self.shared.handler.outcome(outcome, principal).await;
    }
}
