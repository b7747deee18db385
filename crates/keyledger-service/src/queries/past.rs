//! The ledger as it was at a past moment: folded anew from the stream, and kept for the pages that follow.

use keyledger_domain::{EventCid, Ledger, Record, Timestamp};

use super::last_past::Past;
use crate::{
    refused::{Refused, broken},
    shared::Shared,
    store::StoredEvent,
    thread::on_a_thread,
};

/// How many events are read at once.
const AT_ONCE: usize = 1_000;

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
        let events = shared.store.read(past.after, AT_ONCE).await?;
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
        let record = Record::read(&event.payload).map_err(broken)?;
        // Dates never fall within a history, so what came later is left out of each history's end only.
        if record.occurred_at <= past.at {
            let cid = EventCid::of(&event.payload);
            let applied = past.ledger.apply(&record, cid, event.sequence);
            applied.map_err(broken)?;
        }
    }
    Ok(past)
}
