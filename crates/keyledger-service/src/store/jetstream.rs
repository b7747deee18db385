//! The store in a JetStream stream.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_nats::{
    HeaderMap,
    connection::State as Connection,
    jetstream,
    jetstream::{
        consumer::{AckPolicy, DeliverPolicy, pull},
        stream::DirectGetErrorKind,
    },
};
use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use keyledger_wire::{Prefix, header};
use serde::Deserialize;
use tokio::{sync::Semaphore, time::timeout};
use uuid::Uuid;

use super::{Append, AppendError, Pending, ReadError, Store, StoredEvent};

/// How long an append is waited for. Trying again is safe, and a cluster that lost its leader has a new one after some
/// 7 s: so several tries fit the handler's patience.
const APPEND_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the server remembers message ids. No event is sent twice under one id: what a lost acknowledgement leaves open
/// is settled by compare-and-set. The default of 2 minutes costs the server some 100 bytes an event of that time.
const DUPLICATES: Duration = Duration::from_secs(5);
/// How often the connection is looked at while an append is waited for.
const LOOK: Duration = Duration::from_millis(50);
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
const MAX_READERS: usize = 32;
/// After how long a consumer that nobody asks goes by itself.
const READER_GONE: Duration = Duration::from_secs(10);
/// How long reading is waited for.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// JetStream's codes for a compare-and-set that failed: it says what stands there instead, or, in a cluster, that something
/// is on its way there.
const WRONG_LAST_SEQUENCE: [u64; 2] = [10_071, 10_164];
/// JetStream's codes for a store that is full: resources, storage, stream limits.
const FULL: [u64; 4] = [10_023, 10_047, 10_077, 10_122];

/// The ledger's stream.
#[derive(Debug, Clone)]
pub struct JetStreamStore {
    client: async_nats::Client,
    context: jetstream::Context,
    stream: String,
    prefix: Prefix,
    /// Places for readers with a consumer.
    readers: Arc<Semaphore>,
}

/// Why the ledger's stream cannot be used. Each says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It is not there. It is never made by the service: a stream whose encryption key is missing looks the same.
    #[error(
        "stream {stream} is not there: run `keyledger setup` once; if it was there before, do NOT create it anew, but look for its storage or encryption key"
    )]
    Missing {
        /// Its name.
        stream: String,
    },
    /// A setting would let history be lost or changed.
    #[error("stream {stream} has {setting} = {found}, and needs {needed}: {remedy}")]
    Setting {
        /// Its name.
        stream: String,
        /// The setting.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        needed: &'static str,
        /// How to mend it.
        remedy: &'static str,
    },
    /// JetStream does not answer.
    #[error("JetStream does not answer: {0}")]
    Unreachable(String),
}

#[derive(Deserialize)]
struct ApiReply {
    #[serde(default)]
    seq: u64,
    error: Option<ApiFault>,
}

#[derive(Deserialize)]
struct ApiFault {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

impl JetStreamStore {
    /// The settings of the ledger's stream.
    #[must_use]
    pub fn config(prefix: &Prefix, replicas: usize) -> jetstream::stream::Config {
        jetstream::stream::Config {
            name: prefix.events_stream(),
            description: Some("The ledger: never deleted, never changed".to_owned()),
            subjects: vec![prefix.events()],
            storage: jetstream::stream::StorageType::File,
            num_replicas: replicas,
            deny_delete: true,
            deny_purge: true,
            allow_direct: true,
            allow_atomic_publish: true,
            compression: Some(jetstream::stream::Compression::S2),
            duplicate_window: DUPLICATES,
            ..jetstream::stream::Config::default()
        }
    }

    /// Opens the stream of `prefix` and checks its settings.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; the stream is never made or changed here.
    pub async fn open(client: async_nats::Client, prefix: &Prefix) -> Result<Self, OpenError> {
        let mut context = jetstream::new(client.clone());
        context.set_timeout(Duration::from_secs(5));
        let name = prefix.events_stream();
        let mut stream = context
            .get_stream(&name)
            .await
            .map_err(|e| missing(&name, &e))?;
        let info = stream
            .info()
            .await
            .map_err(|e| OpenError::Unreachable(e.to_string()))?;
        check(&info.config, prefix)?;
        Ok(Self {
            client,
            context,
            stream: name,
            prefix: prefix.clone(),
            readers: Arc::new(Semaphore::new(MAX_READERS)),
        })
    }

    async fn publish(&self, append: Append, last: Option<u64>) -> Result<u64, AppendError> {
        let headers = headers(&append, last);
        let request = async_nats::Request::new()
            .payload(append.payload)
            .headers(headers)
            .timeout(Some(APPEND_TIMEOUT));
        let reply = self.request(append.subject, request).await?;
        read_ack(&reply.payload).map(|ack| ack.seq)
    }

    async fn publish_batch(
        &self,
        batch: Vec<Append>,
        last: Option<u64>,
    ) -> Result<u64, AppendError> {
        let count = batch.len() as u64;
        let id = Uuid::now_v7().simple().to_string();
        let lost = |e: &dyn std::fmt::Display| AppendError::Unacknowledged(e.to_string());
        for (place, append) in (1u64..).zip(batch) {
            // The server takes it on the first message only.
            let mut headers = headers(&append, last.filter(|_| place == 1));
            headers.insert(header::BATCH_ID, id.as_str());
            headers.insert(header::BATCH_SEQUENCE, place.to_string());
            if place < count {
                let Append {
                    subject, payload, ..
                } = append;
                let sent = self
                    .client
                    .publish_with_headers(subject, headers, payload)
                    .await;
                sent.map_err(|e| lost(&e))?;
                continue;
            }
            headers.insert(header::BATCH_COMMIT, "1");
            let request = async_nats::Request::new()
                .payload(append.payload)
                .headers(headers)
                .timeout(Some(APPEND_TIMEOUT));
            let reply = self.request(append.subject, request).await?;
            let ack = read_ack(&reply.payload)?;
            return Ok(ack.seq + 1 - count);
        }
        Err(AppendError::Refused("a batch of no events".to_owned()))
    }

    /// Sends a request that appends.
    async fn request(
        &self,
        subject: String,
        request: async_nats::Request,
    ) -> Result<async_nats::Message, AppendError> {
        let lost = || AppendError::Unacknowledged("the connection was lost".to_owned());
        let reply = self.while_connected(self.client.send_request(subject, request));
        reply
            .await
            .ok_or_else(lost)?
            .map_err(|e| AppendError::Unacknowledged(e.to_string()))
    }

    /// Waits for an answer as long as the connection lasts: what was asked over a lost one is never answered.
    async fn while_connected<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        if self.client.connection_state() != Connection::Connected {
            return None;
        }
        tokio::select! {
            biased;
            answer = answer => Some(answer),
            () = lost(self.client.clone()) => None,
        }
    }

    /// Reads a few events one by one, up to the first that does not come: a replica may lag behind.
    async fn read_few(&self, after: u64, count: usize) -> Result<Vec<StoredEvent>, ReadError> {
        let stream = self.context.get_stream_no_info(&self.stream).await;
        let stream = stream.map_err(unavailable)?;
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

    async fn stream(&self) -> Result<jetstream::stream::Stream, ReadError> {
        self.context
            .get_stream(&self.stream)
            .await
            .map_err(|e| ReadError::Unavailable(e.to_string()))
    }
}

impl Store for JetStreamStore {
    fn append(
        &self,
        mut batch: Vec<Append>,
        last: Option<u64>,
    ) -> Pending<'_, Result<u64, AppendError>> {
        Box::pin(async move {
            match (batch.len(), batch.pop()) {
                // A lone event needs no batch: the server's fixed cost for one is some 2.5 ms.
                (1, Some(append)) => self.publish(append, last).await,
                (_, Some(append)) => {
                    batch.push(append);
                    self.publish_batch(batch, last).await
                }
                (_, None) => Err(AppendError::Refused("a batch of no events".to_owned())),
            }
        })
    }

    fn examine(&self) -> Pending<'_, Result<(), String>> {
        Box::pin(async move {
            let stream = self.stream().await.map_err(|e| e.to_string())?;
            check(&stream.cached_info().config, &self.prefix).map_err(|e| e.to_string())
        })
    }

    fn last_sequence(&self) -> Pending<'_, Result<u64, ReadError>> {
        Box::pin(async move {
            let asked = async {
                let mut stream = self.stream().await?;
                let info = stream
                    .info()
                    .await
                    .map_err(|e| ReadError::Unavailable(e.to_string()))?;
                Ok(info.state.last_sequence)
            };
            let answer = self.while_connected(asked).await;
            answer.unwrap_or_else(|| {
                Err(ReadError::Unavailable("the connection was lost".to_owned()))
            })
        })
    }

    fn read(&self, after: u64, limit: usize) -> Pending<'_, Result<Vec<StoredEvent>, ReadError>> {
        Box::pin(async move {
            let last = self.last_sequence().await?;
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
        })
    }

    fn history(
        &self,
        filter: String,
        count: usize,
    ) -> Pending<'_, Result<Vec<StoredEvent>, ReadError>> {
        Box::pin(async move {
            let events = self.consume(DeliverPolicy::All, filter, count).await?;
            match events.len() {
                found if found == count => Ok(events),
                found => Err(unavailable(format!(
                    "{found} of the {count} events of a history came"
                ))),
            }
        })
    }

    fn tail(
        &self,
        after: u64,
    ) -> Pending<'_, Result<BoxStream<'static, Result<StoredEvent, ReadError>>, ReadError>> {
        Box::pin(async move {
            let config = pull::OrderedConfig {
                deliver_policy: DeliverPolicy::ByStartSequence {
                    start_sequence: after + 1,
                },
                ..pull::OrderedConfig::default()
            };
            let stream = self.stream().await?;
            let consumer = stream
                .create_consumer(config)
                .await
                .map_err(|e| ReadError::Unavailable(e.to_string()))?;
            let messages = consumer
                .messages()
                .await
                .map_err(|e| ReadError::Unavailable(e.to_string()))?;
            // The consumer may be gone with the server, and its silence would be noticed only after many seconds.
            Ok(messages
                .map(|m| {
                    m.map_err(|e| ReadError::Unavailable(e.to_string()))
                        .and_then(stored)
                })
                .take_until(lost(self.client.clone()))
                .boxed())
        })
    }
}

/// Ends when this connection does, also if there is another one since.
async fn lost(client: async_nats::Client) {
    let connects = || client.statistics().connects.load(Ordering::Relaxed);
    let before = connects();
    while client.connection_state() == Connection::Connected && connects() == before {
        tokio::time::sleep(LOOK).await;
    }
}

fn unavailable(said: impl std::fmt::Display) -> ReadError {
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

fn stored(message: jetstream::Message) -> Result<StoredEvent, ReadError> {
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

fn headers(append: &Append, last: Option<u64>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &append.headers {
        headers.insert(*name, value.as_str());
    }
    if let Some((filter, sequence)) = &append.expected {
        headers.insert(header::EXPECTED_LAST, sequence.to_string());
        headers.insert(header::EXPECTED_LAST_SUBJECT, filter.as_str());
    }
    if let Some(last) = last {
        headers.insert(header::EXPECTED_LAST_OF_ALL, last.to_string());
    }
    headers
}

fn read_ack(payload: &Bytes) -> Result<ApiReply, AppendError> {
    let reply: ApiReply = serde_json::from_slice(payload)
        .map_err(|e| AppendError::Unacknowledged(format!("no acknowledgement can be read: {e}")))?;
    let Some(fault) = &reply.error else {
        return Ok(reply);
    };
    let said = format!("{} ({})", fault.description, fault.err_code);
    Err(match fault.err_code {
        code if WRONG_LAST_SEQUENCE.contains(&code) => AppendError::Conflict,
        code if FULL.contains(&code) => AppendError::Full(said),
        // The server failed on its way: it may or may not have stored.
        _ if fault.code >= 500 => AppendError::Unacknowledged(said),
        _ => AppendError::Refused(said),
    })
}

fn missing(stream: &str, error: &jetstream::context::GetStreamError) -> OpenError {
    use jetstream::context::GetStreamErrorKind as Kind;
    match error.kind() {
        Kind::JetStream(e) if e.code() == 404 => OpenError::Missing {
            stream: stream.to_owned(),
        },
        _ => OpenError::Unreachable(error.to_string()),
    }
}

/// Holds a stream's settings against what the ledger needs.
fn check(config: &jetstream::stream::Config, prefix: &Prefix) -> Result<(), OpenError> {
    use jetstream::stream::{RetentionPolicy, StorageType};
    const ANEW: &str =
        "export the ledger, create the stream anew with `keyledger setup`, import it";
    const EDIT: &str = "`nats stream edit` with the setup creds";
    let expected = vec![prefix.events()];
    let rules: [(&'static str, bool, String, &'static str, &'static str); 11] = [
        (
            "subjects",
            config.subjects == expected,
            format!("{:?}", config.subjects),
            "those of this prefix",
            "start the service with the prefix of this stream",
        ),
        (
            "storage",
            config.storage == StorageType::File,
            format!("{:?}", config.storage),
            "file",
            ANEW,
        ),
        (
            "retention",
            config.retention == RetentionPolicy::Limits,
            format!("{:?}", config.retention),
            "limits",
            ANEW,
        ),
        (
            "deny_delete",
            config.deny_delete,
            config.deny_delete.to_string(),
            "true",
            EDIT,
        ),
        (
            "deny_purge",
            config.deny_purge,
            config.deny_purge.to_string(),
            "true",
            EDIT,
        ),
        (
            "max_age",
            config.max_age.is_zero(),
            format!("{:?}", config.max_age),
            "none",
            EDIT,
        ),
        (
            "max_messages",
            config.max_messages <= 0,
            config.max_messages.to_string(),
            "none",
            EDIT,
        ),
        (
            "max_bytes",
            config.max_bytes <= 0,
            config.max_bytes.to_string(),
            "none",
            EDIT,
        ),
        (
            "max_messages_per_subject",
            config.max_messages_per_subject <= 0,
            config.max_messages_per_subject.to_string(),
            "none",
            EDIT,
        ),
        (
            "allow_direct",
            config.allow_direct,
            config.allow_direct.to_string(),
            "true",
            EDIT,
        ),
        (
            "allow_atomic_publish",
            config.allow_atomic_publish,
            config.allow_atomic_publish.to_string(),
            "true",
            EDIT,
        ),
    ];
    for (setting, fits, found, needed, remedy) in rules {
        if !fits {
            let stream = config.name.clone();
            return Err(OpenError::Setting {
                stream,
                setting,
                found,
                needed,
                remedy,
            });
        }
    }
    let lax = config.persist_mode == Some(async_nats::jetstream::stream::PersistenceMode::Async);
    if config.sealed || config.no_ack || lax {
        return Err(OpenError::Setting {
            stream: config.name.clone(),
            setting: "sealed, no_ack or persist_mode: async",
            found: "true".to_owned(),
            needed: "false",
            remedy: ANEW,
        });
    }
    Ok(())
}
