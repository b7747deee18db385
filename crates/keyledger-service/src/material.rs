//! Sealed material in its bucket: written before the event that names it, erased after the event that ends it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_nats::jetstream;
use bytes::Bytes;
use keyledger_wire::Prefix;
use parking_lot::Mutex;
use serde::Deserialize;

use crate::store::Pending;

/// How long the bucket is waited for.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often an entry is asked for before the bucket counts as away.
const READ_TRIES: u32 = 5;
/// The pause before it is asked again.
const READ_PAUSE: Duration = Duration::from_millis(300);

/// Why an entry of material was not written, read or erased.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the material bucket: {0}")]
pub struct MaterialError(pub String);

/// Where sealed material lies.
pub trait Materials: Send + Sync + 'static {
    /// Writes an entry. Acknowledged only once durable.
    fn put(&self, entry: &str, sealed: Vec<u8>) -> Pending<'_, Result<(), MaterialError>>;

    /// Reads an entry; nothing if it is not there.
    fn read(&self, entry: &str) -> Pending<'_, Result<Option<Vec<u8>>, MaterialError>>;

    /// Erases an entry's bytes from the store and looks for it in vain. Erasing what is not there succeeds.
    fn erase(&self, entry: &str) -> Pending<'_, Result<(), MaterialError>>;
}

/// The bucket in JetStream.
#[derive(Debug, Clone)]
pub struct MaterialBucket {
    client: async_nats::Client,
    context: jetstream::Context,
    bucket: String,
}

impl MaterialBucket {
    /// The bucket of `prefix`, which must be there.
    ///
    /// # Errors
    ///
    /// [`MaterialError`] if it is not.
    pub async fn open(client: async_nats::Client, prefix: &Prefix) -> Result<Self, MaterialError> {
        let mut context = jetstream::new(client.clone());
        context.set_timeout(Duration::from_secs(5));
        let bucket = prefix.material_bucket();
        let stream = Prefix::bucket_stream(&bucket);
        context.get_stream(&stream).await.map_err(|e| {
            MaterialError(format!(
                "stream {stream} cannot be used ({e}): run `keyledger setup` once"
            ))
        })?;
        Ok(Self {
            client,
            context,
            bucket,
        })
    }

    /// The newest message of an entry: its sequence and bytes. A delete marker counts as nothing.
    ///
    /// A replicated bucket answers 503 for a while after it was made or lost its leader: it is asked again.
    async fn newest(&self, entry: &str) -> Result<Option<(u64, Vec<u8>)>, MaterialError> {
        use jetstream::stream::DirectGetErrorKind::NotFound;
        let stream = Prefix::bucket_stream(&self.bucket);
        let stream = self.context.get_stream_no_info(&stream).await;
        let stream = stream.map_err(|e| MaterialError(e.to_string()))?;
        let mut tried = 1;
        loop {
            let subject = Prefix::bucket_entry(&self.bucket, entry);
            match stream.direct_get_last_for_subject(subject).await {
                Ok(message) => return Ok(Some((message.sequence, message.payload.to_vec()))),
                Err(e) if e.kind() == NotFound => return Ok(None),
                Err(e) if tried == READ_TRIES => return Err(MaterialError(e.to_string())),
                Err(_) => tried += 1,
            }
            tokio::time::sleep(READ_PAUSE).await;
        }
    }
}

#[derive(Deserialize)]
struct ApiReply {
    error: Option<ApiFault>,
}

#[derive(Deserialize)]
struct ApiFault {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    description: String,
}

impl Materials for MaterialBucket {
    fn put(&self, entry: &str, sealed: Vec<u8>) -> Pending<'_, Result<(), MaterialError>> {
        let subject = Prefix::bucket_entry(&self.bucket, entry);
        Box::pin(async move {
            let request = async_nats::Request::new()
                .payload(Bytes::from(sealed))
                .timeout(Some(TIMEOUT));
            let reply = self.client.send_request(subject, request).await;
            let reply = reply.map_err(|e| MaterialError(e.to_string()))?;
            let reply: ApiReply = serde_json::from_slice(&reply.payload)
                .map_err(|e| MaterialError(format!("no acknowledgement can be read: {e}")))?;
            reply
                .error
                .map_or(Ok(()), |fault| Err(MaterialError(fault.description)))
        })
    }

    fn read(&self, entry: &str) -> Pending<'_, Result<Option<Vec<u8>>, MaterialError>> {
        let entry = entry.to_owned();
        Box::pin(async move { Ok(self.newest(&entry).await?.map(|(_, sealed)| sealed)) })
    }

    fn erase(&self, entry: &str) -> Pending<'_, Result<(), MaterialError>> {
        let entry = entry.to_owned();
        Box::pin(async move {
            let stream = Prefix::bucket_stream(&self.bucket);
            while let Some((sequence, _)) = self.newest(&entry).await? {
                // Without `no_erase` the server overwrites the bytes before it forgets them.
                let request = serde_json::json!({ "seq": sequence }).to_string();
                let subject = format!("$JS.API.STREAM.MSG.DELETE.{stream}");
                let request = async_nats::Request::new()
                    .payload(request.into())
                    .timeout(Some(TIMEOUT));
                let reply = self.client.send_request(subject, request).await;
                let reply = reply.map_err(|e| MaterialError(e.to_string()))?;
                let reply: ApiReply = serde_json::from_slice(&reply.payload)
                    .map_err(|e| MaterialError(format!("no answer can be read: {e}")))?;
                if let Some(fault) = reply.error.filter(|fault| fault.code != 404) {
                    return Err(MaterialError(fault.description));
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
    fn put(&self, entry: &str, sealed: Vec<u8>) -> Pending<'_, Result<(), MaterialError>> {
        self.0.lock().insert(entry.to_owned(), sealed);
        Box::pin(async { Ok(()) })
    }

    fn read(&self, entry: &str) -> Pending<'_, Result<Option<Vec<u8>>, MaterialError>> {
        let found = self.0.lock().get(entry).cloned();
        Box::pin(async { Ok(found) })
    }

    fn erase(&self, entry: &str) -> Pending<'_, Result<(), MaterialError>> {
        self.0.lock().remove(entry);
        Box::pin(async { Ok(()) })
    }
}
