//! Takes out of revocation lists what refuses only JWTs that have expired: lists are bounded.

use std::{sync::Arc, time::Duration};

use keyledger_domain::{Name, Stamp, account::KEEP_EXPIRED_SECONDS, ledger::Outcome};

use crate::shared::Shared;

/// How often lists are looked at.
const LOOK: Duration = Duration::from_secs(600);

/// Looks for ever.
pub(super) async fn run(shared: Arc<Shared>, principal: Arc<Stamp>) {
    loop {
        let due = due(&shared);
        // A clock that runs ahead would let in again whose JWT has not expired.
        if !due.is_empty() {
            let latest = shared.live.ledger.read().latest();
            match shared.clock_watch.confirm(latest).await {
                Ok(()) => {
                    for name in due {
                        let outcome = Outcome::RevocationsExpired(name);
                        shared
                            .handler
                            .outcome(outcome, Arc::clone(&principal))
                            .await;
                    }
                }
                Err(refusal) => {
                    tracing::warn!(%refusal, "expired entries stay on revocation lists");
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Accounts whose lists have something that could leave. Whether it is worth a new JWT is the domain's to say.
fn due(shared: &Shared) -> Vec<Name> {
    let before = (shared.clock)().seconds() - KEEP_EXPIRED_SECONDS;
    let ledger = shared.live.ledger.read();
    let accounts = ledger.accounts();
    accounts
        .filter(|(_, account)| account.state.revocations.expired(before) > 0)
        .map(|(name, _)| name.clone())
        .collect()
}
