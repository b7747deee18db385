//! The bare pipeline: what NATS and a processor take for a command, without a service around it.
//!
//! It takes the same requests over the same import, makes an event of as many bytes for each, hashes and signs it, stores it in atomic
//! batches with compare-and-set, and answers with the same acknowledgement. It knows no rules, no senders and no views, so that no
//! service that does this much can be faster by much.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use async_nats::{Client, HeaderMap, Message, Request, Subscriber, jetstream};
use aws_lc_rs::{rand::SystemRandom, signature::Ed25519KeyPair};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use futures::StreamExt;
use keyledger_domain::{EventCid, Timestamp};
use keyledger_wire::{Acknowledgement, Prefix, Status, header, subject::QUEUE_GROUP};
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::place::Place;

/// The most events of a batch: JetStream's own limit.
const MAX_BATCH: usize = 1_000;
/// The most batches on their way at once. While one is stored, the next one gathers.
const AT_ONCE: usize = 1;

/// A running bare pipeline.
pub(crate) struct Bare {
    /// How many bytes each event has beside what it needs.
    padding: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Bare {
    /// Starts one where nobody else serves.
    pub(crate) async fn start(place: &Place) -> Result<Self> {
        let requests = place.connect("service").await?;
        let storing = place.connect("service").await?;
        let prefix = Prefix::default();
        let commands = Prefix::inner(&prefix.commands());
        let subscribed = requests
            .queue_subscribe(commands, QUEUE_GROUP.to_owned())
            .await?;
        requests.flush().await?;
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())?;
        let padding = Arc::new(AtomicUsize::new(0));
        let pipeline = Pipeline {
            requests,
            storing,
            prefix,
            signer: Ed25519KeyPair::from_pkcs8(pkcs8.as_ref())?,
            signer_nkey: nkeys::KeyPair::new_account().public_key(),
            padding: Arc::clone(&padding),
            heads: Mutex::default(),
        };
        let task = tokio::spawn(Arc::new(pipeline).run(subscribed));
        Ok(Self { padding, task })
    }

    /// Makes its events longer by so many bytes.
    pub(crate) fn pad(&self, bytes: usize) {
        self.padding.store(bytes, Ordering::Relaxed);
    }

    /// Stops it.
    pub(crate) fn stop(self) {
        self.task.abort();
    }
}

struct Pipeline {
    requests: Client,
    storing: Client,
    prefix: Prefix,
    signer: Ed25519KeyPair,
    signer_nkey: String,
    padding: Arc<AtomicUsize>,
    /// The newest event of each history.
    heads: Mutex<HashMap<String, Head>>,
}

#[derive(Clone, Copy)]
struct Head {
    revision: u32,
    sequence: u64,
    cid: EventCid,
}

/// An event to store, and who waits for it.
struct Pending {
    name: String,
    head: Head,
    subject: String,
    headers: HeaderMap,
    payload: Bytes,
    reply: async_nats::Subject,
    id: Uuid,
}

impl Pipeline {
    async fn run(self: Arc<Self>, mut requests: Subscriber) {
        let mut waiting = Vec::new();
        let mut under_way = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                biased;
                Some(done) = under_way.join_next(), if !under_way.is_empty() => {
                    let done: Result<()> = done.expect("storing does not panic");
                    done.expect("the server stores");
                }
                message = requests.next(), if waiting.len() < MAX_BATCH => {
                    let Some(message) = message else { return };
                    waiting.push(message);
                    if waiting.len() < MAX_BATCH && under_way.len() == AT_ONCE {
                        continue;
                    }
                }
            }
            if !waiting.is_empty() && under_way.len() < AT_ONCE {
                let batch = std::mem::take(&mut waiting);
                under_way.spawn(Arc::clone(&self).store(batch));
            }
        }
    }

    /// Stores an event for each of these requests, and answers them.
    async fn store(self: Arc<Self>, requests: Vec<Message>) -> Result<()> {
        let events = requests.into_iter().map(|request| self.event(request));
        let mut events = events.collect::<Result<Vec<_>>>()?;
        let first = self.append(&mut events).await?;
        for (sequence, event) in (first..).zip(events) {
            let head = Head {
                sequence,
                ..event.head
            };
            let acknowledgement = Acknowledgement {
                status: Status::Accepted,
                command_id: event.id,
                correlation_id: event.id,
                id: event.name.clone(),
                revision: head.revision,
                cid: head.cid,
                state: "active".to_owned(),
                durable: true,
                jwt: None,
                creds: None,
                secrets: Vec::new(),
                remarks: Vec::new(),
                certificate: None,
            };
            self.heads.lock().insert(event.name, head);
            let payload = serde_json::to_vec(&acknowledgement)?;
            self.requests.publish(event.reply, payload.into()).await?;
        }
        Ok(())
    }

    /// Appends the events as one batch, a lone one by itself; gives the sequence of the first.
    async fn append(&self, events: &mut [Pending]) -> Result<u64> {
        let count = events.len();
        let batch = Uuid::now_v7().simple().to_string();
        for (place, event) in (1..).zip(events) {
            let mut headers = std::mem::take(&mut event.headers);
            if count > 1 {
                headers.insert(header::BATCH_ID, batch.as_str());
                headers.insert(header::BATCH_SEQUENCE, place.to_string());
            }
            let (subject, payload) = (event.subject.clone(), event.payload.clone());
            if place < count {
                let sent = self.storing.publish_with_headers(subject, headers, payload);
                sent.await?;
                continue;
            }
            if count > 1 {
                headers.insert(header::BATCH_COMMIT, "1");
            }
            let request = Request::new()
                .payload(payload)
                .headers(headers)
                .timeout(Some(Duration::from_secs(10)));
            let reply = self.storing.send_request(subject, request).await?;
            let stored: serde_json::Value = serde_json::from_slice(&reply.payload)?;
            let last = stored["seq"].as_u64();
            let last = last.with_context(|| format!("nothing was stored: {stored}"))?;
            return Ok(last + 1 - count as u64);
        }
        anyhow::bail!("a batch of no events")
    }

    /// The event that a request asks for, hashed and signed.
    fn event(&self, request: Message) -> Result<Pending> {
        let outer = Prefix::outer(&request.subject).context("an inner subject")?;
        let (aggregate, verb, name) = self
            .prefix
            .split_command(outer)
            .context("the subject of a command")?;
        let asked = request.headers.as_ref();
        let asked = |name: &str| asked.and_then(|h| h.get(name)).map(|v| v.as_str());
        let id: Uuid = asked(header::MESSAGE_ID).context("an id")?.parse()?;
        let before = self.heads.lock().get(name).copied();
        let revision = before.map_or(1, |head| head.revision + 1);
        let event_id = Uuid::now_v7();
        let prev = before.map_or_else(String::new, |head| format!(r#""prev":"{}","#, head.cid));
        let now = Timestamp::from_ms(jiff::Timestamp::now().as_millisecond());
        let data = std::str::from_utf8(&request.payload)?;
        let mut event = format!(
            r#"{{"id":"{event_id}","type":"{aggregate}.v1.{verb}","aggregate":"{aggregate}","aggregate_id":"{name}","revision":{revision},{prev}"occurred_at":"{now}","command_id":"{id}","correlation_id":"{id}","causation_id":"{id}","data":{data},"rest":""#
        );
        let padding = self.padding.load(Ordering::Relaxed);
        event.extend(std::iter::repeat_n('x', padding));
        event.push_str("\"}");
        let cid = EventCid::of(event.as_bytes());
        let signature = self.signer.sign(&cid.to_bytes());
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_MSG_ID, event_id.to_string());
        headers.insert(header::CORRELATION_ID, id.to_string());
        headers.insert(header::CAUSATION_ID, id.to_string());
        headers.insert(header::EVENT_TYPE, format!("{aggregate}.v1.{verb}"));
        headers.insert(header::AGGREGATE_ID, name);
        headers.insert(header::SCHEMA_VERSION, "1");
        headers.insert(header::CID, cid.to_string());
        headers.insert(
            header::SIGNATURE,
            BASE64URL_NOPAD.encode(signature.as_ref()),
        );
        headers.insert(header::SIGNER, self.signer_nkey.as_str());
        let sequence = before.map_or(0, |head| head.sequence);
        headers.insert(header::EXPECTED_LAST, sequence.to_string());
        let history = format!("{}.events.{aggregate}.{name}.>", self.prefix.as_str());
        headers.insert(header::EXPECTED_LAST_SUBJECT, history);
        Ok(Pending {
            name: name.to_owned(),
            head: Head {
                revision,
                sequence: 0,
                cid,
            },
            subject: format!("{}.events.{aggregate}.{name}.{verb}", self.prefix.as_str()),
            headers,
            payload: event.into(),
            reply: request.reply.context("somebody waits")?,
            id,
        })
    }
}

/// How many events the ledger's stream holds, and their bytes.
pub(crate) async fn stored(place: &Place) -> Result<(u64, u64)> {
    let nats = place.connect("setup").await?;
    let jetstream = jetstream::new(nats);
    let stream = jetstream
        .get_stream(Prefix::default().events_stream())
        .await?;
    let state = &stream.cached_info().state;
    Ok((state.messages, state.bytes))
}
