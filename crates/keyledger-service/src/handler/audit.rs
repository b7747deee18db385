//! Looking again at what was folded: a snapshot and a running instance know what the ledger is, and not whether the stream
//! still holds it. What is damaged or was exchanged behind their back is found before somebody needs it.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use keyledger_domain::{
    Ledger,
    verify::{Gate, HeadDigest, Signatures, tells_who_signs},
};
use keyledger_wire::Prefix;
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, timeout},
};

use super::{
    Live, LoadError,
    arrived::{self, Arrived, LedgerFault},
    tail::Tailed,
};
use crate::store::{ReadError, Store};

/// How many events are looked at at once.
const CHUNK: usize = 512;
/// How many events are looked at without a pause; behind them three quarters of the time are left to others.
const WITHOUT_PAUSE: u64 = 20_000;
/// How long an event may take to come.
const STALLED: Duration = Duration::from_secs(10);
/// The pause before it is looked at again where it could not be read, or damage was found.
const AGAIN: Duration = Duration::from_secs(2);
/// How often in turn damage must be found: a single replica of several may be damaged.
const TIMES: u32 = 2;

/// Looks at the whole stream whenever it is told to, for ever. Damage is sent to `out`.
pub(super) async fn watch(
    store: Arc<dyn Store>,
    prefix: Prefix,
    live: Arc<Live>,
    told: Arc<Notify>,
    out: mpsc::Sender<Tailed>,
) {
    let mut found = 0;
    loop {
        if found == 0 {
            told.notified().await;
        }
        match audit(&*store, prefix.as_str(), &live).await {
            Ok(()) => found = 0,
            Err(LoadError::Broken { sequence, fault }) => {
                tracing::error!(sequence, %fault, "what was folded is not what is stored");
                found += 1;
                if found >= TIMES {
                    let _ = out.send(Tailed::Broken { sequence, fault }).await;
                    // Nothing is accepted any more.
                    return std::future::pending().await;
                }
                tokio::time::sleep(AGAIN).await;
            }
            Err(error) => {
                tracing::warn!(%error, "the ledger could not be read again");
                told.notify_one();
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// Reads everything up to the fold's position, and holds it against the digest of what was folded.
async fn audit(store: &dyn Store, prefix: &str, live: &Live) -> Result<(), LoadError> {
    let position = live.position();
    let mut signatures = Signatures::default();
    let mut look = Look::behind_nothing(live);
    let mut after = 0;
    if position.sequence == 0 {
        return Ok(());
    }
    let mut chunks = store.tail(0).await?.ready_chunks(CHUNK);
    while after < position.sequence {
        let begin = Instant::now();
        let Ok(Some(chunk)) = timeout(STALLED, chunks.next()).await else {
            // Is the next one gone, or only slow?
            store.read(after, 1).await.map_err(|e| gone(after, e))?;
            let said = format!("no event came behind sequence {after}");
            return Err(ReadError::Unavailable(said).into());
        };
        let events = chunk.into_iter().collect::<Result<Vec<_>, _>>()?;
        for arrived in arrived::read(prefix, &events, &mut signatures, |_| false) {
            if arrived.sequence > position.sequence {
                break;
            }
            look.at(&arrived, after)?;
            after = arrived.sequence;
        }
        if after > WITHOUT_PAUSE {
            tokio::time::sleep(begin.elapsed() * 3).await;
        }
    }
    if look.digest == position.digest {
        return Ok(());
    }
    Err(LoadError::Broken {
        sequence: position.sequence,
        fault: LedgerFault::OtherEvents,
    })
}

/// What was looked at so far.
struct Look {
    gate: Gate,
    /// Who signs: the histories of the operator and of the signing key alone.
    signers: Ledger,
    digest: HeadDigest,
}

impl Look {
    fn behind_nothing(live: &Live) -> Self {
        Self {
            gate: Gate::behind(&live.ledger.read()),
            signers: Ledger::new(),
            digest: HeadDigest::new(),
        }
    }

    /// Looks at the event that stands behind `after`. That it fits into its history is told by the digest: it is the one
    /// that was folded.
    fn at(&mut self, arrived: &Arrived, after: u64) -> Result<(), LoadError> {
        let sequence = arrived.sequence;
        let broken = |fault: LedgerFault| LoadError::Broken { sequence, fault };
        if sequence != after + 1 {
            return Err(broken(arrived::missing(after, sequence)));
        }
        let event = arrived.event.as_ref();
        let event = event.map_err(|fault| broken(fault.clone().into()))?;
        let judged = self.gate.judge_signer(event, &self.signers);
        judged.map_err(|fault| broken(fault.into()))?;
        if tells_who_signs(event) {
            let folded = self.gate.fold(event, sequence, &mut self.signers);
            folded.map_err(|fault| broken(fault.into()))?;
        }
        self.digest.push(&event.cid);
        Ok(())
    }
}

fn gone(after: u64, error: ReadError) -> LoadError {
    match error {
        ReadError::Gone(sequence) => LoadError::Broken {
            sequence: after + 1,
            fault: arrived::missing(after, sequence.max(after + 1) + 1),
        },
        ReadError::Unavailable(_) => error.into(),
    }
}
