//! The store in a JetStream stream.

mod fault;
mod following;
mod reading;
mod settings;

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use async_nats::{HeaderMap, RequestErrorKind, connection::State as Connection, jetstream};
use bytes::Bytes;
use futures::{
    StreamExt,
    stream::{BoxStream, FuturesUnordered},
};
use keyledger_wire::{Prefix, header};
use serde::Deserialize;
use tokio::sync::Semaphore;
use uuid::Uuid;

pub(crate) use fault::{ApiFault, FULL_WORDS, FaultKind, ROOM, no_leader};
pub use settings::OpenError;
pub(crate) use settings::check;

use self::{
    reading::{MAX_READERS, unavailable},
    settings::missing,
};
use super::{Append, AppendError, Pending, ReadError, Standing, Store, StoredEvent};

/// How long an append is waited for. Trying again is safe, and what a leader was sent that died is answered by nobody.
const APPEND_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the stream is asked where it stands until it is asked once more: while it has no leader nobody answers, and the next
/// one answers only what it is asked.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// For how long in all.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often the connection is looked at while an append is waited for.
const LOOK: Duration = Duration::from_millis(50);

/// A stream of JetStream's: the ledger's, or another whose records are kept as its are.
#[derive(Debug, Clone)]
pub struct JetStreamStore {
    client: async_nats::Client,
    context: jetstream::Context,
    stream: String,
    /// The settings that it must have.
    made: Arc<jetstream::stream::Config>,
    /// Places for readers.
    readers: Arc<Semaphore>,
}

#[derive(Deserialize)]
struct ApiReply {
    #[serde(default)]
    seq: u64,
    error: Option<ApiFault>,
}

impl JetStreamStore {
    /// Opens the ledger's stream of `prefix` and checks its settings.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; the stream is never made or changed here.
    pub async fn open(client: async_nats::Client, prefix: &Prefix) -> Result<Self, OpenError> {
        Self::open_stream(client, Self::config(prefix, 1)).await
    }

    /// Opens a stream and checks that it has the settings with which it was `made`.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; the stream is never made or changed here.
    pub async fn open_stream(
        client: async_nats::Client,
        made: jetstream::stream::Config,
    ) -> Result<Self, OpenError> {
        let mut context = jetstream::new(client.clone());
        context.set_timeout(Duration::from_secs(5));
        let name = made.name.clone();
        let mut stream = context
            .get_stream(&name)
            .await
            .map_err(|e| missing(&name, &e))?;
        let info = stream
            .info()
            .await
            .map_err(|e| OpenError::Unreachable(e.to_string()))?;
        check(&info.config, &made)?;
        Ok(Self {
            client,
            context,
            stream: name,
            made: Arc::new(made),
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
        let sent = self.client.send_request(subject, request);
        let said = match while_connected(&self.client, sent).await {
            Some(Ok(reply)) => return Ok(reply),
            Some(Err(error)) if error.kind() == RequestErrorKind::NoResponders => {
                no_leader(&self.stream)
            }
            Some(Err(error)) => format!("stream {}: {error}", self.stream),
            None => "the connection was lost".to_owned(),
        };
        Err(AppendError::Unacknowledged(said))
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

    fn examine(&self) -> Pending<'_, Result<(), OpenError>> {
        Box::pin(async move {
            let name = &self.stream;
            let stream = self.context.get_stream(name).await;
            let stream = stream.map_err(|e| missing(name, &e))?;
            let info = stream.cached_info();
            check(&info.config, &self.made)?;
            let (held, stored) = (info.state.messages, info.state.last_sequence);
            if held == stored {
                return Ok(());
            }
            let stream = name.clone();
            Err(OpenError::Deleted {
                stream,
                held,
                stored,
            })
        })
    }

    fn last_sequence(&self) -> Pending<'_, Result<u64, ReadError>> {
        Box::pin(async move { Ok(self.standing().await?.last) })
    }

    fn standing(&self) -> Pending<'_, Result<Standing, ReadError>> {
        Box::pin(async move {
            let begin = Instant::now();
            let mut asked = FuturesUnordered::new();
            let mut said = unavailable(no_leader(&self.stream));
            while begin.elapsed() < PATIENCE {
                asked.push(async {
                    let stream = self.looked_at().await?;
                    let info = stream.cached_info();
                    standing(info).ok_or_else(|| unavailable(no_leader(&self.stream)))
                });
                let answer = tokio::time::timeout(ASK_AGAIN, asked.next());
                match while_connected(&self.client, answer).await {
                    Some(Ok(Some(Ok(standing)))) => return Ok(standing),
                    Some(Ok(Some(Err(error)))) => {
                        said = error;
                        tokio::time::sleep(LOOK).await;
                    }
                    Some(Ok(None) | Err(_)) => {}
                    None => {
                        // What was asked over the lost connection is never answered.
                        asked.clear();
                        said = unavailable("the connection was lost");
                        tokio::time::sleep(LOOK).await;
                    }
                }
            }
            Err(said)
        })
    }

    fn connection(&self) -> u64 {
        self.client.statistics().connects.load(Ordering::Relaxed)
    }

    fn read(&self, after: u64, limit: usize) -> Pending<'_, Result<Vec<StoredEvent>, ReadError>> {
        Box::pin(async move {
            let last = self.last_sequence().await?;
            self.read_between(after, last, limit).await
        })
    }

    fn known(&self, after: u64, count: usize) -> Pending<'_, Result<Vec<StoredEvent>, ReadError>> {
        let last = after.saturating_add(count as u64);
        Box::pin(self.read_between(after, last, count))
    }

    fn history(
        &self,
        filter: String,
        after: u64,
        count: usize,
    ) -> Pending<'_, Result<Vec<StoredEvent>, ReadError>> {
        Box::pin(self.read_history(filter, after, count))
    }

    fn tail(
        &self,
        after: u64,
    ) -> Pending<'_, Result<BoxStream<'static, Result<StoredEvent, ReadError>>, ReadError>> {
        Box::pin(self.follow(after))
    }
}

/// Waits for an answer as long as the connection lasts: what was asked over a lost one is never answered.
pub(crate) async fn while_connected<T>(
    client: &async_nats::Client,
    answer: impl Future<Output = T>,
) -> Option<T> {
    if client.connection_state() != Connection::Connected {
        return None;
    }
    tokio::select! {
        biased;
        answer = answer => Some(answer),
        () = lost(client.clone()) => None,
    }
}

/// Where the stream ends, if the server that says so leads it. One that was just started, or knows no leader, answers too, and
/// may lack what was acknowledged.
fn standing(info: &jetstream::stream::Info) -> Option<Standing> {
    let replicas = info.config.num_replicas.max(1);
    let cluster = info.cluster.as_ref();
    // Only a leader says since when it is one.
    if replicas > 1 && cluster.is_none_or(|cluster| cluster.leader_since.is_none()) {
        return None;
    }
    let peers = cluster.iter().flat_map(|cluster| &cluster.replicas);
    let in_touch = 1 + peers.filter(|peer| peer.current && !peer.offline).count();
    Some(Standing {
        last: info.state.last_sequence,
        replicas,
        agreed: in_touch * 2 > replicas,
    })
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
    let said = fault.to_string();
    Err(match fault.kind() {
        FaultKind::Conflict => AppendError::Conflict,
        FaultKind::Full => AppendError::Full(said),
        // It may or may not have stored.
        FaultKind::Passing => AppendError::Unacknowledged(said),
        FaultKind::Missing | FaultKind::Lasting => AppendError::Refused(said),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing_of(replicas: usize, cluster: &serde_json::Value) -> Option<Standing> {
        let info = serde_json::json!({
            "config": {
                "name": "KEYS_EVENTS", "max_consumers": -1, "max_msgs": -1, "max_bytes": -1,
                "max_age": 0, "max_msgs_per_subject": -1, "max_msg_size": -1, "discard": "old",
                "storage": "file", "retention": "limits", "num_replicas": replicas,
            },
            "created": "2026-11-30T12:00:00Z",
            "ts": "2026-11-30T12:00:00Z",
            "state": {
                "messages": 7, "bytes": 700, "first_seq": 1, "first_ts": "2026-11-30T12:00:00Z",
                "last_seq": 7, "last_ts": "2026-11-30T12:00:00Z", "consumer_count": 0,
            },
            "cluster": cluster,
        });
        standing(&serde_json::from_value(info).unwrap())
    }

    fn peer(name: &str, current: bool) -> serde_json::Value {
        serde_json::json!({ "name": name, "current": current, "active": 1_000_000 })
    }

    #[test]
    fn only_the_leader_of_a_replicated_stream_says_where_it_ends() {
        let peers = [peer("b", true), peer("c", false)];
        let leads = serde_json::json!({
            "leader": "a", "leader_since": "2026-11-30T11:00:00Z", "replicas": peers,
        });
        let standing = standing_of(3, &leads).unwrap();
        assert_eq!((standing.last, standing.agreed), (7, true));

        // As nats-server 2.15.1 answers just after it started, and while it knows no leader.
        let just_started = serde_json::json!({ "leader": "a" });
        let follows = serde_json::json!({ "leader": "b", "replicas": peers });
        let leaderless = serde_json::json!({ "replicas": [peer("a", true), peer("b", true)] });
        for cluster in [just_started, follows, leaderless] {
            assert_eq!(standing_of(3, &cluster), None, "{cluster}");
        }
    }

    #[test]
    fn a_leader_that_is_alone_is_not_sure_of_the_end() {
        let alone = serde_json::json!({
            "leader": "a", "leader_since": "2026-11-30T11:00:00Z",
            "replicas": [peer("b", false), peer("c", false)],
        });
        assert!(!standing_of(3, &alone).unwrap().agreed);
    }

    #[test]
    fn a_single_server_leads_by_itself() {
        assert!(standing_of(1, &serde_json::Value::Null).unwrap().agreed);
        let in_cluster = serde_json::json!({ "leader": "a" });
        assert!(standing_of(1, &in_cluster).unwrap().agreed);
    }
}
