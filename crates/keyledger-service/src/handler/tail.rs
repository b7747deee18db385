//! Reading what is stored: everything once at the start, then each event as it comes.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use keyledger_domain::{EventCid, Record};
use keyledger_wire::header;
use tokio::sync::mpsc;

use super::Live;
use crate::store::{ReadError, Store, StoredEvent};

/// The pause before a broken-off tail is taken up again.
const PAUSE: Duration = Duration::from_millis(250);

/// Why the ledger could not be folded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The store cannot be read: try again when it can.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What is stored is not a ledger, or not all of it. Run `keyledger ledger verify`, and restore from a backup.
    #[error("the ledger is broken at sequence {sequence}: {said}")]
    Broken {
        /// Where.
        sequence: u64,
        /// What is wrong.
        said: String,
    },
}

/// What came from the stream.
pub(super) enum Tailed {
    /// An event; without its record if it is one of our own, folded already.
    Event {
        sequence: u64,
        cid: EventCid,
        record: Option<Box<Record>>,
    },
    /// An event that cannot be read.
    Broken(String),
}

/// Folds everything that is stored after the fold's position.
pub(super) async fn load(store: &dyn Store, live: &Live) -> Result<(), LoadError> {
    let last = store.last_sequence().await?;
    let after = live.position().sequence;
    if last < after {
        let said = format!("the stream ends at {last}, and a snapshot knows {after}");
        return Err(LoadError::Broken {
            sequence: last,
            said,
        });
    }
    load_until(store, live, last).await
}

/// Folds what is stored after the fold's position, up to the sequence `last`.
pub(super) async fn load_until(store: &dyn Store, live: &Live, last: u64) -> Result<(), LoadError> {
    let mut after = live.position().sequence;
    let mut read = 0_u64;
    while after < last {
        let mut tail = store.tail(after).await?;
        while after < last {
            let next = tokio::time::timeout(Duration::from_secs(30), tail.next()).await;
            let Ok(Some(Ok(event))) = next else {
                tracing::warn!(after, "reading the ledger broke off; reading on");
                break;
            };
            after = event.sequence;
            fold(live, &event)?;
            read += 1;
            if read.is_multiple_of(250_000) {
                tracing::info!(read, of = last, "folding the ledger");
            }
        }
    }
    Ok(())
}

fn fold(live: &Live, event: &StoredEvent) -> Result<(), LoadError> {
    let sequence = event.sequence;
    let broken = |said: String| LoadError::Broken { sequence, said };
    let cid = check_cid(event).map_err(broken)?;
    let record = Record::read(&event.payload).map_err(|e| broken(e.to_string()))?;
    let applied = live.ledger.write().apply(&record, cid, sequence);
    applied.map_err(|e| broken(e.to_string()))?;
    live.advance(sequence, &cid);
    Ok(())
}

/// Follows the stream for ever, from the fold's position on.
pub(super) async fn follow(store: Arc<dyn Store>, live: Arc<Live>, out: mpsc::Sender<Tailed>) {
    let mut after = live.position().sequence;
    loop {
        match store.tail(after).await {
            Ok(mut tail) => {
                while let Some(event) = tail.next().await {
                    let event = match event {
                        Ok(event) => event,
                        Err(error) => {
                            tracing::warn!(%error, "the tail of the ledger broke off");
                            break;
                        }
                    };
                    if event.sequence <= after {
                        continue;
                    }
                    after = event.sequence;
                    if out.send(read(&live, &event)).await.is_err() {
                        return;
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the tail of the ledger cannot be read"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn read(live: &Live, event: &StoredEvent) -> Tailed {
    let sequence = event.sequence;
    if let Some(cid) = live.own.lock().get(&sequence) {
        return Tailed::Event {
            sequence,
            cid: *cid,
            record: None,
        };
    }
    let record = check_cid(event).and_then(|cid| {
        Ok((
            cid,
            Record::read(&event.payload).map_err(|e| e.to_string())?,
        ))
    });
    match record {
        Ok((cid, record)) => Tailed::Event {
            sequence,
            cid,
            record: Some(Box::new(record)),
        },
        Err(said) => Tailed::Broken(format!("sequence {sequence}: {said}")),
    }
}

/// The CID of the bytes, which must be the one that stands beside them.
fn check_cid(event: &StoredEvent) -> Result<EventCid, String> {
    let cid = EventCid::of(&event.payload);
    let said = event.headers.iter().find(|(name, _)| name == header::CID);
    match said {
        Some((_, said)) if *said == cid.to_string() => Ok(cid),
        Some(_) => Err("its bytes are not those of its CID".to_owned()),
        None => Err("it has no CID".to_owned()),
    }
}
