//! What a decision looked at besides what it writes: it must still be so when its events are stored.
//!
//! Nobody declares it. A rule sees the ledger through a [`Reader`](super::Reader), which notes each history and each group that is looked at.

use std::collections::BTreeSet;

use crate::{event::Event, group::Group, name::HistoryId};

/// What was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    histories: BTreeSet<HistoryId>,
    groups: BTreeSet<Group>,
}

impl Reads {
    /// The histories, those that are not there among them.
    pub fn histories(&self) -> impl Iterator<Item = &HistoryId> {
        self.histories.iter()
    }

    /// The groups that no other history may join.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter()
    }

    /// True if more was looked at than these histories.
    #[must_use]
    pub fn go_beyond<'a>(&self, histories: impl IntoIterator<Item = &'a HistoryId>) -> bool {
        let mut rest: BTreeSet<_> = self.histories.iter().collect();
        for history in histories {
            rest.remove(history);
        }
        !(rest.is_empty() && self.groups.is_empty())
    }

    /// True if what was looked at may be another after `event` of `history`.
    #[must_use]
    pub fn are_touched_by(&self, history: &HistoryId, event: &Event) -> bool {
        let mut joined = event.joins().into_iter();
        self.histories.contains(history) || joined.any(|group| self.groups.contains(&group))
    }

    /// Adds what else was looked at.
    pub fn add(&mut self, other: Self) {
        self.histories.extend(other.histories);
        self.groups.extend(other.groups);
    }

    pub(super) fn note(&mut self, history: HistoryId) {
        self.histories.insert(history);
    }

    pub(super) fn note_group(&mut self, group: Group) {
        self.groups.insert(group);
    }
}

/// What was found, with all that was looked at to find it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded<T> {
    /// What was found.
    pub result: T,
    /// What was looked at.
    pub reads: Reads,
}
