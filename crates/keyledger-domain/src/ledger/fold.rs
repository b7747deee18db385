//! Folding: one record after the other, each linked to the one before it in its history.

use std::collections::{
    HashMap,
    hash_map::Entry::{Occupied, Vacant},
};

use super::{Entry, Head, Ledger, Remembered, states::States};
use crate::{
    cid::EventCid,
    event::Event,
    folded::{Folded, Indexed},
    name::{HistoryId, Name},
    record::Record,
    stamp::VerifiedBy,
    time::Timestamp,
};

/// What folding a record did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It was new.
    New,
    /// It had been folded before: the very same record.
    Already,
}

/// Why a record cannot follow in its history. A reader stops there: the ledger is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainBreak {
    /// A revision is missing, or one stands twice.
    #[error("{history}: revision {found} came where {expected} was expected")]
    Revision {
        /// Which history.
        history: HistoryId,
        /// The revision that should have come.
        expected: u32,
        /// The revision that came.
        found: u32,
    },
    /// It names another predecessor than the one that is there.
    #[error(
        "{history}: revision {revision} does not follow the revision before it: prev is not its CID"
    )]
    Prev {
        /// Which history.
        history: HistoryId,
        /// The revision that does not fit.
        revision: u32,
    },
    /// A revision that was folded before came again, changed.
    #[error("{history}: revision {revision} came again with other content")]
    Altered {
        /// Which history.
        history: HistoryId,
        /// The revision.
        revision: u32,
    },
    /// A revision that was folded before came again, further on in the stream than anything of its history.
    #[error("{history}: revision {revision} was written again")]
    Reinserted {
        /// Which history.
        history: HistoryId,
        /// The revision.
        revision: u32,
    },
    /// A rotation gives a key another version than the next one.
    #[error("{history}: version {found} came where version {expected} was expected")]
    Version {
        /// Which history.
        history: HistoryId,
        /// The version that should have come.
        expected: u32,
        /// The version that came.
        found: u32,
    },
    /// A history begins with an event that creates nothing.
    #[error("{history}: it begins with {type_name}, which creates nothing")]
    Beginning {
        /// Which history.
        history: HistoryId,
        /// The event it begins with.
        type_name: &'static str,
    },
}

impl Ledger {
    /// Folds one record, named by `cid` and stored at `sequence`.
    ///
    /// # Errors
    ///
    /// [`ChainBreak`] if it does not follow the record before it. Nothing was changed.
    pub fn apply(
        &mut self,
        record: &Record,
        cid: EventCid,
        sequence: u64,
    ) -> Result<Applied, ChainBreak> {
        let history = &record.history;
        let head = self.head(history);
        let expected = head.map_or(1, |h| h.revision + 1);
        if let Some(head) = head
            && record.revision <= head.revision
        {
            let altered = record.revision == head.revision && cid != head.cid;
            let again = sequence > head.sequence;
            return if again {
                Err(ChainBreak::Reinserted {
                    history: history.clone(),
                    revision: record.revision,
                })
            } else if altered {
                Err(ChainBreak::Altered {
                    history: history.clone(),
                    revision: record.revision,
                })
            } else {
                Ok(Applied::Already)
            };
        }
        if record.revision != expected {
            return Err(ChainBreak::Revision {
                history: history.clone(),
                expected,
                found: record.revision,
            });
        }
        if record.prev != head.map(|h| h.cid) {
            return Err(ChainBreak::Prev {
                history: history.clone(),
                revision: record.revision,
            });
        }
        let next = Head {
            revision: record.revision,
            cid,
            at: record.occurred_at,
            sequence,
        };
        self.fold_event(record, next)?;
        self.events += 1;
        self.bootstrap += u64::from(record.principal.verified_by == VerifiedBy::Genesis);
        self.latest = self.latest.max(Some(record.occurred_at));
        self.remember(record, sequence);
        Ok(Applied::New)
    }

    /// The first history of a command is the one it was for; later ones it only touched.
    fn remember(&mut self, record: &Record, sequence: u64) {
        let new = Remembered {
            sequence,
            history: record.history.tag(),
            count: 1,
            aggregate: record.history.aggregate,
            state: self.states.place(&record.history).unwrap_or(u8::MAX),
        };
        self.commands
            .entry(record.ids.command)
            .and_modify(|before| {
                if before.history == new.history {
                    let count = before.count.saturating_add(1);
                    *before = Remembered { count, ..new };
                }
            })
            .or_insert(new);
    }

    /// Creates or evolves the state of one history.
    fn fold_into<S: Folded>(
        &mut self,
        all: fn(&mut States) -> &mut HashMap<Name, Box<Entry<S>>>,
        record: &Record,
        event: &S::Event,
        head: Head,
    ) -> Result<(), ChainBreak> {
        let (history, at) = (&record.history, record.occurred_at);
        let name = &history.name;
        let ends = self.ends(name);
        let (before, after) = match all(&mut self.states).entry(name.clone()) {
            Occupied(mut known) => {
                let entry = known.get_mut();
                if let Some((expected, found)) = entry.state.wrong_version(event) {
                    return Err(ChainBreak::Version {
                        history: history.clone(),
                        expected,
                        found,
                    });
                }
                let before = entry.state.next_due(ends);
                entry.state.fold(event, at);
                entry.state.explain(event, &record.why);
                entry.head = head;
                (before, entry.state.next_due(ends))
            }
            Vacant(new) => {
                let Some(state) = S::begin(event, at) else {
                    return Err(ChainBreak::Beginning {
                        history: history.clone(),
                        type_name: record.event.type_name(),
                    });
                };
                let after = state.next_due(ends);
                new.insert(Box::new(Entry { head, state }));
                (None, after)
            }
        };
        self.moves_due(name, before, after);
        for indexed in S::indexed(event) {
            self.index(indexed, record);
        }
        Ok(())
    }

    /// Has what happened found later.
    fn index(&mut self, indexed: Indexed<'_>, record: &Record) {
        let name = &record.history.name;
        match indexed {
            Indexed::PublicKey(public) => self.bearers.add(public, &record.history),
            Indexed::Certificate(certified) => {
                let of_issuer = self.certificates.entry(certified.issuer.clone());
                of_issuer
                    .or_default()
                    .insert(certified.serial.clone(), name.clone());
                if certified.authority {
                    self.authorities.insert(name.clone());
                }
            }
            Indexed::Account(nkey) => {
                self.account_nkeys.insert(nkey.into(), name.clone());
            }
            Indexed::User(nkey) => {
                self.user_nkeys.insert(nkey.into(), name.clone());
            }
            Indexed::TrustOn(key) => self.trust(key, record),
        }
    }

    /// NATS trust of the record's history stands on `key` from now on: no clock ends it.
    fn trust(&mut self, key: &Name, record: &Record) {
        let before = self.next_due_of(key);
        self.trust.insert(key.clone(), record.history.clone());
        let after = self.next_due_of(key);
        self.moves_due(key, before, after);
    }

    /// Keeps the index of what falls due in step.
    fn moves_due(&mut self, key: &Name, before: Option<Timestamp>, after: Option<Timestamp>) {
        if before == after {
            return;
        }
        if let Some(at) = before {
            self.due.remove(&(at, key.clone()));
        }
        if let Some(at) = after {
            self.due.insert((at, key.clone()));
        }
    }
}

macro_rules! fold_each {
    ($( $(#[doc = $doc:literal])* $name:ident: $module:ident, $all:ident, $example:literal; )+) => {
        impl Ledger {
            fn fold_event(&mut self, record: &Record, head: Head) -> Result<(), ChainBreak> {
                match &record.event {
                    $( Event::$name(event) => {
                        self.fold_into(|states| &mut states.$all, record, event, head)
                    } )+
                }
            }
        }
    };
}
aggregates! { fold_each }
