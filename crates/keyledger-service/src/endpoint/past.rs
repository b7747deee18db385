//! The ledger as it was at a past moment: folded anew from the stream, and kept for the pages that follow.

use std::{sync::Arc, time::Duration};

use keyledger_domain::{EventCid, Ledger, Record, Timestamp};
use parking_lot::Mutex;

use super::query::{broken, on_a_thread, unreadable};
use crate::{refused::Refused, shared::Shared, store::StoredEvent};

/// How long one is kept after it was last asked: it takes as much memory as the ledger of now.
const KEPT: Duration = Duration::from_secs(10);
/// How many events are read at once.
const AT_ONCE: usize = 1_000;

/// The ledger of a past moment.
#[derive(Debug)]
pub(super) struct Past {
    at: Timestamp,
    /// How far the stream was folded.
    after: u64,
    pub(super) ledger: Ledger,
}

/// The one that was asked last.
#[derive(Debug, Default)]
pub(crate) struct LastPast(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    past: Option<Past>,
    /// How often one was put here.
    puts: u64,
}

impl LastPast {
    /// Keeps one for a while.
    pub(super) fn keep(self: &Arc<Self>, past: Past) {
        let puts = {
            let mut kept = self.0.lock();
            kept.past = Some(past);
            kept.puts += 1;
            kept.puts
        };
        let this = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(KEPT).await;
            let mut kept = this.0.lock();
            if kept.puts == puts {
                kept.past = None;
            }
        });
    }

    /// Takes the one of a moment; any other is let go before a new one takes its memory.
    fn take(&self, at: Timestamp) -> Option<Past> {
        self.0.lock().past.take().filter(|past| past.at == at)
    }
}

/// The ledger as it was at a past moment.
///
/// # Errors
///
/// [`Refused`] if the stream cannot be read.
pub(super) async fn as_of(shared: &Shared, at: Timestamp) -> Result<Past, Refused> {
    let mut past = shared.last_past.take(at).unwrap_or_else(|| Past {
        at,
        after: 0,
        ledger: Ledger::new(),
    });
    let last = shared.live.position().sequence;
    while past.after < last {
        let events = shared.store.read(past.after, AT_ONCE).await;
        let events = events.map_err(|e| unreadable(&e))?;
        if events.is_empty() {
            break;
        }
        past = on_a_thread(move || fold(past, events)).await??;
    }
    Ok(past)
}

fn fold(mut past: Past, events: Vec<StoredEvent>) -> Result<Past, Refused> {
    for event in events {
        past.after = event.sequence;
        let record = Record::read(&event.payload).map_err(|e| broken(&e))?;
        // Dates never fall within a history, so what came later is left out of each history's end only.
        if record.occurred_at <= past.at {
            let cid = EventCid::of(&event.payload);
            let applied = past.ledger.apply(&record, cid, event.sequence);
            applied.map_err(|e| broken(&e))?;
        }
    }
    Ok(past)
}
