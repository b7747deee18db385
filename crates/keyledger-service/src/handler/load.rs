//! Reading the whole ledger at the start: each event is proved before it is folded, and nothing is folded behind one that
//! is not.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use keyledger_domain::verify::{Gate, Signatures};
use keyledger_wire::Prefix;
use tokio::sync::mpsc;

use super::{
    Contradiction, Live,
    arrived::{self, Arrived, LedgerFault},
    hold::{self, NotHeld},
};
use crate::store::{ReadError, Store, StoredEvent};

/// How long reading may stall before it is taken up again.
const STALLED: Duration = Duration::from_secs(5);
/// How many events are checked and folded at once.
const CHUNK: usize = 512;
/// After how many events it is said how far the fold has come.
const PROGRESS: u64 = 250_000;
/// How often a missing event is looked for before it is believed to be gone.
const LOOKS: u32 = 3;

/// Why the ledger could not be folded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The store cannot be read: try again when it can.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What is stored is not a ledger, or not all of it. Run `keyledger ledger verify`, and restore from a backup.
    #[error("the ledger is broken at sequence {sequence}: {fault}")]
    Broken {
        /// Where.
        sequence: u64,
        /// What is wrong.
        fault: LedgerFault,
    },
    /// What is stored contradicts what is known for certain. Restore the newest storage, or a replica's.
    #[error(
        "the ledger was rolled back or replaced, {witness} proves it: {contradiction}; restore the newest storage; where what is lost is lost for good, start once with --accept-rollback, which is recorded as an event"
    )]
    RolledBack {
        /// Who knows it, in words.
        witness: &'static str,
        /// What contradicts.
        contradiction: Contradiction,
    },
}

impl LoadError {
    /// The fold itself knows more than the stream.
    pub(super) fn not_held(error: NotHeld) -> Self {
        match error {
            NotHeld::Unavailable(_) | NotHeld::Apart(_) => {
                Self::Read(ReadError::Unavailable(error.to_string()))
            }
            NotHeld::Contradicted(contradiction) => Self::RolledBack {
                witness: "what was folded before",
                contradiction,
            },
        }
    }
}

/// Folds everything that is stored after the fold's position. The trust bootstrap must be signed by `operator`, where that
/// is known.
pub(super) async fn load(
    store: &dyn Store,
    prefix: &Prefix,
    operator: Option<&str>,
    live: &Live,
) -> Result<(), LoadError> {
    let held = hold::hold(store, live.known(), |doubt| {
        tracing::warn!(%doubt, "asking again where the ledger stands");
    });
    let standing = held.await.map_err(LoadError::not_held)?;
    load_until(store, prefix, operator, live, standing.last).await
}

/// Folds what is stored after the fold's position, up to the sequence `last`.
pub(super) async fn load_until(
    store: &dyn Store,
    prefix: &Prefix,
    operator: Option<&str>,
    live: &Live,
    last: u64,
) -> Result<(), LoadError> {
    let mut gate = {
        let ledger = live.ledger.read();
        match ledger.operator() {
            Some(_) => Gate::behind(&ledger),
            None => Gate::new(operator.map(str::to_owned)),
        }
    };
    let prefix: Arc<str> = prefix.as_str().into();
    let mut after = live.position().sequence;
    let (mut said, mut looks) = (after, 0);
    while after < last {
        let (reader, mut inbox) = read(store, &prefix, after).await?;
        while after < last {
            let next = tokio::time::timeout(STALLED, inbox.recv()).await;
            let Ok(Some(chunk)) = next else {
                // Is the next one gone, or only slow?
                store.read(after, 1).await?;
                tracing::warn!(after, "reading the ledger broke off; reading on");
                break;
            };
            if let Some(found) = fold(live, &mut gate, chunk, last, &mut after)? {
                looks += 1;
                let there = matches!(store.read(after, 1).await, Ok(events) if !events.is_empty());
                if !there || looks >= LOOKS {
                    let fault = arrived::missing(after, found);
                    return Err(LoadError::Broken {
                        sequence: found,
                        fault,
                    });
                }
                break;
            }
            if after >= said + PROGRESS {
                said = after;
                tracing::info!(at = after, of = last, "folding the ledger");
            }
        }
        reader.abort();
    }
    Ok(())
}

type Chunks = mpsc::Receiver<Vec<Arrived>>;

/// Reads and checks what stands behind `after`, chunk by chunk in order, on all cores, while others are folded.
async fn read(
    store: &dyn Store,
    prefix: &Arc<str>,
    after: u64,
) -> Result<(tokio::task::JoinHandle<()>, Chunks), LoadError> {
    let tail = store.tail(after).await?;
    let (out, inbox) = mpsc::channel(8);
    let prefix = Arc::clone(prefix);
    let reader = tokio::spawn(async move {
        let check = |chunk: Vec<Result<StoredEvent, ReadError>>| {
            let prefix = Arc::clone(&prefix);
            tokio::task::spawn_blocking(move || {
                let events: Vec<_> = chunk.into_iter().map_while(Result::ok).collect();
                arrived::read(&prefix, &events, &mut Signatures::default(), |_| false)
            })
        };
        let mut chunks = tail.ready_chunks(CHUNK).map(check).buffered(cores() + 1);
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.expect("checking an event does not panic");
            if chunk.is_empty() || out.send(chunk).await.is_err() {
                return;
            }
        }
    });
    Ok((reader, inbox))
}

/// Folds a chunk. If events are missing in it, what stands before them is folded; gives the sequence behind them.
fn fold(
    live: &Live,
    gate: &mut Gate,
    chunk: Vec<Arrived>,
    last: u64,
    after: &mut u64,
) -> Result<Option<u64>, LoadError> {
    let mut ledger = live.ledger.write();
    for Arrived { sequence, event } in chunk {
        if sequence > last {
            break;
        }
        if sequence != *after + 1 {
            return Ok(Some(sequence));
        }
        let broken = |fault: LedgerFault| LoadError::Broken { sequence, fault };
        let event = event.map_err(|fault| broken(fault.into()))?;
        arrived::take(gate, live, &mut ledger, sequence, &event).map_err(broken)?;
        *after = sequence;
    }
    Ok(None)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
