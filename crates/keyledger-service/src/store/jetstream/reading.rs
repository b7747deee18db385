//! Reading events: a few one by one, many through a consumer that goes when they are read.

use std::time::Duration;

use async_nats::{
    HeaderMap, jetstream,
    jetstream::{
        consumer::{AckPolicy, DeliverPolicy, pull},
        stream::DirectGetErrorKind,
    },
};
use futures::StreamExt;
use tokio::time::timeout;

use super::JetStreamStore;
use crate::store::{ReadError, StoredEvent};

/// Up to how many events are read one by one.
const FEW: usize = 8;
/// How many events are asked for at once.
const AT_ONCE: usize = 1_000;
/// What the server puts beside the headers of an event that it is asked for directly.
const ANSWERS: [&str; 4] = [
    "Nats-Stream",
    "Nats-Subject",
    "Nats-Sequence",
    "Nats-Time-Stamp",
];
/// How many may read through a consumer at once.
pub(super) const MAX_READERS: usize = 32;
/// After how long a consumer that nobody asks goes by itself.
const READER_GONE: Duration = Duration::from_secs(10);
/// How long reading is waited for.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

impl JetStreamStore {
    /// Up to `limit` events above `after`, of those that are stored up to `last`.
    pub(super) async fn read_between(
        &self,
        after: u64,
        last: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, ReadError> {
        let wanted = usize::try_from(last.saturating_sub(after))
            .unwrap_or(usize::MAX)
            .min(limit);
        let mut events = if wanted <= FEW {
            self.read_few(after, wanted).await?
        } else {
            Vec::new()
        };
        if events.len() < wanted {
            let from = DeliverPolicy::ByStartSequence {
                start_sequence: after + 1,
            };
            events = self.consume(from, String::new(), wanted).await?;
        }
        // Nothing is ever deleted: they stand without gaps.
        for (expected, event) in (after + 1..).zip(&events) {
            if event.sequence != expected {
                return Err(ReadError::Gone(expected));
            }
        }
        if events.len() < wanted {
            return Err(ReadError::Gone(after + 1 + events.len() as u64));
        }
        Ok(events)
    }

    /// The first `count` events of the history that `filter` is of.
    pub(super) async fn read_history(
        &self,
        filter: String,
        count: usize,
    ) -> Result<Vec<StoredEvent>, ReadError> {
        let events = self.consume(DeliverPolicy::All, filter, count).await?;
        match events.len() {
            found if found == count => Ok(events),
            found => Err(unavailable(format!(
                "{found} of the {count} events of a history came"
            ))),
        }
    }

    /// Reads a few events one by one, up to the first that does not come: a replica may lag behind.
    async fn read_few(&self, after: u64, count: usize) -> Result<Vec<StoredEvent>, ReadError> {
        let stream = self.stream().await?;
        let mut events = Vec::with_capacity(count);
        for sequence in (after + 1..).take(count) {
            let found = match stream.direct_get(sequence).await {
                Ok(found) => found,
                Err(error) if error.kind() == DirectGetErrorKind::NotFound => break,
                Err(error) => return Err(unavailable(error)),
            };
            let mut headers = texts(Some(&found.headers));
            // The answer's own, not the event's.
            headers.retain(|(name, _)| !ANSWERS.contains(&name.as_str()));
            events.push(StoredEvent {
                sequence: found.sequence,
                subject: found.subject.to_string(),
                headers,
                payload: found.payload,
            });
        }
        Ok(events)
    }

    /// Reads up to `count` events through a consumer of its own, which goes when they are read: a server keeps a consumer
    /// for a while otherwise, and has room for some thousand.
    async fn consume(
        &self,
        from: DeliverPolicy,
        filter_subject: String,
        count: usize,
    ) -> Result<Vec<StoredEvent>, ReadError> {
        let _place = self.readers.acquire().await.map_err(unavailable)?;
        let stream = self.stream().await?;
        let config = pull::Config {
            deliver_policy: from,
            ack_policy: AckPolicy::None,
            filter_subject,
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: READER_GONE,
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(unavailable)?;
        let read = async {
            let mut events = Vec::new();
            while events.len() < count {
                let before = events.len();
                let fetch = consumer.fetch().max_messages((count - before).min(AT_ONCE));
                let mut messages = fetch.messages().await.map_err(unavailable)?;
                while let Some(message) = messages.next().await {
                    events.push(message.map_err(unavailable).and_then(stored)?);
                }
                if events.len() == before {
                    break; // there is no more
                }
            }
            Ok(events)
        };
        let events = timeout(READ_TIMEOUT, read)
            .await
            .unwrap_or_else(|_| Err(unavailable("no event came within 30 s")));
        // If not, it goes when nobody has asked it for a while.
        let _ = stream.delete_consumer(&consumer.cached_info().name).await;
        events
    }
}

pub(super) fn unavailable(said: impl std::fmt::Display) -> ReadError {
    ReadError::Unavailable(said.to_string())
}

/// Headers as text, in order of their names: the client keeps them in none.
fn texts(headers: Option<&HeaderMap>) -> Vec<(String, String)> {
    let all = headers.into_iter().flat_map(HeaderMap::iter);
    let mut texts: Vec<_> = all
        .flat_map(|(name, values)| {
            values
                .iter()
                .map(|value| (name.to_string(), value.to_string()))
        })
        .collect();
    texts.sort_unstable();
    texts
}

pub(super) fn stored(message: jetstream::Message) -> Result<StoredEvent, ReadError> {
    let sequence = message
        .info()
        .map_err(|e| ReadError::Unavailable(e.to_string()))?
        .stream_sequence;
    let (message, _) = message.split();
    Ok(StoredEvent {
        sequence,
        headers: texts(message.headers.as_ref()),
        subject: message.subject.to_string(),
        payload: message.payload,
    })
}
