//! Projects the inventory into its bucket, for `nats kv` and for other services.
//!
//! Only a view: it lags under load, puts several changes of a key into one entry, and is written anew at the start
//! and after a lost connection, since the bucket is in the server's memory.

use std::{
    collections::HashSet,
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_nats::{connection::State as Connection, jetstream};
use keyledger_domain::{Name, views};
use keyledger_wire::Prefix;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{shared::Shared, trust::ensure_inventory};

/// How many entries are written before the connection is flushed.
const AT_ONCE: usize = 256;
/// From how many changed keys on commands come before the view.
const CROWD: usize = 32;
/// How long is rested then: some 2,500 entries a second go out, and a key that changes often goes out once.
const CROWDED: Duration = Duration::from_millis(100);
/// How long changes are gathered.
const GATHER: Duration = Duration::from_millis(20);
/// How often the connection is looked at while nothing changes.
const IDLE: Duration = Duration::from_secs(1);

/// Takes the names of keys that changed.
#[derive(Clone)]
pub(crate) struct Projector {
    changed: Arc<Mutex<HashSet<Name>>>,
    notify: Arc<Notify>,
}

impl Projector {
    /// A projector, and the task that writes.
    pub(crate) fn new(shared: &Arc<Shared>) -> (Self, impl Future<Output = ()> + use<>) {
        let projector = Self {
            changed: Arc::default(),
            notify: Arc::default(),
        };
        (projector.clone(), projector.run(Arc::clone(shared)))
    }

    /// Says that a key changed.
    pub(crate) fn changed(&self, name: &Name) {
        self.changed.lock().insert(name.clone());
        self.notify.notify_one();
    }

    async fn run(self, shared: Arc<Shared>) {
        let bucket = shared.prefix.inventory_bucket();
        // Everything is written at the start, and whenever the server may have lost it: it has, after a restart.
        let mut whole = true;
        let mut connects = 0;
        loop {
            let so_often = shared.nats.statistics().connects.load(Ordering::Relaxed);
            whole |= std::mem::replace(&mut connects, so_often) != so_often;
            if shared.nats.connection_state() != Connection::Connected {
                tokio::time::sleep(IDLE).await;
                continue;
            }
            if whole {
                if let Err(said) = make(&shared).await {
                    tracing::warn!(%said, "the inventory bucket was not made");
                    tokio::time::sleep(IDLE).await;
                    continue;
                }
                whole = false;
                // A standalone server forgets a bucket in memory, settings and all.
                if let Err(error) = ensure_inventory(&shared.nats, &shared.prefix, 1).await {
                    tracing::warn!(%error, "the inventory bucket is not there");
                }
                let all: Vec<Name> = shared
                    .live
                    .ledger
                    .read()
                    .keys()
                    .map(|(name, _)| name.clone())
                    .collect();
                self.changed.lock().extend(all);
            }
            let names: Vec<Name> = {
                let mut changed = self.changed.lock();
                let names: Vec<Name> = changed.iter().take(AT_ONCE).cloned().collect();
                for name in &names {
                    changed.remove(name);
                }
                names
            };
            if names.is_empty() {
                let _ = tokio::time::timeout(IDLE, self.notify.notified()).await;
                tokio::time::sleep(GATHER).await;
                continue;
            }
            let crowded = names.len() > CROWD;
            if let Err(said) = write(&shared, &bucket, &names).await {
                tracing::warn!(%said, "the inventory bucket was not written");
                whole = true;
                tokio::time::sleep(IDLE).await;
            } else if crowded {
                tokio::time::sleep(CROWDED).await;
            }
        }
    }
}

/// Makes the bucket if it is not there, with as many replicas as the ledger has.
async fn make(shared: &Shared) -> Result<(), String> {
    let ledger = jetstream::new(shared.nats.clone())
        .get_stream(shared.prefix.events_stream())
        .await
        .map_err(|e| e.to_string())?;
    let replicas = ledger.cached_info().config.num_replicas;
    ensure_inventory(&shared.nats, &shared.prefix, replicas)
        .await
        .map(|_| ())
        .map_err(|e| e.to_string())
}

async fn write(shared: &Shared, bucket: &str, names: &[Name]) -> Result<(), String> {
    for name in names {
        let row = views::row(&shared.live.ledger.read(), name);
        let Some(row) = row else { continue };
        let payload = serde_json::to_vec(&row).map_err(|e| e.to_string())?;
        let subject = Prefix::bucket_entry(bucket, name.as_str());
        shared
            .nats
            .publish(subject, payload.into())
            .await
            .map_err(|e| e.to_string())?;
    }
    shared.nats.flush().await.map_err(|e| e.to_string())
}
