//! Fires what falls due, as explicit events: exact after restarts, and not fooled by a clock that jumped.

use std::{sync::Arc, time::Duration};

use keyledger_domain::{Name, Stamp, ledger::Outcome};

use crate::shared::Shared;

/// How long is slept at most: a new date may come before the next known one.
const NAP: Duration = Duration::from_millis(250);
/// How many are fired before it is looked again.
const AT_ONCE: usize = 1_000;

/// Fires for ever.
pub(super) async fn run(shared: Arc<Shared>, principal: Arc<Stamp>) {
    let mut said = false;
    loop {
        let now = (shared.clock)();
        let next = shared.live.ledger.read().next_due();
        let wait = next.map_or(NAP, |at| {
            Duration::from_millis(u64::try_from(at.ms() - now.ms()).unwrap_or(0)).min(NAP)
        });
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
            continue;
        }
        // There is no way back from what a date ends: the server's clock is asked before it is believed.
        let latest = shared.live.ledger.read().latest();
        match shared.clock_watch.confirm(latest).await {
            Ok(()) => {
                said = false;
                let due: Vec<Name> = shared
                    .live
                    .ledger
                    .read()
                    .due(now)
                    .take(AT_ONCE)
                    .cloned()
                    .collect();
                for name in due {
                    shared
                        .handler
                        .outcome(Outcome::Due(name), Arc::clone(&principal))
                        .await;
                }
            }
            Err(refusal) => {
                if !said {
                    tracing::error!(%refusal, "dates are due, and nothing is fired");
                    said = true;
                }
            }
        }
        tokio::time::sleep(NAP).await;
    }
}
