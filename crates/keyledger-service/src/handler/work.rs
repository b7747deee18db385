//! What the handler is given to do, while it waits and while it is on its way to the store.

use std::sync::Arc;

use keyledger_domain::{
    Ledger, Stamp,
    ledger::{Group, LEDGER_SIGNING_KEY, Outcome, Sealed},
    name::HistoryId,
    verb::Urgency,
};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{Done, Failure, Order};
use crate::appender::{self, LONE_AT_MOST, NotWritten, Waits};

/// What the handler is given to do.
pub(super) enum Work {
    Order(Box<Order>, oneshot::Sender<Result<Done, Failure>>),
    Outcome(Outcome, Arc<Stamp>),
    /// Come to rest, say where, and wait.
    Rest(oneshot::Sender<Resting>),
}

/// The handler rests: nothing is on its way, and everything up to `sequence` is folded.
pub(super) struct Resting {
    pub(super) sequence: u64,
    /// Takes the ledger to go on with, or is dropped to go on as before.
    pub(super) resume: oneshot::Sender<Ledger>,
}

/// A piece of work that waits.
pub(super) type Waiting = appender::Waiting<Work>;

impl Waits for Work {
    /// True of a command that takes trust away.
    fn is_urgent(&self) -> bool {
        let Self::Order(order, _) = self else {
            return false;
        };
        order.command.any().urgency() == Urgency::TakesTrustAway
    }

    /// False of what happened: that is recorded whenever the store takes it.
    fn is_waited_for(&self) -> bool {
        match self {
            Self::Order(..) => true,
            Self::Outcome(..) | Self::Rest(_) => false,
        }
    }
}

impl Work {
    /// True of a command for the ledger's own signing key: it may wait for the version that signs next.
    pub(super) fn rotates_the_signer(&self) -> bool {
        matches!(self, Self::Order(order, _) if order.target.name.as_str() == LEDGER_SIGNING_KEY)
    }

    /// True of what takes trust away, and of what the service records of that: it must not wait for room.
    pub(super) fn is_pressing(&self) -> bool {
        match self {
            Self::Order(..) => self.is_urgent(),
            Self::Outcome(outcome, _) => match outcome {
                Outcome::Erased(_)
                | Outcome::Confirmed { .. }
                | Outcome::SecretsErased { .. }
                | Outcome::DriftRepaired { .. }
                | Outcome::Renew { .. }
                | Outcome::Offboarded(_) => true,
                Outcome::Due(_) | Outcome::RevocationsExpired(_) | Outcome::RollbackAccepted(_) => {
                    false
                }
            },
            Self::Rest(_) => false,
        }
    }

    pub(super) fn refuse(self, failure: &Failure) {
        if let Self::Order(_, reply) = self {
            let _ = reply.send(Err(failure.clone()));
        }
    }
}

/// Events that are on their way to the store.
pub(super) struct Batch {
    pub(super) works: Vec<(Waiting, Vec<Sealed>)>,
    /// Its histories, with the sequence of the newest event in each.
    pub(super) histories: Vec<(HistoryId, u64)>,
    pub(super) ids: Vec<Uuid>,
    /// The groups that its events have their histories join.
    pub(super) joined: Vec<Group>,
    /// The stream's expected last sequence. Set when more was looked at than is written to.
    pub(super) last: Option<u64>,
}

/// A batch, and what the store answered: the sequence of its first event.
pub(super) type Written = (Batch, Result<u64, NotWritten>);

impl Batch {
    /// A few lone events go off each on its own, anything else together.
    pub(super) fn in_company(self) -> Vec<Self> {
        let only_lone = self.works.iter().all(|(_, sealed)| sealed.len() == 1);
        if !only_lone || self.works.len() > LONE_AT_MOST || self.last.is_some() {
            return vec![self];
        }
        // Works of one batch never share a history: there is one to each, in the same order.
        let works = self.works.into_iter().zip(self.histories).zip(self.ids);
        let joined = |sealed: &Sealed| sealed.record.event.joins();
        let alone = works.map(|((work, history), id)| Self {
            joined: work.1.iter().flat_map(joined).collect(),
            works: vec![work],
            histories: vec![history],
            ids: vec![id],
            last: None,
        });
        alone.collect()
    }
}

/// Refuses every command of a batch.
pub(super) fn refuse(batch: Batch, failure: &Failure) {
    for (waiting, _) in batch.works {
        waiting.work.refuse(failure);
    }
}
