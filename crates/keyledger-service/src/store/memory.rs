//! The store in memory: for tests, and the reference for what a store promises.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream, stream::BoxStream};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    Append, AppendError, MAX_BATCH_EVENTS, OpenError, Pending, ReadError, Standing, Store,
    StoredEvent,
};

/// A store in memory.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    events: Arc<Mutex<Vec<StoredEvent>>>,
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// The sequence of the last event.
    last: u64,
    /// How often what is stored was replaced.
    connection: u64,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self {
            events: Arc::default(),
            state: Arc::new(watch::Sender::new(State::default())),
        }
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn append_now(&self, batch: Vec<Append>, last: Option<u64>) -> Result<u64, AppendError> {
        if batch.is_empty() || batch.len() > MAX_BATCH_EVENTS {
            return Err(AppendError::Refused(format!(
                "a batch of {} events",
                batch.len()
            )));
        }
        let mut events = self.events.lock();
        let end = events.last().map_or(0, |e| e.sequence);
        if last.is_some_and(|last| last != end) {
            return Err(AppendError::Conflict);
        }
        for (filter, expected) in batch.iter().filter_map(|a| a.expected.as_ref()) {
            let history = filter.strip_suffix('>').unwrap_or(filter);
            let last = events.iter().rev().find(|e| e.subject.starts_with(history));
            if last.map_or(0, |e| e.sequence) != *expected {
                return Err(AppendError::Conflict);
            }
        }
        let first = end + 1;
        for (sequence, append) in (first..).zip(batch) {
            let headers = append
                .headers
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect();
            let Append {
                subject, payload, ..
            } = append;
            events.push(StoredEvent {
                sequence,
                subject,
                headers,
                payload,
            });
        }
        let last = events.last().map_or(0, |e| e.sequence);
        self.state.send_modify(|state| state.last = last);
        Ok(first)
    }

    fn read_now(&self, after: u64, limit: usize) -> Vec<StoredEvent> {
        let events = self.events.lock();
        let from = events.partition_point(|e| e.sequence <= after);
        events[from..].iter().take(limit).cloned().collect()
    }

    /// Everything that is stored.
    #[must_use]
    pub fn stored(&self) -> Vec<StoredEvent> {
        self.events.lock().clone()
    }

    /// Holds other events from now on, in the order of their sequences, and breaks every tail off: what a server does that
    /// comes back with other storage.
    pub fn replace(&self, events: Vec<StoredEvent>) {
        let mut stored = self.events.lock();
        *stored = events;
        let last = stored.last().map_or(0, |e| e.sequence);
        self.state.send_modify(|state| {
            state.last = last;
            state.connection += 1;
        });
    }

    /// Forgets all but the first `count` events, and lets nobody know.
    pub fn shorten(&self, count: usize) {
        let mut stored = self.events.lock();
        stored.truncate(count);
        let last = stored.last().map_or(0, |e| e.sequence);
        self.state.send_modify(|state| state.last = last);
    }

    /// Puts other bytes in the place of an event's: what a test of tampering does.
    pub fn tamper(&self, sequence: u64, payload: Bytes) {
        let mut events = self.events.lock();
        if let Some(event) = events.iter_mut().find(|e| e.sequence == sequence) {
            event.payload = payload;
        }
    }
}

/// A store over one in memory that does what that one does, but where a test has it do otherwise.
pub trait Disturbed: Send + Sync + 'static {
    /// The store that keeps its promises.
    fn inner(&self) -> &MemoryStore;

    /// As [`Store::append`].
    fn append(
        &self,
        batch: Vec<Append>,
        last: Option<u64>,
    ) -> Pending<'_, Result<u64, AppendError>> {
        self.inner().append(batch, last)
    }

    /// As [`Store::last_sequence`].
    fn last_sequence(&self) -> Pending<'_, Result<u64, ReadError>> {
        self.inner().last_sequence()
    }

    /// On how many servers it is kept; all of them are in touch.
    fn replicas(&self) -> usize {
        1
    }

    /// As [`Store::read`].
    fn read(&self, after: u64, limit: usize) -> Pending<'_, Result<Vec<StoredEvent>, ReadError>> {
        self.inner().read(after, limit)
    }

    /// As [`Store::tail`].
    fn tail(
        &self,
        after: u64,
    ) -> Pending<'_, Result<BoxStream<'static, Result<StoredEvent, ReadError>>, ReadError>> {
        self.inner().tail(after)
    }
}

impl<D: Disturbed> Store for D {
    fn examine(&self) -> Pending<'_, Result<(), OpenError>> {
        self.inner().examine()
    }

    fn append(
        &self,
        batch: Vec<Append>,
        last: Option<u64>,
    ) -> Pending<'_, Result<u64, AppendError>> {
        Disturbed::append(self, batch, last)
    }

    fn last_sequence(&self) -> Pending<'_, Result<u64, ReadError>> {
        Disturbed::last_sequence(self)
    }

    fn standing(&self) -> Pending<'_, Result<Standing, ReadError>> {
        Box::pin(async {
            Ok(Standing {
                last: Disturbed::last_sequence(self).await?,
                replicas: self.replicas(),
                agreed: true,
            })
        })
    }

    fn connection(&self) -> u64 {
        self.inner().connection()
    }

    fn read(&self, after: u64, limit: usize) -> Pending<'_, Result<Vec<StoredEvent>, ReadError>> {
        Disturbed::read(self, after, limit)
    }

    fn history(
        &self,
        filter: String,
        after: u64,
        count: usize,
    ) -> Pending<'_, Result<Vec<StoredEvent>, ReadError>> {
        self.inner().history(filter, after, count)
    }

    fn tail(
        &self,
        after: u64,
    ) -> Pending<'_, Result<BoxStream<'static, Result<StoredEvent, ReadError>>, ReadError>> {
        Disturbed::tail(self, after)
    }
}

impl Store for MemoryStore {
    fn examine(&self) -> Pending<'_, Result<(), OpenError>> {
        Box::pin(async { Ok(()) })
    }

    fn append(
        &self,
        batch: Vec<Append>,
        last: Option<u64>,
    ) -> Pending<'_, Result<u64, AppendError>> {
        Box::pin(async move { self.append_now(batch, last) })
    }

    fn last_sequence(&self) -> Pending<'_, Result<u64, ReadError>> {
        Box::pin(async move { Ok(self.state.borrow().last) })
    }

    fn read(&self, after: u64, limit: usize) -> Pending<'_, Result<Vec<StoredEvent>, ReadError>> {
        Box::pin(async move {
            let events = self.read_now(after, limit);
            // As a stream that has lost some of them answers.
            for (expected, event) in (after + 1..).zip(&events) {
                if event.sequence != expected {
                    return Err(ReadError::Gone(expected));
                }
            }
            Ok(events)
        })
    }

    fn history(
        &self,
        filter: String,
        after: u64,
        count: usize,
    ) -> Pending<'_, Result<Vec<StoredEvent>, ReadError>> {
        Box::pin(async move {
            let history = filter.strip_suffix('>').unwrap_or(&filter);
            let events = self.events.lock();
            let found = events.iter().filter(|e| e.sequence > after);
            let found = found.filter(|e| e.subject.starts_with(history));
            Ok(found.take(count).cloned().collect())
        })
    }

    fn tail(
        &self,
        after: u64,
    ) -> Pending<'_, Result<BoxStream<'static, Result<StoredEvent, ReadError>>, ReadError>> {
        let (store, state) = (self.clone(), self.state.subscribe());
        let connection = state.borrow().connection;
        let tail = stream::unfold(
            (store, state, after),
            move |(store, mut state, after)| async move {
                let more = state.wait_for(|s| s.last > after || s.connection != connection);
                if more.await.ok()?.connection != connection {
                    return None;
                }
                let events = store.read_now(after, 1_000);
                let last = events.last()?.sequence;
                Some((
                    stream::iter(events.into_iter().map(Ok)),
                    (store, state, last),
                ))
            },
        );
        Box::pin(async move { Ok(tail.flatten().boxed()) })
    }

    fn connection(&self) -> u64 {
        self.state.borrow().connection
    }
}
