//! Folding: one record after the other, each linked to the one before it in its history.

use std::collections::HashMap;

use super::{Entry, Fingerprint, Head, Ledger, Remembered};
use crate::{
    account::{self, Account},
    cid::EventCid,
    event::Event,
    key::{self, Key},
    name::{HistoryId, Name},
    operator::{self, Operator},
    principal::Principal,
    record::Record,
    stamp::VerifiedBy,
    token::{self, Token},
    user::{self, User},
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
        self.check_version(record)?;
        let next = Head {
            revision: record.revision,
            cid,
            at: record.occurred_at,
            sequence,
        };
        let known = match &record.event {
            Event::Key(event) => self.fold_key(record, event, next),
            Event::Principal(event) => fold(
                &mut self.principals,
                &history.name,
                next,
                || Principal::create(event, record.occurred_at),
                |p| p.evolve(event),
            ),
            Event::Operator(event) => self.fold_operator(record, event, next),
            Event::Account(event) => self.fold_account(record, event, next),
            Event::User(event) => self.fold_user(record, event, next),
            Event::Token(event) => self.fold_token(record, event, next),
        };
        if !known {
            let type_name = record.event.type_name();
            return Err(ChainBreak::Beginning {
                history: history.clone(),
                type_name,
            });
        }
        self.events += 1;
        self.bootstrap += u64::from(record.principal.verified_by == VerifiedBy::Genesis);
        self.latest = self.latest.max(Some(record.occurred_at));
        self.remember(record, sequence);
        Ok(Applied::New)
    }

    /// Versions are counted without gaps: what a rotation claims to be, it must be.
    fn check_version(&self, record: &Record) -> Result<(), ChainBreak> {
        let history = &record.history;
        if let Event::Key(key::Event::Rotated(rotated)) = &record.event
            && let Some(entry) = self.key(&history.name)
        {
            let expected = entry.state.newest().map_or(1, |newest| newest.number + 1);
            if rotated.version != expected {
                return Err(ChainBreak::Version {
                    history: history.clone(),
                    expected,
                    found: rotated.version,
                });
            }
        }
        Ok(())
    }

    /// The first history of a command is the one it was for; later ones it only touched.
    fn remember(&mut self, record: &Record, sequence: u64) {
        let state = self.state(&record.history).unwrap_or_default();
        let state = Self::STATES
            .iter()
            .position(|s| *s == state)
            .unwrap_or_default();
        let new = Remembered {
            sequence,
            history: record.history.tag(),
            count: 1,
            state: u8::try_from(state).unwrap_or_default(),
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

    fn fold_key(&mut self, record: &Record, event: &key::Event, next: Head) -> bool {
        let (name, at) = (&record.history.name, record.occurred_at);
        if let key::Event::Certified(certified) = event {
            self.certificates
                .entry(certified.issuer.clone())
                .or_default()
                .insert(certified.serial.clone(), name.clone());
            if certified.authority {
                self.authorities.insert(name.clone());
            }
        }
        let known = self.reindexing(name, |ledger| {
            let create = || Key::create(event, at);
            fold(&mut ledger.keys, name, next, create, |k| {
                k.evolve(event, at);
                k.explain(event, &record.why);
            })
        });
        if let (Some(public), true) = (event.public(), known) {
            self.bearers.add_version(public, &record.history);
        }
        known
    }

    fn fold_operator(&mut self, record: &Record, event: &operator::Event, next: Head) -> bool {
        let (name, at) = (&record.history.name, record.occurred_at);
        let create = || Operator::create(event, at);
        let known = fold(&mut self.operators, name, next, create, |o| o.evolve(event));
        match event {
            operator::Event::Created(created) if known => self.trust(&created.key, record),
            operator::Event::SigningKeyAdded(added) if known => self.trust(&added.key, record),
            _ => {}
        }
        known
    }

    fn fold_account(&mut self, record: &Record, event: &account::Event, next: Head) -> bool {
        let (name, at) = (&record.history.name, record.occurred_at);
        let create = || Account::create(event, at);
        let known = fold(&mut self.accounts, name, next, create, |a| {
            a.evolve(event, at)
        });
        if let (account::Event::Created(created), true) = (event, known) {
            self.account_nkeys
                .insert(created.nkey.clone(), name.clone());
            self.trust(&created.key, record);
            for signing in &created.signing_keys {
                self.trust(&signing.key, record);
            }
        }
        known
    }

    fn fold_user(&mut self, record: &Record, event: &user::Event, next: Head) -> bool {
        let name = &record.history.name;
        let create = || User::create(event);
        let known = fold(&mut self.users, name, next, create, |u| {
            u.evolve(event);
            u.explain(event, &record.why);
        });
        if let (user::Event::Issued(issued), true) = (event, known) {
            self.user_nkeys.insert(issued.nkey.clone(), name.clone());
            let public = Fingerprint::of_nkey(&issued.nkey);
            self.bearers.add(public, &record.history);
        }
        known
    }

    fn fold_token(&mut self, record: &Record, event: &token::Event, next: Head) -> bool {
        let (name, at) = (&record.history.name, record.occurred_at);
        let create = || Token::create(event, at);
        fold(&mut self.tokens, name, next, create, |t| {
            t.evolve(event, at);
        })
    }

    /// NATS trust of the record's history stands on `key` from now on: no clock ends it.
    fn trust(&mut self, key: &Name, record: &Record) {
        self.reindexing(key, |ledger| {
            ledger.trust.insert(key.clone(), record.history.clone());
        });
    }

    /// Changes something about a key, and keeps the index of what falls due in step.
    fn reindexing<T>(&mut self, key: &Name, change: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.next_due_of(key);
        let changed = change(self);
        let after = self.next_due_of(key);
        if before != after {
            if let Some(at) = before {
                self.due.remove(&(at, key.clone()));
            }
            if let Some(at) = after {
                self.due.insert((at, key.clone()));
            }
        }
        changed
    }
}

/// Creates or evolves one entry. False if the history does not exist and the event creates nothing.
fn fold<S>(
    entries: &mut HashMap<Name, Box<Entry<S>>>,
    name: &Name,
    head: Head,
    create: impl FnOnce() -> Option<S>,
    evolve: impl FnOnce(&mut S),
) -> bool {
    if let Some(entry) = entries.get_mut(name) {
        evolve(&mut entry.state);
        entry.head = head;
        return true;
    }
    let Some(state) = create() else { return false };
    entries.insert(name.clone(), Box::new(Entry { head, state }));
    true
}
