//! Finishes offboardings: what did not fit the decision itself ends, or goes to somebody, in as many more as it takes.

use std::{sync::Arc, time::Duration};

use keyledger_domain::{Name, Stamp, ledger::Outcome};
use tokio::sync::mpsc;

use crate::shared::Shared;

/// How soon what could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// How often the whole ledger is looked through for what another instance began and did not finish.
const SWEEP: Duration = Duration::from_secs(600);

/// Finishes what `names` bring, and what earlier runs left.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut names: mpsc::UnboundedReceiver<Name>,
    principal: Arc<Stamp>,
) {
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        let waiting = tokio::select! {
            name = names.recv() => match name {
                Some(name) => vec![name],
                None => return,
            },
            _ = sweep.tick() => shared.live.ledger.read().unfinished_offboardings().into_iter().collect(),
        };
        for name in waiting {
            finish(&shared, &principal, &name).await;
        }
    }
}

/// Goes on until nothing of `name` is left, or nothing more can be done.
async fn finish(shared: &Shared, principal: &Arc<Stamp>, name: &Name) {
    loop {
        let before = shared.live.ledger.read().events();
        if !is_left(shared, name) {
            return;
        }
        let goes_on = Outcome::Offboarded(name.clone());
        shared.handler.outcome(goes_on, Arc::clone(principal)).await;
        if shared.live.ledger.read().events() == before {
            tracing::warn!(principal = %name, "an offboarding is not finished: see `keyledger principal show`");
            tokio::time::sleep(AGAIN).await;
            if shared.live.ledger.read().events() == before {
                return; // the next sweep looks again
            }
        }
    }
}

fn is_left(shared: &Shared, name: &Name) -> bool {
    let ledger = shared.live.ledger.read();
    ledger.unfinished_offboardings().contains(name)
}
