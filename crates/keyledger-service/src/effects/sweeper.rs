//! Sweeps sealed material that no event names: what a command had sealed whose instance was killed before it wrote its event.

use std::{sync::Arc, time::Duration};

use keyledger_domain::{Ledger, Timestamp};

use crate::{reserve::is_reserve, shared::Shared, verbs::is_named};

/// How often it is looked for.
const EVERY: Duration = Duration::from_secs(6 * 3_600);
/// How long after the start: what is more pressing comes first.
const AFTER_START: Duration = Duration::from_secs(30);
/// How old an entry must be, in milliseconds. A command takes seconds; a day leaves time to notice that a ledger lacks events,
/// whose material this would be.
const OLD_MS: i64 = 24 * 3_600 * 1_000;

/// Sweeps at the start and now and then, for ever.
pub(super) async fn run(shared: Arc<Shared>) {
    tokio::time::sleep(AFTER_START).await;
    loop {
        sweep(&shared).await;
        tokio::time::sleep(EVERY).await;
    }
}

async fn sweep(shared: &Shared) {
    let entries = match shared.materials.entries().await {
        Ok(entries) => entries,
        Err(error) => return tracing::debug!(%error, "the material bucket cannot be listed"),
    };
    if let Err(error) = shared.handler.catch_up().await {
        return tracing::debug!(%error, "not swept: the ledger is not folded to its end");
    }
    if shared.live.broken().is_some() {
        return;
    }
    let orphans = orphans(&shared.live.ledger.read(), entries);
    let mut swept = 0;
    for entry in orphans {
        let erased = async {
            let written_at = shared.materials.written_at(&entry).await?;
            if !written_at.is_some_and(|at| is_old(at, (shared.clock)())) {
                return Ok(0);
            }
            shared.materials.erase(&entry).await.map(|()| 1)
        };
        match erased.await {
            Ok(erased) => swept += erased,
            Err(error) => {
                let error: crate::material::MaterialError = error;
                tracing::warn!(%error, %entry, "unused material was not erased");
            }
        }
    }
    if swept > 0 {
        tracing::info!(swept, "erased material that no event names");
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
