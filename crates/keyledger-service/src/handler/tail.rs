//! Reading what is stored: everything once at the start, then each event as it comes.

use std::{pin::pin, sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt};
use keyledger_domain::{EventCid, Record, verify::Signatures};
use keyledger_wire::header;
use tokio::sync::mpsc;

use super::{
    Live,
    signed::{NewestSigned, Signed},
};
use crate::store::{ReadError, Store, StoredEvent};

/// The pause before a broken-off tail is taken up again.
const PAUSE: Duration = Duration::from_millis(250);
/// How long an event that somebody waits for may take to come by until it is read.
const OVERDUE: Duration = Duration::from_millis(100);
/// How long reading may stall before it is taken up again.
const STALLED: Duration = Duration::from_secs(5);
/// How many events are folded at once.
const CHUNK: usize = 512;
/// After how many events it is said how far the fold has come.
const PROGRESS: u64 = 250_000;

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
        foreign: Option<Foreign>,
    },
    /// An event that cannot be read.
    Broken(String),
}

/// An event that another instance wrote, or that came by before its acknowledgement. Its signature is the signer's.
pub(super) struct Foreign {
    pub(super) record: Box<Record>,
    /// Who signed it: whether he was entitled to shows when it is folded.
    pub(super) signer: String,
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

/// Folds what is stored after the fold's position, up to the sequence `last`, and checks who signed it.
pub(super) async fn load_until(store: &dyn Store, live: &Live, last: u64) -> Result<(), LoadError> {
    let mut after = live.position().sequence;
    let mut said = after;
    let mut newest = NewestSigned::default();
    while after < last {
        let tail = store.tail(after).await?;
        let (out, mut inbox) = mpsc::channel(8);
        // Reading and hashing on one core, folding on another.
        let reader = tokio::spawn(async move {
            let mut chunks = tail.ready_chunks(CHUNK);
            while let Some(chunk) = chunks.next().await {
                let events = chunk.into_iter().map_while(Result::ok);
                let parsed: Vec<_> = events.map(|event| parse(&event)).collect();
                if parsed.is_empty() || out.send(parsed).await.is_err() {
                    return;
                }
            }
        });
        while after < last {
            let next = tokio::time::timeout(STALLED, inbox.recv()).await;
            let Ok(Some(chunk)) = next else {
                // Is the next one gone, or only slow?
                store.read(after, 1).await?;
                tracing::warn!(after, "reading the ledger broke off; reading on");
                break;
            };
            fold(live, &mut newest, chunk, last, &mut after)?;
            newest.check_some(live).await?;
            if after >= said + PROGRESS {
                said = after;
                tracing::info!(at = after, of = last, "folding the ledger");
            }
        }
        reader.abort();
    }
    newest.check_all(live).await
}

fn fold(
    live: &Live,
    newest: &mut NewestSigned,
    chunk: Vec<Parsed>,
    last: u64,
    after: &mut u64,
) -> Result<(), LoadError> {
    let mut ledger = live.ledger.write();
    for (sequence, parsed) in chunk
        .into_iter()
        .take_while(|(sequence, _)| *sequence <= last)
    {
        let broken = |said: String| LoadError::Broken { sequence, said };
        let Event {
            cid,
            record,
            signed,
        } = parsed.map_err(broken)?;
        let applied = ledger.apply(&record, cid, sequence);
        applied.map_err(|e| broken(e.to_string()))?;
        live.advance(sequence, &cid);
        newest.take(record, cid, &signed, sequence);
        *after = sequence;
    }
    Ok(())
}

/// An event as it is folded, or what is wrong with it.
type Parsed = (u64, Result<Event, String>);

/// An event that is what its CID says.
struct Event {
    cid: EventCid,
    record: Record,
    signed: Signed,
}

fn parse(event: &StoredEvent) -> Parsed {
    let parsed = check_cid(event).and_then(|cid| {
        let record = Record::read(&event.payload).map_err(|e| e.to_string())?;
        let signed = Signed::of(event)?;
        Ok(Event {
            cid,
            record,
            signed,
        })
    });
    (event.sequence, parsed)
}

/// Follows the stream for ever, from the fold's position on.
pub(super) async fn follow(store: Arc<dyn Store>, live: Arc<Live>, out: mpsc::Sender<Tailed>) {
    let mut follower = Follower {
        after: live.position().sequence,
        signatures: Signatures::default(),
        live,
        out,
    };
    loop {
        let tail = store.tail(follower.after);
        let mut tail = pin!(futures::stream::once(tail).try_flatten());
        loop {
            tokio::select! {
                biased;
                event = tail.next() => match event {
                    Some(Ok(event)) => {
                        if follower.take(&event).await.is_err() {
                            return;
                        }
                    }
                    Some(Err(error)) => {
                        tracing::warn!(%error, "the tail of the ledger broke off");
                        break;
                    }
                    None => break,
                },
                () = follower.overdue() => {
                    match store.read(follower.after, CHUNK).await {
                        Ok(events) => for event in events {
                            if follower.take(&event).await.is_err() {
                                return;
                            }
                        },
                        Err(error) => {
                            tracing::warn!(%error, "the end of the ledger cannot be read");
                            tokio::time::sleep(PAUSE).await;
                        }
                    }
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Hands on each event once.
struct Follower {
    after: u64,
    signatures: Signatures,
    live: Arc<Live>,
    out: mpsc::Sender<Tailed>,
}

impl Follower {
    /// Hands an event on, unless it was; an error if nobody takes any more.
    async fn take(&mut self, event: &StoredEvent) -> Result<(), mpsc::error::SendError<Tailed>> {
        if event.sequence <= self.after {
            return Ok(());
        }
        self.after = event.sequence;
        let tailed = read(&self.live, &mut self.signatures, event);
        self.out.send(tailed).await
    }

    /// Ends when an event is waited for that should have come by: the consumer of the tail may have gone with its server, and
    /// commands wait.
    async fn overdue(&self) {
        self.live.wanted_above(self.after).await;
        tokio::time::sleep(OVERDUE).await;
    }
}

fn read(live: &Live, signatures: &mut Signatures, event: &StoredEvent) -> Tailed {
    let sequence = event.sequence;
    if let Some(cid) = live.own.lock().get(&sequence) {
        return Tailed::Event {
            sequence,
            cid: *cid,
            foreign: None,
        };
    }
    let (_, parsed) = parse(event);
    let checked = parsed.and_then(|event| {
        if live.sent.lock().contains(&event.cid) {
            return Ok(event);
        }
        let Signed { signer, signature } = &event.signed;
        let checked = signatures.check(signer, event.cid, signature);
        checked.map(|()| event).map_err(|fault| fault.to_string())
    });
    match checked {
        Ok(event) => Tailed::Event {
            sequence,
            cid: event.cid,
            foreign: Some(Foreign {
                record: Box::new(event.record),
                signer: event.signed.signer,
            }),
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
