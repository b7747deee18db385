//! The ledger as it stands, shared by the handler, the views and the effects.

use std::collections::{HashMap, HashSet};

use keyledger_domain::{EventCid, Ledger, verify::HeadDigest};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::hold::Known;

/// How far the stream was folded, in its own order.
#[derive(Debug, Clone, Default)]
pub struct Position {
    /// The sequence of the last event.
    pub sequence: u64,
    /// How many events there were, and the digest over their CIDs.
    pub digest: HeadDigest,
}

/// The position with the CID of its event, and the own events that are folded beyond it.
pub(crate) type Newest = (Position, EventCid, Vec<(u64, EventCid)>);

/// The fold, and how far it has come.
///
/// The handler alone writes. The fold may be ahead of the position: own events are folded when they are acknowledged,
/// and counted once everything before them is.
#[derive(Debug)]
pub struct Live {
    /// The fold.
    pub ledger: RwLock<Ledger>,
    position: RwLock<Position>,
    /// The CID of the event at the position.
    newest: RwLock<Option<EventCid>>,
    sequence: watch::Sender<u64>,
    /// The sequence that somebody waits for.
    wanted: watch::Sender<u64>,
    broken: RwLock<Option<String>>,
    /// Why the stream is asked again where it stands, while it is.
    doubt: RwLock<Option<String>>,
    /// Own events that were folded and are not counted yet, since something before them was not read.
    pub(super) own: Mutex<HashMap<u64, EventCid>>,
    /// Own events that are on their way to the store. They may come by before they are acknowledged, and who signed them
    /// need not be asked.
    pub(super) sent: Mutex<HashSet<EventCid>>,
}

impl Default for Live {
    fn default() -> Self {
        Self::new(Ledger::new(), Position::default())
    }
}

impl Live {
    /// A fold that has come as far as `position`.
    #[must_use]
    pub fn new(ledger: Ledger, position: Position) -> Self {
        let sequence = watch::Sender::new(position.sequence);
        Self {
            ledger: RwLock::new(ledger),
            position: RwLock::new(position),
            newest: RwLock::default(),
            sequence,
            wanted: watch::Sender::new(0),
            broken: RwLock::default(),
            doubt: RwLock::default(),
            own: Mutex::default(),
            sent: Mutex::default(),
        }
    }

    /// A fold from a snapshot; `newest` is the CID of the event at its position, `own` what is folded beyond it.
    pub(crate) fn from_snapshot(
        ledger: Ledger,
        position: Position,
        newest: EventCid,
        own: impl IntoIterator<Item = (u64, EventCid)>,
    ) -> Self {
        let live = Self::new(ledger, position);
        *live.newest.write() = Some(newest);
        live.own.lock().extend(own);
        live
    }

    /// The position with the CID of its event, and what is folded beyond it; nothing before the first event. True to the
    /// ledger while that is locked.
    pub(crate) fn newest(&self) -> Option<Newest> {
        let position = self.position.read();
        let own = self
            .own
            .lock()
            .iter()
            .map(|(at, cid)| (*at, *cid))
            .collect();
        Some((position.clone(), (*self.newest.read())?, own))
    }

    /// What the stream must hold: the event at the position, and as many as were acknowledged.
    pub(crate) fn known(&self) -> Known {
        let position = self.position.read();
        let own = self.own.lock().keys().max().copied();
        Known {
            sequence: position.sequence,
            cid: *self.newest.read(),
            end: own.unwrap_or_default().max(position.sequence),
        }
    }

    /// How far the stream was folded.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position.read().clone()
    }

    /// Says that the event at `sequence` is stored and waited for.
    pub(super) fn want(&self, sequence: u64) {
        self.wanted.send_if_modified(|wanted| {
            sequence > std::mem::replace(wanted, (*wanted).max(sequence))
        });
    }

    /// The newest sequence that is stored and waited for.
    pub(super) fn wanted(&self) -> u64 {
        *self.wanted.borrow()
    }

    /// Waits until somebody wants an event above `after`.
    pub(super) async fn wanted_above(&self, after: u64) {
        let mut wanted = self.wanted.subscribe();
        // The sender lives as long as `self`.
        let _ = wanted.wait_for(|wanted| *wanted > after).await;
    }

    /// Tells of each step of the position.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.sequence.subscribe()
    }

    /// Waits until the stream was folded up to `sequence`.
    pub async fn reached(&self, sequence: u64) {
        self.want(sequence);
        let mut reached = self.sequence.subscribe();
        // The sender lives as long as `self`.
        let _ = reached.wait_for(|at| *at >= sequence).await;
    }

    /// Why nothing is accepted any more; nothing if all is well.
    #[must_use]
    pub fn broken(&self) -> Option<String> {
        self.broken.read().clone()
    }

    /// Why it is not known at the moment whether the stream holds what was folded; nothing if all is well.
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        self.doubt.read().clone()
    }

    /// Nothing is accepted any more, for good: the first reason stays.
    pub(super) fn set_broken(&self, said: &str) {
        self.broken.write().get_or_insert_with(|| said.to_owned());
    }

    pub(super) fn set_doubt(&self, said: Option<String>) {
        *self.doubt.write() = said;
    }

    pub(super) fn advance(&self, sequence: u64, cid: &EventCid) {
        let mut position = self.position.write();
        position.sequence = sequence;
        position.digest.push(cid);
        *self.newest.write() = Some(*cid);
        drop(position);
        self.sequence.send_replace(sequence);
    }

    /// Counts the own events that stand next in the stream.
    pub(super) fn count_own(&self) {
        let mut position = self.position.write();
        let mut own = self.own.lock();
        let before = position.sequence;
        while let Some(cid) = own.remove(&(position.sequence + 1)) {
            position.sequence += 1;
            position.digest.push(&cid);
            *self.newest.write() = Some(cid);
        }
        let reached = position.sequence;
        drop((position, own));
        if reached > before {
            self.sequence.send_replace(reached);
        }
    }
}
