//! Sealed material in its bucket: written before the event that names it, erased after the event that ends it.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::{HeaderMap, RequestErrorKind, header::NATS_MESSAGE_ID, jetstream};
use bytes::Bytes;
use futures::StreamExt as _;
use keyledger_domain::Timestamp;
use keyledger_wire::Prefix;
use parking_lot::Mutex;
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    store::{ApiFault, FaultKind, Pending, ROOM, check, no_leader, while_connected},
    streams::material_config,
};

/// How long one answer is waited for.
const ANSWERED_WITHIN: Duration = Duration::from_millis(1_500);
/// For how long in all something is tried while the bucket has no leader: less than a client waits for an answer, so that the
/// reason is heard, though the servers are asked for it too. Each try writes the same bytes to the same entry.
const PATIENCE: Duration = Duration::from_secs(3);
/// The pause before the bucket is asked again.
const PAUSE: Duration = Duration::from_millis(200);

/// Why an entry of material was not written, read or erased.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum MaterialError {
    /// The bucket is not there: run `keyledger setup`, once.
    #[error("stream {stream} is not there: run `keyledger setup` once")]
    Missing {
        /// The bucket's stream.
        stream: String,
    },
    /// A setting of the bucket is not the one that it was made with, and may lose what it holds; the message says what to do.
    #[error("{0}")]
    Setting(String),
    /// No server that leads the bucket answered in time: written or not, nobody knows. Try again.
    #[error("{0}")]
    Unavailable(String),
    /// The store is full: nothing was written. Make room.
    #[error("stream {stream} takes no more: {said}; {ROOM}")]
    Full {
        /// The bucket's stream.
        stream: String,
        /// What the server says.
        said: String,
    },
    /// The server refuses, and does so again: an administrator must act on what it says.
    #[error("stream {stream} refuses: {said}")]
    Refused {
        /// The bucket's stream.
        stream: String,
        /// What the server says.
        said: String,
    },
    /// What was read is not what was written.
    #[error("entry {0} does not read as it was written")]
    Unread(String),
}

/// Where sealed material lies.
pub trait Materials: Send + Sync + 'static {
    /// Whether the bucket still keeps what it holds: its settings, looked at now. While it does not, nothing is written to it.
    fn examine(&self) -> Pending<'_, Result<(), MaterialError>>;

    /// Writes an entry. Acknowledged only once durable.
    fn put(&self, entry: &str, sealed: Vec<u8>) -> Pending<'_, Result<(), MaterialError>>;

    /// Reads an entry; nothing if it is not there.
    fn read(&self, entry: &str) -> Pending<'_, Result<Option<Vec<u8>>, MaterialError>>;

    /// The names of all entries, those of the last moment perhaps not.
    fn entries(&self) -> Pending<'_, Result<Vec<String>, MaterialError>>;

    /// When an entry was written; nothing if it is not there.
    fn written_at(&self, entry: &str) -> Pending<'_, Result<Option<Timestamp>, MaterialError>>;

    /// Erases an entry's bytes from the store and looks for it in vain. Erasing what is not there succeeds.
    fn erase(&self, entry: &str) -> Pending<'_, Result<(), MaterialError>>;
}

/// The bucket in JetStream.
#[derive(Debug, Clone)]
pub struct MaterialBucket {
    client: async_nats::Client,
    context: jetstream::Context,
    bucket: String,
    stream: String,
    /// The settings that it was made with.
    made: jetstream::stream::Config,
    /// What was wrong with its settings when they were last looked at: nothing is written then.
    fault: Arc<Mutex<Option<String>>>,
}

/// The newest message of an entry.
struct Newest {
    sequence: u64,
    written_at: Timestamp,
    sealed: Vec<u8>,
}

impl MaterialBucket {
    /// The bucket of `prefix`, which must be there.
    ///
    /// # Errors
    ///
    /// [`MaterialError`] if it is not, or may lose what it holds.
    pub async fn open(client: async_nats::Client, prefix: &Prefix) -> Result<Self, MaterialError> {
        let mut context = jetstream::new(client.clone());
        context.set_timeout(ANSWERED_WITHIN);
        let bucket = prefix.material_bucket();
        let bucket = Self {
            client,
            context,
            stream: Prefix::bucket_stream(&bucket),
            bucket,
            made: material_config(prefix, 1),
            fault: Arc::default(),
        };
        bucket.look().await?;
        Ok(bucket)
    }

    /// Looks at the bucket's settings.
    async fn look(&self) -> Result<(), MaterialError> {
        use jetstream::context::GetStreamErrorKind as Kind;
        let stream = self.stream.clone();
        let info = self.context.get_stream(&stream).await;
        let info = info.map_err(|e| match e.kind() {
            Kind::JetStream(e) if e.code() == 404 => MaterialError::Missing { stream },
            _ => MaterialError::Unavailable(format!("stream {stream} does not answer: {e}")),
        })?;
        let kept = check(&info.cached_info().config, &self.made).map_err(|e| e.to_string());
        self.fault.lock().clone_from(&kept.as_ref().err().cloned());
        kept.map_err(MaterialError::Setting)
    }

    /// The newest message of an entry. A delete marker counts as nothing.
    ///
    /// A replicated bucket answers 503 for a while after it was made or lost its leader: it is asked again.
    async fn newest(&self, entry: &str) -> Result<Option<Newest>, MaterialError> {
        use jetstream::stream::DirectGetErrorKind::NotFound;
        let stream = self.context.get_stream_no_info(&self.stream).await;
        let stream = stream.map_err(|e| MaterialError::Unavailable(e.to_string()))?;
        let begin = Instant::now();
        loop {
            let subject = Prefix::bucket_entry(&self.bucket, entry);
            match stream.direct_get_last_for_subject(subject).await {
                Ok(message) => {
                    return Ok(Some(Newest {
                        sequence: message.sequence,
                        written_at: Timestamp::from_ms(message.time.unix_timestamp() * 1_000),
                        sealed: message.payload.to_vec(),
                    }));
                }
                Err(e) if e.kind() == NotFound => return Ok(None),
                Err(e) if begin.elapsed() > PATIENCE => {
                    let said = format!("no server answers for {}: {e}", self.stream);
                    return Err(MaterialError::Unavailable(said));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Asks the bucket's leader, until it answers or patience ends. What is written is written once: the server knows a message
    /// that comes again by its id.
    async fn insist(&self, subject: &str, payload: Bytes) -> Result<(), MaterialError> {
        let begin = Instant::now();
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, Uuid::now_v7().to_string());
        loop {
            let request = async_nats::Request::new()
                .headers(headers.clone())
                .payload(payload.clone())
                .timeout(Some(ANSWERED_WITHIN));
            let sent = self.client.send_request(subject.to_owned(), request);
            let answered = while_connected(&self.client, sent).await;
            let said = match answered {
                Some(Ok(reply)) => match self.judge(&reply.payload) {
                    Err(MaterialError::Unavailable(said)) => said,
                    other => return other,
                },
                Some(Err(error)) if error.kind() == RequestErrorKind::NoResponders => {
                    no_leader(&self.stream)
                }
                Some(Err(_)) => format!("stream {} does not acknowledge", self.stream),
                None => "the connection to nats-server was lost".to_owned(),
            };
            if begin.elapsed() > PATIENCE {
                return Err(MaterialError::Unavailable(said));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn judge(&self, reply: &[u8]) -> Result<(), MaterialError> {
        let unreadable = |e| MaterialError::Unavailable(format!("no answer can be read: {e}"));
        let reply: ApiReply = serde_json::from_slice(reply).map_err(unreadable)?;
        let Some(fault) = reply.error else {
            return Ok(());
        };
        let stream = self.stream.clone();
        let said = fault.to_string();
        Err(match fault.kind() {
            FaultKind::Full => MaterialError::Full { stream, said },
            FaultKind::Passing => MaterialError::Unavailable(format!("{stream}: {said}")),
            FaultKind::Conflict | FaultKind::Missing | FaultKind::Lasting => {
                MaterialError::Refused { stream, said }
            }
        })
    }
}

#[derive(Deserialize)]
struct ApiReply {
    error: Option<ApiFault>,
}

impl Materials for MaterialBucket {
    fn examine(&self) -> Pending<'_, Result<(), MaterialError>> {
        Box::pin(self.look())
    }

    fn put(&self, entry: &str, sealed: Vec<u8>) -> Pending<'_, Result<(), MaterialError>> {
        let subject = Prefix::bucket_entry(&self.bucket, entry);
        Box::pin(async move {
            let fault = self.fault.lock().clone();
            if let Some(fault) = fault {
                return Err(MaterialError::Setting(fault));
            }
            self.insist(&subject, Bytes::from(sealed)).await
        })
    }

    fn read(&self, entry: &str) -> Pending<'_, Result<Option<Vec<u8>>, MaterialError>> {
        let entry = entry.to_owned();
        Box::pin(async move { Ok(self.newest(&entry).await?.map(|message| message.sealed)) })
    }

    fn entries(&self) -> Pending<'_, Result<Vec<String>, MaterialError>> {
        Box::pin(async move {
            let failed = |e: &dyn std::fmt::Display| MaterialError::Unavailable(e.to_string());
            let stream = self.context.get_stream_no_info(&self.stream).await;
            let stream = stream.map_err(|e| failed(&e))?;
            let all = Prefix::bucket_entry(&self.bucket, ">");
            let listed = stream.info_with_subjects(&all).await;
            let mut listed = listed.map_err(|e| failed(&e))?;
            let mut entries = Vec::new();
            while let Some(subject) = listed.next().await {
                let (subject, _) = subject.map_err(|e| failed(&e))?;
                entries.extend(
                    subject
                        .strip_prefix(all.trim_end_matches('>'))
                        .map(str::to_owned),
                );
            }
            Ok(entries)
        })
    }

    fn written_at(&self, entry: &str) -> Pending<'_, Result<Option<Timestamp>, MaterialError>> {
        let entry = entry.to_owned();
        Box::pin(async move { Ok(self.newest(&entry).await?.map(|message| message.written_at)) })
    }

    fn erase(&self, entry: &str) -> Pending<'_, Result<(), MaterialError>> {
        let entry = entry.to_owned();
        Box::pin(async move {
            let subject = format!("$JS.API.STREAM.MSG.DELETE.{}", self.stream);
            let mut refused = None;
            while let Some(Newest { sequence, .. }) = self.newest(&entry).await? {
                if let Some((at, error)) = refused.take()
                    && at == sequence
                {
                    return Err(error);
                }
                // Without `no_erase` the server overwrites the bytes before it forgets them.
                let request = serde_json::json!({ "seq": sequence }).to_string();
                match self.insist(&subject, request.into()).await {
                    // Somebody else may have erased it meanwhile.
                    Err(error @ MaterialError::Refused { .. }) => refused = Some((sequence, error)),
                    other => other?,
                }
            }
            Ok(())
        })
    }
}

/// Material in memory, for tests.
#[derive(Debug, Clone, Default)]
pub struct MemoryMaterials(Arc<Mutex<HashMap<String, Vec<u8>>>>);

impl Materials for MemoryMaterials {
    fn examine(&self) -> Pending<'_, Result<(), MaterialError>> {
        Box::pin(async { Ok(()) })
    }

    fn put(&self, entry: &str, sealed: Vec<u8>) -> Pending<'_, Result<(), MaterialError>> {
        self.0.lock().insert(entry.to_owned(), sealed);
        Box::pin(async { Ok(()) })
    }

    fn read(&self, entry: &str) -> Pending<'_, Result<Option<Vec<u8>>, MaterialError>> {
        let found = self.0.lock().get(entry).cloned();
        Box::pin(async { Ok(found) })
    }

    fn entries(&self) -> Pending<'_, Result<Vec<String>, MaterialError>> {
        let entries = self.0.lock().keys().cloned().collect();
        Box::pin(async { Ok(entries) })
    }

    fn written_at(&self, entry: &str) -> Pending<'_, Result<Option<Timestamp>, MaterialError>> {
        let is_there = self.0.lock().contains_key(entry);
        Box::pin(async move { Ok(is_there.then(|| Timestamp::from_ms(0))) })
    }

    fn erase(&self, entry: &str) -> Pending<'_, Result<(), MaterialError>> {
        self.0.lock().remove(entry);
        Box::pin(async { Ok(()) })
    }
}
