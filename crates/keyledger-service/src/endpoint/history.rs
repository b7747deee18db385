//! Histories, page by page. Each page begins where the one before it ended: what was folded on the way is kept.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use keyledger_domain::{
    EventCid, Record, Rejection,
    name::HistoryId,
    views::{HistoryFold, HistoryQuery, TimelineEntry, TimelinePage},
};
use parking_lot::Mutex;

use super::query::{broken, on_a_thread, unreadable};
use crate::{refused::Refused, shared::Shared, store::StoredEvent};

/// A fold is kept every so many revisions; no more events are read at once, so that a page takes little memory.
const EVERY: u32 = 128;
/// How many bytes of folds are kept: some 2 KiB each of most histories.
const MOST_BYTES: usize = 16 * 1_024 * 1_024;

/// How far a history was folded.
#[derive(Debug, Clone, Default)]
struct Reached {
    fold: HistoryFold,
    /// The last revision.
    revision: u32,
    /// Its sequence in the stream.
    sequence: u64,
}

/// What was folded of histories on the way to pages behind their beginning.
#[derive(Debug, Default)]
pub(crate) struct Folds(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    histories: HashMap<HistoryId, BTreeMap<u32, (Arc<Reached>, usize)>>,
    /// Each of them, the oldest first.
    order: VecDeque<(HistoryId, u32)>,
    bytes: usize,
}

impl Folds {
    /// The furthest that was kept up to a revision.
    fn up_to(&self, history: &HistoryId, revision: u32) -> Option<Arc<Reached>> {
        let kept = self.0.lock();
        let folds = kept.histories.get(history)?;
        let (_, (reached, _)) = folds.range(..=revision).next_back()?;
        Some(Arc::clone(reached))
    }

    /// Keeps one, and lets go of the oldest where there are too many.
    fn keep(&self, history: &HistoryId, reached: Reached) {
        let bytes = reached.fold.bytes();
        if !reached.revision.is_multiple_of(EVERY) || bytes > MOST_BYTES / 16 {
            return;
        }
        let mut kept = self.0.lock();
        let revision = reached.revision;
        let folds = kept.histories.entry(history.clone()).or_default();
        if folds.insert(revision, (Arc::new(reached), bytes)).is_some() {
            return;
        }
        kept.bytes += bytes;
        kept.order.push_back((history.clone(), revision));
        while kept.bytes > MOST_BYTES
            && let Some((history, revision)) = kept.order.pop_front()
        {
            let Some(folds) = kept.histories.get_mut(&history) else {
                continue;
            };
            let gone = folds.remove(&revision).map_or(0, |(_, bytes)| bytes);
            if folds.is_empty() {
                kept.histories.remove(&history);
            }
            kept.bytes -= gone;
        }
    }
}

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
    events.map_err(|e| unreadable(&e))
}

fn read(event: &StoredEvent) -> Result<(Record, EventCid), Refused> {
    let record = Record::read(&event.payload).map_err(|e| broken(&e))?;
    Ok((record, EventCid::of(&event.payload)))
}

fn fold(mut reached: Reached, events: Vec<StoredEvent>) -> Result<Reached, Refused> {
    for event in events {
        let (record, cid) = read(&event)?;
        let folded = reached.fold.fold(&record, cid, event.sequence);
        folded.map_err(|e| broken(&e))?;
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
        if !added.map_err(|e| broken(&e))? {
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

#[cfg(test)]
mod tests {
    use keyledger_domain::{Name, name::Aggregate};

    use super::*;

    #[test]
    fn folds_are_found_from_the_nearest_and_never_take_more_than_their_bytes() {
        let folds = Folds::default();
        let id = |n: u32| {
            let name = Name::new(&format!("k{n}")).expect("it is a name");
            HistoryId::new(Aggregate::Key, name)
        };
        let reached = |revision| Reached {
            revision,
            sequence: u64::from(revision) * 10,
            ..Reached::default()
        };
        for revision in [128, 200, 256] {
            folds.keep(&id(1), reached(revision));
        }
        let found = |revision| {
            folds
                .up_to(&id(1), revision)
                .map(|r| (r.revision, r.sequence))
        };
        assert_eq!(found(127), None);
        assert_eq!(found(128), Some((128, 1_280)));
        assert_eq!(
            found(255),
            Some((128, 1_280)),
            "200 is none of those that are kept"
        );
        assert_eq!(found(9_000), Some((256, 2_560)));
        assert!(folds.up_to(&id(2), 9_000).is_none());
        let each = reached(128).fold.bytes();
        let many = u32::try_from(MOST_BYTES / each).expect("it is some thousand") + 10;
        for n in 0..many {
            folds.keep(&id(n), reached(128));
        }
        let kept = folds.0.lock();
        assert!(kept.bytes <= MOST_BYTES && kept.bytes > MOST_BYTES - 2 * each);
        assert_eq!(
            kept.order.len(),
            kept.histories.values().map(BTreeMap::len).sum::<usize>()
        );
    }
}
