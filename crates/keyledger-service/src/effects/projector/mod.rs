//! Projects the inventory into its bucket, for `nats kv` and for other services.
//!
//! Only a view: it lags under load, puts several changes of a key into one entry, and is written anew at the start
//! and after a lost connection, since the bucket is in the server's memory. An entry counts as written once JetStream has
//! said so; the bucket is looked at again and again, and made anew where it is gone. Where somebody else wrote, entries are held
//! against the ledger, and written over.

mod bucket;
mod health;

use std::{
    collections::HashSet,
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use async_nats::connection::State as Connection;
use keyledger_domain::{Name, text::in_full};
use parking_lot::Mutex;
use tokio::sync::Notify;

use self::bucket::{Bucket, Look};
pub(crate) use self::health::InventoryHealth;
use crate::shared::Shared;

/// How many entries are written in one go.
const AT_ONCE: usize = 256;
/// How often the bucket is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// With more changed keys than this, commands go first and the view waits.
const CROWD: usize = 32;
/// The pause then: some 2,500 entries a second are written, and a key that changes often is written once.
const CROWDED: Duration = Duration::from_millis(100);
/// How long an entry may differ from the ledger: another instance writes what this one is about to fold.
const SETTLED: Duration = Duration::from_millis(500);
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
        let mut bucket = Bucket::new(&shared);
        // Everything is written at the start, and whenever the server may have lost it: it has, after a restart.
        let mut whole = true;
        let mut connects = 0;
        let mut looked = Instant::now();
        loop {
            let connects_now = shared.nats.statistics().connects.load(Ordering::Relaxed);
            let reconnected = std::mem::replace(&mut connects, connects_now) != connects_now;
            whole |= reconnected;
            if shared.nats.connection_state() != Connection::Connected {
                tokio::time::sleep(IDLE).await;
                continue;
            }
            if whole {
                match bucket.ensure().await {
                    Ok(made) => shared
                        .inventory
                        .made(made && !reconnected, (shared.clock)()),
                    Err(error) => {
                        let said = in_full(&error);
                        tracing::warn!(%said, "the inventory bucket is not there, and was not made");
                        shared.inventory.failed(&error);
                        tokio::time::sleep(IDLE).await;
                        continue;
                    }
                }
                whole = false;
                let ledger = shared.live.ledger.read();
                let all: Vec<Name> = ledger.keys().map(|(name, _)| name.clone()).collect();
                drop(ledger);
                self.changed.lock().extend(all);
            }
            let names = self.some();
            if names.is_empty() {
                shared.inventory.is_current();
                if looked.elapsed() > LOOK {
                    looked = Instant::now();
                    whole |= self.look(&mut bucket).await == Look::Amiss;
                    self.compare(&mut bucket, &shared).await;
                }
                let _ = tokio::time::timeout(IDLE, self.notify.notified()).await;
                tokio::time::sleep(GATHER).await;
                continue;
            }
            let crowded = names.len() > CROWD;
            if let Err(error) = bucket.write(&names).await {
                let said = in_full(&error);
                tracing::warn!(%said, "the inventory bucket was not written");
                shared.inventory.failed(&error);
                whole = true;
                tokio::time::sleep(IDLE).await;
            } else if crowded {
                tokio::time::sleep(CROWDED).await;
            }
        }
    }

    /// Looks whether the bucket still holds what was written; twice if not, since a key may have changed meanwhile.
    async fn look(&self, bucket: &mut Bucket) -> Look {
        for _ in 0..2 {
            let found = bucket.look().await;
            if found == Look::AsWritten || !self.changed.lock().is_empty() {
                return Look::AsWritten;
            }
            tokio::time::sleep(GATHER).await;
        }
        Look::Amiss
    }

    /// Compares entries with the ledger if somebody else wrote, and has those that differ written again.
    async fn compare(&self, bucket: &mut Bucket, shared: &Shared) {
        let differing = bucket.differing().await;
        if differing.is_empty() {
            return;
        }
        tokio::time::sleep(SETTLED).await;
        let mut differing = bucket.differing_of(&differing).await;
        let mut changed = self.changed.lock();
        differing.retain(|name| !changed.contains(name));
        if !differing.is_empty() {
            shared.inventory.amend(&differing, (shared.clock)());
            changed.extend(differing);
        }
    }

    /// Takes some of the names that changed.
    fn some(&self) -> Vec<Name> {
        let mut changed = self.changed.lock();
        let names: Vec<Name> = changed.iter().take(AT_ONCE).cloned().collect();
        for name in &names {
            changed.remove(name);
        }
        names
    }
}
