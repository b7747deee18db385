//! The store: an append-only log of events with compare-and-set on histories.
//!
//! *Invariant:* what was acknowledged is stored and never changes; a batch is stored whole or not at all.

mod jetstream;
mod memory;

use std::{future::Future, pin::Pin};

use bytes::Bytes;
use futures::stream::BoxStream;

pub(crate) use jetstream::{
    ApiFault, FULL_WORDS, FaultKind, ROOM, check, no_leader, while_connected,
};
pub use jetstream::{JetStreamStore, OpenError};
pub use memory::{Disturbed, MemoryStore};

/// The most events that one batch may hold: JetStream's own limit (err 10199 above it).
pub const MAX_BATCH_EVENTS: usize = 1_000;
/// The most bytes that one batch should hold: an atomic batch is staged in the server's memory.
pub const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// A future of a store's.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An event to append.
#[derive(Debug, Clone)]
pub struct Append {
    /// Its subject.
    pub subject: String,
    /// The filter of its history, and the sequence that the newest event there must have (0: none yet).
    /// Absent where an earlier event of the same batch belongs to the same history.
    pub expected: Option<(String, u64)>,
    /// Its headers.
    pub headers: Vec<(&'static str, String)>,
    /// Its exact bytes.
    pub payload: Bytes,
}

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its place in the log. For reading on, never an identity.
    pub sequence: u64,
    /// Its subject.
    pub subject: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its exact bytes.
    pub payload: Bytes,
}

/// Where the log ends, as the server that leads it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The sequence of the newest event; 0 if there is none.
    pub last: u64,
    /// On how many servers it is kept.
    pub replicas: usize,
    /// True if most of these servers are in touch with the one that answered: a leader that was cut off may not know yet
    /// that there is another one.
    pub agreed: bool,
}

/// Why events were not appended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Someone else wrote first: nothing was stored. Fold what came and decide again.
    #[error("another event came first in one of the histories")]
    Conflict,
    /// No answer: stored or not, nobody knows. Read on until it is known, then decide again under the same ids.
    #[error("the store did not acknowledge: {0}")]
    Unacknowledged(String),
    /// The disk or a limit is full: nothing was stored. Make room.
    #[error("the store is full: {0}; {ROOM}")]
    Full(String),
    /// The store refuses: nothing was stored. An administrator must act on what it says.
    #[error("the store refuses: {0}")]
    Refused(String),
}

/// Why events could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It does not answer, or not in time: try again.
    #[error("the store cannot be read: {0}")]
    Unavailable(String),
    /// An event that was stored is not there any more: the storage is damaged. Restore it, or another server's copy.
    #[error(
        "the event at sequence {0} is gone: the stream's storage is damaged; restore it from a backup or a replica"
    )]
    Gone(u64),
}

/// An append-only log of events.
pub trait Store: Send + Sync + 'static {
    /// Appends a batch of 1 to [`MAX_BATCH_EVENTS`] events, whole or not at all, and gives the first's sequence; the
    /// others follow without gaps. Acknowledged only once durable.
    ///
    /// With `last`, only if nothing at all was stored behind that sequence: for what was decided on more than the
    /// histories it writes to.
    fn append(
        &self,
        batch: Vec<Append>,
        last: Option<u64>,
    ) -> Pending<'_, Result<u64, AppendError>>;

    /// The sequence of the newest event; 0 if there is none.
    fn last_sequence(&self) -> Pending<'_, Result<u64, ReadError>>;

    /// Where the log ends, and how sure that is.
    fn standing(&self) -> Pending<'_, Result<Standing, ReadError>> {
        Box::pin(async {
            Ok(Standing {
                last: self.last_sequence().await?,
                replicas: 1,
                agreed: true,
            })
        })
    }

    /// Counts the connections to what stores. With another number than before, something else may be there: a server that
    /// was restarted on older storage, or another one.
    fn connection(&self) -> u64 {
        0
    }

    /// Whether the store still keeps what it acknowledges: its settings, and whether anything was deleted, looked at now. A fault says
    /// what to do.
    fn examine(&self) -> Pending<'_, Result<(), OpenError>>;

    /// Reads up to `limit` events with sequences above `after`, in order.
    fn read(&self, after: u64, limit: usize) -> Pending<'_, Result<Vec<StoredEvent>, ReadError>>;

    /// Reads the `count` events above `after`, which are known to be stored: a cluster needs no leader for that.
    fn known(&self, after: u64, count: usize) -> Pending<'_, Result<Vec<StoredEvent>, ReadError>> {
        self.read(after, count)
    }

    /// Reads `count` events of one history in order, the first of those with sequences above `after`; `filter` is its subject filter.
    fn history(
        &self,
        filter: String,
        after: u64,
        count: usize,
    ) -> Pending<'_, Result<Vec<StoredEvent>, ReadError>>;

    /// Every event above `after`, in order, and then those that come, without end.
    fn tail(
        &self,
        after: u64,
    ) -> Pending<'_, Result<BoxStream<'static, Result<StoredEvent, ReadError>>, ReadError>>;
}
