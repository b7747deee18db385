//! States of histories that were folded on the way to a page, kept for the next page.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use keyledger_domain::{name::HistoryId, views::HistoryFold};
use parking_lot::Mutex;

/// A fold is kept every so many revisions; no more events are read at once, so that a page takes little memory.
pub(super) const EVERY: u32 = 128;
/// How many bytes of folds are kept: some 2 KiB each of most histories.
const MOST_BYTES: usize = 16 * 1_024 * 1_024;

/// How far a history was folded.
#[derive(Debug, Clone, Default)]
pub(super) struct Reached {
    pub(super) fold: HistoryFold,
    /// The last revision.
    pub(super) revision: u32,
    /// Its sequence in the stream.
    pub(super) sequence: u64,
}

/// The kept states, by history and revision.
#[derive(Debug, Default)]
pub(crate) struct Folds(Mutex<KeptFolds>);

#[derive(Debug, Default)]
struct KeptFolds {
    histories: HashMap<HistoryId, BTreeMap<u32, (Arc<Reached>, usize)>>,
    /// Each of them, the oldest first.
    order: VecDeque<(HistoryId, u32)>,
    bytes: usize,
}

impl Folds {
    /// The furthest that was kept up to a revision.
    pub(super) fn up_to(&self, history: &HistoryId, revision: u32) -> Option<Arc<Reached>> {
        let kept = self.0.lock();
        let folds = kept.histories.get(history)?;
        let (_, (reached, _)) = folds.range(..=revision).next_back()?;
        Some(Arc::clone(reached))
    }

    /// Keeps one, and lets go of the oldest where there are too many.
    pub(super) fn keep(&self, history: &HistoryId, reached: Reached) {
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
