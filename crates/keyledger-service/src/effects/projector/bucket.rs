//! The inventory bucket, as the projector writes it and looks at it.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::{
    HeaderMap, PublishError,
    client::RequestError,
    jetstream::{self, context::GetStreamError, stream::PurgeError},
};
use bytes::Bytes;
use futures::StreamExt as _;
use keyledger_domain::{Name, text::in_full, views};
use keyledger_wire::{Prefix, header};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    shared::Shared,
    trust::{SetupError, ensure_inventory},
};

/// How many entries are read at once.
const IN_FLIGHT: usize = 64;
/// How many entries are held against the ledger at one look.
const COMPARED: usize = 512;
/// How long JetStream is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the bucket was not made, or not written. All of it is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum BucketError {
    /// How many replicas the ledger has is not known: JetStream does not answer.
    #[error("the ledger's stream does not answer")]
    Ledger(#[source] GetStreamError),
    /// It was not made: the source says why.
    #[error("making it")]
    Make(#[from] SetupError),
    /// It cannot be looked at.
    #[error("its stream does not answer")]
    Stream(#[source] GetStreamError),
    /// It holds what is nobody's, and was not emptied.
    #[error("emptying it")]
    Purge(#[from] PurgeError),
    /// A row or an acknowledgement is no JSON: report it.
    #[error("an entry, or its acknowledgement")]
    Json(#[from] serde_json::Error),
    /// An entry was not sent.
    #[error("sending an entry")]
    Unsent(#[from] PublishError),
    /// JetStream did not answer of entries.
    #[error("no answer of entries")]
    Unanswered(#[from] RequestError),
    /// JetStream did not take entries.
    #[error("JetStream did not take entries: {error:?}")]
    Refused {
        /// What it says.
        error: Option<serde_json::Value>,
    },
}

/// What a look at the bucket found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// It is the one that was written, with an entry a key.
    AsWritten,
    /// It is gone, another one, or holds more or less: write everything again.
    Amiss,
}

/// The bucket in the account of the views.
pub(super) struct Bucket {
    shared: Arc<Shared>,
    /// When the stream was created that was written; another one is another bucket.
    created: Option<i64>,
    /// The bucket's newest sequence when it was last looked at.
    seen: u64,
    /// How many entries were written here since.
    written: AtomicU64,
    /// Entries that are to be held against the ledger, since somebody else wrote something.
    doubted: BTreeSet<Name>,
}

impl Bucket {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            created: None,
            seen: 0,
            written: AtomicU64::new(0),
            doubted: BTreeSet::new(),
        }
    }

    /// Makes the bucket if it is not there, with as many replicas as the ledger has. True if it was made.
    ///
    /// One that holds entries of no key is emptied: what is written next is all there is.
    pub(super) async fn ensure(&mut self) -> Result<bool, BucketError> {
        let Shared { nats, prefix, .. } = &*self.shared;
        let ledger = jetstream::new(nats.clone())
            .get_stream(prefix.events_stream())
            .await
            .map_err(BucketError::Ledger)?;
        let replicas = ledger.cached_info().config.num_replicas;
        let made = ensure_inventory(nats, prefix, replicas).await?;
        let stream = self.stream().await?;
        let info = stream.cached_info();
        self.created = Some(info.created.unix_timestamp());
        self.seen = info.state.last_sequence;
        *self.written.get_mut() = 0;
        if info.state.messages > self.keys() {
            stream.purge().await?;
        }
        Ok(made)
    }

    /// Writes entries as one batch, and waits until JetStream has it.
    pub(super) async fn write(&self, names: &[Name]) -> Result<(), BucketError> {
        #[derive(Deserialize)]
        struct Acknowledged {
            error: Option<serde_json::Value>,
            seq: Option<u64>,
        }
        let rows = names.iter().filter_map(|name| self.row(name).transpose());
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let Shared { nats, .. } = &*self.shared;
        let (count, batch) = (rows.len(), Uuid::now_v7().simple().to_string());
        for (place, (subject, row)) in (1..).zip(rows) {
            let mut headers = HeaderMap::new();
            headers.insert(header::BATCH_ID, batch.as_str());
            headers.insert(header::BATCH_SEQUENCE, place.to_string());
            if place < count {
                nats.publish_with_headers(subject, headers, row).await?;
                continue;
            }
            headers.insert(header::BATCH_COMMIT, "1");
            let request = async_nats::Request::new()
                .headers(headers)
                .payload(row)
                .timeout(Some(PATIENCE));
            let reply = nats.send_request(subject, request).await?;
            let said: Acknowledged = serde_json::from_slice(&reply.payload)?;
            match (said.error, said.seq) {
                (None, Some(_)) => self.written.fetch_add(count as u64, Ordering::Relaxed),
                (error, _) => return Err(BucketError::Refused { error }),
            };
        }
        Ok(())
    }

    /// A key's entry as the ledger has it now: its subject, and what it says.
    fn row(&self, name: &Name) -> Result<Option<(String, Bytes)>, BucketError> {
        let Shared { prefix, live, .. } = &*self.shared;
        let row = views::row(&live.ledger.read(), name);
        let Some(row) = row else { return Ok(None) };
        let subject = Prefix::bucket_entry(&prefix.inventory_bucket(), name.as_str());
        Ok(Some((subject, serde_json::to_vec(&row)?.into())))
    }

    /// Looks whether it still is what was written.
    pub(super) async fn look(&mut self) -> Look {
        let stream = match self.stream().await {
            Ok(stream) => stream,
            Err(error) => {
                let said = in_full(&error);
                tracing::debug!(%said, "the inventory bucket cannot be looked at");
                return Look::Amiss;
            }
        };
        let info = stream.cached_info();
        let same = self.created == Some(info.created.unix_timestamp());
        if !same || info.state.messages != self.keys() {
            return Look::Amiss;
        }
        let last = info.state.last_sequence;
        let expected = self.seen + std::mem::take(self.written.get_mut());
        self.seen = last;
        if last != expected {
            // Another instance, which writes what the ledger says, or somebody who does not.
            let ledger = self.shared.live.ledger.read();
            self.doubted
                .extend(ledger.keys().map(|(name, _)| name.clone()));
        }
        Look::AsWritten
    }

    /// Holds some of the entries that are in doubt against the ledger; gives those that say something else.
    pub(super) async fn differing(&mut self) -> Vec<Name> {
        let some: Vec<Name> = self.doubted.iter().take(COMPARED).cloned().collect();
        for name in &some {
            self.doubted.remove(name);
        }
        self.differing_of(&some).await
    }

    /// Those of these entries that say something else than the ledger. What cannot be read is in doubt from then on.
    pub(super) async fn differing_of(&mut self, names: &[Name]) -> Vec<Name> {
        let this = &*self;
        let held = futures::stream::iter(names.to_vec())
            .map(|name| async move {
                let held = this.holds(&name).await;
                (name, held)
            })
            .buffered(IN_FLIGHT)
            .collect::<Vec<_>>()
            .await;
        let (mut differing, mut unread) = (Vec::new(), Vec::new());
        for (name, held) in held {
            match held {
                Ok(true) => {}
                Ok(false) => differing.push(name),
                Err(error) => {
                    let said = in_full(&error);
                    tracing::debug!(%name, %said, "an entry of the inventory bucket cannot be read");
                    unread.push(name);
                }
            }
        }
        self.doubted.extend(unread);
        differing
    }

    /// Whether the bucket says of a key what the ledger says.
    async fn holds(&self, name: &Name) -> Result<bool, BucketError> {
        let Shared { nats, prefix, .. } = &*self.shared;
        let bucket = prefix.inventory_bucket();
        let (stream, entry) = (
            Prefix::bucket_stream(&bucket),
            Prefix::bucket_entry(&bucket, name.as_str()),
        );
        let subject = format!("{}.DIRECT.GET.{stream}.{entry}", prefix.imported_api());
        let request = async_nats::Request::new().timeout(Some(PATIENCE));
        let reply = nats.send_request(subject, request).await?;
        let row = views::row(&self.shared.live.ledger.read(), name);
        let row = row.map(|row| serde_json::to_vec(&row)).transpose()?;
        Ok(row.is_none_or(|row| row == *reply.payload))
    }

    async fn stream(&self) -> Result<jetstream::stream::Stream, BucketError> {
        let Shared { nats, prefix, .. } = &*self.shared;
        let mut context = jetstream::with_prefix(nats.clone(), &prefix.imported_api());
        context.set_timeout(PATIENCE);
        let name = Prefix::bucket_stream(&prefix.inventory_bucket());
        context.get_stream(name).await.map_err(BucketError::Stream)
    }

    fn keys(&self) -> u64 {
        let ledger = self.shared.live.ledger.read();
        u64::try_from(ledger.keys().count()).unwrap_or(u64::MAX)
    }
}
