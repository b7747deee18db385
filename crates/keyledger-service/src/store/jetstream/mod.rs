//! The store in a JetStream stream.

mod reading;
mod settings;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_nats::{
    HeaderMap,
    connection::State as Connection,
    jetstream,
    jetstream::consumer::{DeliverPolicy, pull},
};
use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use keyledger_wire::{Prefix, header};
use serde::Deserialize;
use tokio::sync::Semaphore;
use uuid::Uuid;

pub use settings::OpenError;

use self::{
    reading::{MAX_READERS, stored, unavailable},
    settings::{check, missing},
};
use super::{Append, AppendError, Pending, ReadError, Store, StoredEvent};

/// How long an append is waited for. Trying again is safe, and a cluster that lost its leader has a new one after some
/// 7 s: so several tries fit the handler's patience.
const APPEND_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the connection is looked at while an append is waited for.
const LOOK: Duration = Duration::from_millis(50);
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

    /// The stream with its settings and state as they are now: one question to the server.
    async fn looked_at(&self) -> Result<jetstream::stream::Stream, ReadError> {
        self.context
            .get_stream(&self.stream)
            .await
            .map_err(unavailable)
    }

    /// The stream to read from, without a question to the server.
    async fn stream(&self) -> Result<jetstream::stream::Stream<()>, ReadError> {
        self.context
            .get_stream_no_info(&self.stream)
            .await
            .map_err(unavailable)
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
            let stream = self.looked_at().await.map_err(|e| e.to_string())?;
            check(&stream.cached_info().config, &self.prefix).map_err(|e| e.to_string())
        })
    }

    fn last_sequence(&self) -> Pending<'_, Result<u64, ReadError>> {
        Box::pin(async move {
            let asked = async {
                let stream = self.looked_at().await?;
                Ok(stream.cached_info().state.last_sequence)
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
            self.read_between(after, last, limit).await
        })
    }

    fn history(
        &self,
        filter: String,
        count: usize,
    ) -> Pending<'_, Result<Vec<StoredEvent>, ReadError>> {
        Box::pin(self.read_history(filter, count))
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
            let consumer = stream.create_consumer(config).await.map_err(unavailable)?;
            let messages = consumer.messages().await.map_err(unavailable)?;
            // The consumer may be gone with the server, and its silence would be noticed only after many seconds.
            Ok(messages
                .map(|m| m.map_err(unavailable).and_then(stored))
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
