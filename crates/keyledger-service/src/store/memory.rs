//! The store in memory: for tests, and the reference for what a store promises.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream, stream::BoxStream};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{Append, AppendError, MAX_BATCH_EVENTS, Pending, ReadError, Store, StoredEvent};

/// A store in memory.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    events: Arc<Mutex<Vec<StoredEvent>>>,
    count: Arc<watch::Sender<u64>>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self {
            events: Arc::default(),
            count: Arc::new(watch::Sender::new(0)),
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
        if last.is_some_and(|last| last != events.len() as u64) {
            return Err(AppendError::Conflict);
        }
        for (filter, expected) in batch.iter().filter_map(|a| a.expected.as_ref()) {
            let history = filter.strip_suffix('>').unwrap_or(filter);
            let last = events.iter().rev().find(|e| e.subject.starts_with(history));
            if last.map_or(0, |e| e.sequence) != *expected {
                return Err(AppendError::Conflict);
            }
        }
        let first = events.len() as u64 + 1;
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
        self.count.send_replace(events.len() as u64);
        Ok(first)
    }

    fn read_now(&self, after: u64, limit: usize) -> Vec<StoredEvent> {
        let events = self.events.lock();
        let from = usize::try_from(after)
            .unwrap_or(usize::MAX)
            .min(events.len());
        events[from..].iter().take(limit).cloned().collect()
    }

    /// Puts other bytes in the place of an event's: what a test of tampering does.
    pub fn tamper(&self, sequence: u64, payload: Bytes) {
        let mut events = self.events.lock();
        if let Some(event) = events.iter_mut().find(|e| e.sequence == sequence) {
            event.payload = payload;
        }
    }
}

impl Store for MemoryStore {
    fn examine(&self) -> Pending<'_, Result<(), String>> {
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
        Box::pin(async move { Ok(self.events.lock().len() as u64) })
    }

    fn read(&self, after: u64, limit: usize) -> Pending<'_, Result<Vec<StoredEvent>, ReadError>> {
        Box::pin(async move { Ok(self.read_now(after, limit)) })
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
        let (store, count) = (self.clone(), self.count.subscribe());
        let tail = stream::unfold(
            (store, count, after),
            |(store, mut count, after)| async move {
                count.wait_for(|count| *count > after).await.ok()?;
                let events = store.read_now(after, 1_000);
                let last = events.last()?.sequence;
                Some((
                    stream::iter(events.into_iter().map(Ok)),
                    (store, count, last),
                ))
            },
        );
        Box::pin(async move { Ok(tail.flatten().boxed()) })
    }
}
