//! Histories, page by page. Each page begins where the one before it ended: what was folded on the way is kept.

use std::sync::Arc;

use keyledger_domain::{
    EventCid, Record, Rejection,
    name::HistoryId,
    views::{HistoryQuery, TimelineEntry, TimelinePage},
};

use super::folds::{EVERY, Reached};
use crate::{
    refused::{Refused, broken},
    shared::Shared,
    store::StoredEvent,
    thread::on_a_thread,
};

/// A page of a history: as much as fits a message; nothing if it asks for what comes after the last.
pub(super) async fn page(
    shared: &Shared,
    id: &HistoryId,
    query: &HistoryQuery,
) -> Result<Vec<TimelineEntry>, Refused> {
    let head = shared.live.ledger.read().head(id);
    let head = head.ok_or_else(|| Rejection::NotFound(id.clone()))?;
    let until = query.until()?.min(head.revision);
    let after = query.after.unwrap_or_default();
    if after >= head.revision {
        return Ok(Vec::new());
    }
    let reached = shared.folds.up_to(id, after).unwrap_or_default();
    let mut reached = Arc::unwrap_or_clone(reached);
    while reached.revision < after {
        let events = next(shared, id, &reached, after).await?;
        reached = on_a_thread(move || fold(reached, events)).await??;
        shared.folds.keep(id, reached.clone());
    }
    let mut page = TimelinePage::behind(reached.fold.clone(), shared.budget());
    while reached.revision < until {
        let events = next(shared, id, &reached, until).await?;
        let filled = on_a_thread(move || fill(page, &reached, events)).await??;
        if filled.is_full {
            return Ok(filled.page.finish());
        }
        (page, reached) = (filled.page, filled.reached);
        shared.folds.keep(id, reached.clone());
    }
    Ok(page.finish())
}

/// The next events of a history, up to a revision.
async fn next(
    shared: &Shared,
    id: &HistoryId,
    reached: &Reached,
    until: u32,
) -> Result<Vec<StoredEvent>, Refused> {
    let step = EVERY - reached.revision % EVERY;
    let count = step.min(until - reached.revision);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let filter = shared.prefix.history(id);
    let events = shared.store.history(filter, reached.sequence, count).await;
    Ok(events?)
}

fn read(event: &StoredEvent) -> Result<(Record, EventCid), Refused> {
    let record = Record::read(&event.payload).map_err(broken)?;
    Ok((record, EventCid::of(&event.payload)))
}

fn fold(mut reached: Reached, events: Vec<StoredEvent>) -> Result<Reached, Refused> {
    for event in events {
        let (record, cid) = read(&event)?;
        let folded = reached.fold.fold(&record, cid, event.sequence);
        folded.map_err(broken)?;
        reached.revision = record.revision;
        reached.sequence = event.sequence;
    }
    Ok(reached)
}

/// A page with more on it.
struct Filled {
    page: TimelinePage,
    reached: Reached,
    is_full: bool,
}

fn fill(
    mut page: TimelinePage,
    reached: &Reached,
    events: Vec<StoredEvent>,
) -> Result<Filled, Refused> {
    let (mut revision, mut sequence) = (reached.revision, reached.sequence);
    let mut is_full = false;
    for event in events {
        let (record, cid) = read(&event)?;
        let added = page.add(&record, cid, event.sequence);
        if !added.map_err(broken)? {
            is_full = true;
            break;
        }
        (revision, sequence) = (record.revision, event.sequence);
    }
    let reached = Reached {
        fold: page.fold().clone(),
        revision,
        sequence,
    };
    Ok(Filled {
        page,
        reached,
        is_full,
    })
}
