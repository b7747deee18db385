//! Fires what falls due, as explicit events: exact after restarts, and not fooled by a clock that jumped.

use std::{sync::Arc, time::Duration};

use keyledger_domain::{Name, Stamp, ledger::Outcome};

use crate::{
    clock::{MAX_SKEW_MS, ahead_ms},
    shared::Shared,
};

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
        match ahead_ms(&shared.nats, &shared.prefix, &shared.clock).await {
            Some(ahead) if ahead.abs() <= MAX_SKEW_MS => {
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
            ahead => {
                if !said {
                    tracing::error!(
                        ahead_ms = ahead,
                        "dates are due, but this clock and the server's differ, or the server does not say: nothing is fired"
                    );
                    said = true;
                }
            }
        }
        tokio::time::sleep(NAP).await;
    }
}
