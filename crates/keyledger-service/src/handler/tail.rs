//! Following the stream: each event as it comes, checked by itself.
//!
//! What this instance wrote itself counts from its acknowledgement and need not come by, so while nobody else writes, nothing is read:
//! the server would send each event back. A sequence that is missing between acknowledgements shows that somebody else wrote, and
//! while nothing is written here the stream is listened to.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt, stream};
use keyledger_domain::{
    EventCid,
    verify::{Intact, Signatures},
};
use keyledger_wire::Prefix;
use tokio::{sync::mpsc, time::timeout};

use super::{
    Live,
    arrived::{self, Arrived, LedgerFault},
};
use crate::store::{ReadError, Store, StoredEvent};

/// The pause before a broken-off tail is taken up again.
const PAUSE: Duration = Duration::from_millis(250);
/// How long an event that somebody waits for may take to come by until it is read.
const OVERDUE: Duration = Duration::from_millis(100);
/// How long the stream is still followed after an event that somebody else wrote.
const COMPANY: Duration = Duration::from_secs(5);
/// How long nothing must have been written here until the stream is listened to again.
const QUIET: Duration = Duration::from_millis(250);
/// How long an event that somebody waits for may take to be acknowledged, if it was written here.
const ACKNOWLEDGED: Duration = Duration::from_millis(10);
/// How many events are checked at once, if as many are there.
const CHUNK: usize = 256;

/// What came from the stream.
pub(super) enum Tailed {
    /// The event that stands next; without what it says if it is one of our own, folded already.
    Event {
        sequence: u64,
        cid: EventCid,
        foreign: Option<Box<Intact>>,
    },
    /// What stands next is no event of this ledger, or the next one is gone.
    Broken { sequence: u64, fault: LedgerFault },
    /// The tail was taken up: what is read now may be something else than before.
    TakenUp,
}

/// Follows the stream for ever, from the fold's position on.
pub(super) async fn follow(
    store: Arc<dyn Store>,
    prefix: Prefix,
    live: Arc<Live>,
    out: mpsc::Sender<Tailed>,
) {
    let mut reader = Reader {
        store,
        prefix,
        after: live.position().sequence,
        live,
        signatures: Signatures::default(),
        foreign: None,
        out,
    };
    loop {
        reader.while_alone().await;
        match reader.read().await {
            Ok(Paused::Alone) => continue,
            Ok(Paused::BrokenOff) => {}
            Err(Ended::Nobody) => return,
            Err(Ended::Read(error)) => {
                tracing::warn!(%error, "the tail of the ledger broke off");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

struct Reader {
    store: Arc<dyn Store>,
    prefix: Prefix,
    live: Arc<Live>,
    /// The sequence of the last event that was handed on.
    after: u64,
    signatures: Signatures,
    /// When the last event came by that somebody else wrote.
    foreign: Option<Instant>,
    out: mpsc::Sender<Tailed>,
}

/// Why it is not read on for now.
enum Paused {
    /// The tail ended, or events did not come.
    BrokenOff,
    /// Nobody else writes.
    Alone,
}

enum Ended {
    /// Nobody listens any more.
    Nobody,
    Read(ReadError),
}

impl Reader {
    /// Waits as long as this instance writes, and nobody else.
    async fn while_alone(&self) {
        let mut reached = self.live.watch();
        while !self.is_in_company() {
            tokio::select! {
                () = self.overdue(ACKNOWLEDGED) => return,
                moved = timeout(QUIET, reached.changed()) => if moved.is_err() { return },
            }
        }
    }

    /// True if somebody else wrote a moment ago.
    fn is_in_company(&self) -> bool {
        self.foreign.is_some_and(|at| at.elapsed() < COMPANY)
    }

    /// The sequence up to which nothing needs to be read.
    fn read_up_to(&self) -> u64 {
        self.after.max(self.live.position().sequence)
    }

    /// Reads until the tail breaks off, or shows nothing but what was written here.
    async fn read(&mut self) -> Result<Paused, Ended> {
        self.after = self.read_up_to();
        let (store, out, after) = (Arc::clone(&self.store), self.out.clone(), self.after);
        let tail = stream::once(async {
            let tail = store.tail(after).await;
            // Also the first time: the connection may have been lost since the start. Nobody listening shows below.
            let _ = out.send(Tailed::TakenUp).await;
            tail
        });
        let mut chunks = pin!(tail.try_flatten().ready_chunks(CHUNK));
        loop {
            tokio::select! {
                biased;
                chunk = chunks.next() => {
                    let Some(chunk) = chunk else { return Ok(Paused::BrokenOff) };
                    if !self.hand_on(chunk).await? {
                        return Ok(Paused::BrokenOff);
                    }
                    if !self.is_in_company() {
                        return Ok(Paused::Alone);
                    }
                }
                () = self.overdue(OVERDUE) => self.catch_up().await?,
            }
        }
    }

    /// Hands each event on once; false if events between them only did not come.
    async fn hand_on(&mut self, chunk: Vec<Result<StoredEvent, ReadError>>) -> Result<bool, Ended> {
        let mut events = Vec::with_capacity(chunk.len());
        let mut ended = Ok(true);
        for event in chunk {
            match event {
                Ok(event) => events.push(event),
                Err(error) => {
                    ended = Err(Ended::Read(error));
                    break;
                }
            }
        }
        // Seen before, where the tail was taken up again, or written here.
        self.after = self.read_up_to();
        events.retain(|event| event.sequence > self.after);
        for tailed in self.check(&events) {
            let sequence = match &tailed {
                Tailed::Event { sequence, .. } | Tailed::Broken { sequence, .. } => *sequence,
                Tailed::TakenUp => continue,
            };
            if sequence != self.after + 1 && !self.is_gone(sequence).await? {
                return Ok(false);
            }
            self.after = sequence;
            self.out.send(tailed).await.map_err(|_| Ended::Nobody)?;
        }
        ended
    }

    /// Ends when an event is waited for that should have come by within this time: the consumer of the tail may have gone with its
    /// server, and commands wait.
    async fn overdue(&self, within: Duration) {
        loop {
            self.live.wanted_above(self.read_up_to()).await;
            tokio::time::sleep(within).await;
            if self.live.wanted() > self.read_up_to() {
                return;
            }
        }
    }

    /// Reads what is waited for directly: any replica has it, and answers without a leader.
    async fn catch_up(&mut self) -> Result<(), Ended> {
        while self.live.wanted() > self.read_up_to() {
            self.after = self.read_up_to();
            let missing = self.live.wanted() - self.after;
            let count = usize::try_from(missing).unwrap_or(CHUNK).min(CHUNK);
            match self.store.known(self.after, count).await {
                Ok(events) if !events.is_empty() => {
                    self.hand_on(events.into_iter().map(Ok).collect()).await?;
                }
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "the end of the ledger cannot be read");
                    tokio::time::sleep(PAUSE).await;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Events are missing before `found`: true, and said, if they are gone; false if they only did not come.
    async fn is_gone(&self, found: u64) -> Result<bool, Ended> {
        match self.store.read(self.after, 1).await {
            Ok(events) if !events.is_empty() => Ok(false),
            Ok(_) | Err(ReadError::Gone(_)) => {
                let broken = Tailed::Broken {
                    sequence: found,
                    fault: arrived::missing(self.after, found),
                };
                self.out.send(broken).await.map_err(|_| Ended::Nobody)?;
                Ok(true)
            }
            Err(error) => Err(Ended::Read(error)),
        }
    }

    fn check(&mut self, events: &[StoredEvent]) -> Vec<Tailed> {
        let mut tailed = Vec::with_capacity(events.len());
        let mut rest = events;
        while let Some((event, behind)) = rest.split_first() {
            if let Some(own) = self.own(event) {
                tailed.push(own);
                rest = behind;
                continue;
            }
            // Up to the next one of our own.
            let own = self.live.own.lock();
            let next = behind.iter().position(|e| own.contains_key(&e.sequence));
            drop(own);
            let (foreign, behind) = rest.split_at(next.map_or(rest.len(), |at| at + 1));
            let prefix = self.prefix.as_str();
            let is_ours = |cid: &EventCid| self.live.sent.lock().contains(cid);
            let arrived = arrived::read(prefix, foreign, &mut self.signatures, is_ours);
            let ours =
                |arrived: &Arrived| matches!(&arrived.event, Ok(event) if is_ours(&event.cid));
            if !arrived.iter().all(ours) {
                self.foreign = Some(Instant::now());
            }
            tailed.extend(
                arrived
                    .into_iter()
                    .map(|Arrived { sequence, event }| match event {
                        Ok(event) => Tailed::Event {
                            sequence,
                            cid: event.cid,
                            foreign: Some(event),
                        },
                        Err(fault) => Tailed::Broken {
                            sequence,
                            fault: fault.into(),
                        },
                    }),
            );
            rest = behind;
        }
        tailed
    }

    /// What was acknowledged to us need not be read again, but must be what stands there.
    fn own(&self, event: &StoredEvent) -> Option<Tailed> {
        let sequence = event.sequence;
        let acknowledged = *self.live.own.lock().get(&sequence)?;
        let cid = EventCid::of(&event.payload);
        Some(if cid == acknowledged {
            Tailed::Event {
                sequence,
                cid,
                foreign: None,
            }
        } else {
            Tailed::Broken {
                sequence,
                fault: LedgerFault::NotOurs(acknowledged),
            }
        })
    }
}
