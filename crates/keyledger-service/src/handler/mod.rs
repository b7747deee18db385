//! The handler: one task that decides, writes in groups, folds what was written, and answers.
//!
//! Commands in flight together are appended together; a lone one is published plainly. A command waits while
//! an event of a history it would write to is on its way, so every decision is made on settled state. What another
//! instance wrote first shows as a conflict: fold what came, decide again.

mod batch;
mod fresh;
mod live;
mod tail;

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use keyledger_domain::{
    Command, Facts, Ledger, Made, Record, Rejection, Stamp, Timestamp,
    command::Target,
    ledger::{Outcome, Remembered, Sealed},
    name::HistoryId,
    record::{Ids, Why},
};
use keyledger_wire::Prefix;
use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::store::{AppendError, ReadError, Store};

pub use live::{Live, Position};
pub use tail::LoadError;
use tail::Tailed;

/// How many batches may be on their way at once: two, so that one is written while the next is gathered.
const MAX_BATCHES: usize = 2;
/// How many commands must wait before a batch goes off beside another.
const MIN_BESIDE: usize = 24;
/// How many commands may wait; more are left in the channel, and in the end with NATS.
const MAX_WAITING: usize = 8_192;
/// How long a command is tried before its sender is told that the store does not answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// The pause before the store is asked again for where it stands.
const PAUSE: Duration = Duration::from_millis(100);

/// The time, as it is injected.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Signs CIDs with the ledger's signing key.
pub trait Signer: Send + Sync + 'static {
    /// Its public nkey.
    fn nkey(&self) -> &str;
    /// An Ed25519 signature.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}

/// The signer of now: the ledger's signing key is rotated while the service runs.
pub struct CurrentSigner(RwLock<Arc<dyn Signer>>);

impl std::fmt::Debug for CurrentSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CurrentSigner")
            .field(&self.current().nkey())
            .finish()
    }
}

impl CurrentSigner {
    /// Begins with `signer`.
    #[must_use]
    pub fn new(signer: Arc<dyn Signer>) -> Self {
        Self(RwLock::new(signer))
    }

    /// Who signs now.
    #[must_use]
    pub fn current(&self) -> Arc<dyn Signer> {
        Arc::clone(&self.0.read())
    }

    /// From now on `signer` signs.
    pub fn replace(&self, signer: Arc<dyn Signer>) {
        *self.0.write() = signer;
    }
}

/// A command with everything a decision needs.
#[derive(Debug, Clone)]
pub struct Order {
    /// What it is for.
    pub target: Target,
    /// What is asked.
    pub command: Command,
    /// Why.
    pub why: Why,
    /// Its ids.
    pub ids: Ids,
    /// Who asks.
    pub principal: Arc<Stamp>,
    /// What custody made for it.
    pub made: Made,
}

/// A command was decided and its events are durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// What it was for.
    pub history: HistoryId,
    /// The last revision it wrote, or the newest if it changed nothing.
    pub revision: u32,
    /// That revision's CID.
    pub cid: keyledger_domain::EventCid,
    /// The state it left.
    pub state: &'static str,
    /// True if it wrote events now; false if it changed nothing or had been done before.
    pub fresh: bool,
}

/// Why a command was not done. Nothing of it is stored.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A rule says no.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The store did not acknowledge in time: perhaps stored, perhaps not; the same id gets the same answer.
    #[error("JetStream did not acknowledge in time: {0}; send it again under the same message id")]
    Unavailable(String),
    /// The disk or a limit is full.
    #[error("the ledger's stream takes no more: {0}; make room")]
    Full(String),
    /// What is stored is not what was written: nothing is accepted any more.
    #[error("the ledger is broken: {0}; run `keyledger ledger verify`")]
    Broken(String),
    /// The service stops.
    #[error("this instance is stopping; send it again under the same message id")]
    Stopping,
}

/// What the handler is given to do.
enum Work {
    Order(Box<Order>, oneshot::Sender<Result<Done, Failure>>),
    Outcome(Outcome, Arc<Stamp>),
    /// Come to rest, say where, and wait.
    Rest(oneshot::Sender<Resting>),
}

/// The handler rests: nothing is on its way, and everything up to `sequence` is folded.
struct Resting {
    sequence: u64,
    /// Takes the ledger to go on with, or is dropped to go on as before.
    resume: oneshot::Sender<Ledger>,
}

/// The fold was rebuilt from the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    /// How many events were folded.
    pub events: u64,
    /// How many keys there are.
    pub keys: usize,
    /// True if it equals the one that was live.
    pub equal: bool,
}

/// A piece of work on its way, with when it came.
struct Waiting {
    work: Work,
    since: Instant,
}

/// Events that are on their way to the store.
struct Batch {
    works: Vec<(Waiting, Vec<Sealed>)>,
    /// Its histories, with the sequence of the newest event in each.
    histories: Vec<(HistoryId, u64)>,
    ids: Vec<Uuid>,
}

type Written = (Batch, Result<u64, AppendError>);

/// Hands work to the handler. Cheap to clone.
#[derive(Clone)]
pub struct Handler {
    works: mpsc::Sender<Work>,
    live: Arc<Live>,
    store: Arc<dyn Store>,
    asked: fresh::Asked,
}

impl std::fmt::Debug for Handler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handler").finish_non_exhaustive()
    }
}

/// What a handler is made of.
pub struct Parts {
    /// Where events are stored.
    pub store: Arc<dyn Store>,
    /// Under which prefix.
    pub prefix: Prefix,
    /// Who signs.
    pub signer: Arc<CurrentSigner>,
    /// The time.
    pub clock: Clock,
    /// Every new event goes here too, for the effects and the views.
    pub news: mpsc::UnboundedSender<Arc<Record>>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

impl Handler {
    /// Folds the whole ledger, from `live` on, and starts to work.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if the store cannot be read or what it holds is not a ledger.
    pub async fn start(parts: Parts, live: Arc<Live>) -> Result<Self, LoadError> {
        tail::load(&*parts.store, &live).await?;
        let (works, inbox) = mpsc::channel(MAX_WAITING);
        let (tailed, tail_inbox) = mpsc::channel(4_096);
        let follower = tail::follow(Arc::clone(&parts.store), Arc::clone(&live), tailed);
        let store = Arc::clone(&parts.store);
        let engine = Engine {
            parts,
            live: Arc::clone(&live),
            waiting: VecDeque::new(),
            busy: HashSet::new(),
            busy_ids: HashSet::new(),
            batches: FuturesUnordered::new(),
            behind: None,
            asking: None,
            broken: None,
            resting: None,
            rested: None,
        };
        tokio::spawn(async move {
            tokio::select! {
                () = engine.run(inbox, tail_inbox) => {}
                () = follower => {}
            }
        });
        let asked = fresh::Asked::default();
        Ok(Self {
            works,
            live,
            store,
            asked,
        })
    }

    /// Folds everything that is stored into `live`, without starting to work.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if the store cannot be read or what it holds is not a ledger.
    pub async fn fold(store: &dyn Store, live: &Live) -> Result<(), LoadError> {
        tail::load(store, live).await
    }

    /// Decides a command and writes its events.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn order(&self, order: Order) -> Result<Done, Failure> {
        let (reply, answer) = oneshot::channel();
        let work = Work::Order(Box::new(order), reply);
        self.works.send(work).await.map_err(|_| Failure::Stopping)?;
        answer.await.map_err(|_| Failure::Stopping)?
    }

    /// Records what the service itself found or did. Recorded once, however often it is said.
    pub async fn outcome(&self, outcome: Outcome, principal: Arc<Stamp>) {
        // A stopping handler takes none: the effect runs again at the next start.
        let _ = self.works.send(Work::Outcome(outcome, principal)).await;
    }

    /// Throws the fold away and rebuilds it from the stream, while commands go on; they wait for the last step only.
    ///
    /// # Errors
    ///
    /// [`Failure::Unavailable`] if the stream cannot be read, [`Failure::Broken`] if it is not a ledger.
    pub async fn rebuild(&self) -> Result<Rebuilt, Failure> {
        let anew = Live::default();
        tail::load(&*self.store, &anew)
            .await
            .map_err(|e| Failure::from_load(&e))?;
        let (reply, answer) = oneshot::channel();
        self.works
            .send(Work::Rest(reply))
            .await
            .map_err(|_| Failure::Stopping)?;
        let resting = answer.await.map_err(|_| Failure::Stopping)?;
        tail::load_until(&*self.store, &anew, resting.sequence)
            .await
            .map_err(|e| Failure::from_load(&e))?;
        let ledger = anew.ledger.into_inner();
        let equal = *self.live.ledger.read() == ledger;
        if !equal {
            tracing::error!("the live inventory was not what the ledger says; it is replaced");
        }
        let rebuilt = Rebuilt {
            events: ledger.events(),
            keys: ledger.keys().count(),
            equal,
        };
        resting.resume.send(ledger).map_err(|_| Failure::Stopping)?;
        Ok(rebuilt)
    }

    /// The ledger as it stands.
    #[must_use]
    pub const fn live(&self) -> &Arc<Live> {
        &self.live
    }
}

struct Engine {
    parts: Parts,
    live: Arc<Live>,
    waiting: VecDeque<Waiting>,
    /// Histories with an event on its way.
    busy: HashSet<HistoryId>,
    /// Commands with an event on its way.
    busy_ids: HashSet<Uuid>,
    batches: FuturesUnordered<BoxFuture<'static, Written>>,
    /// Until this sequence is folded nothing is decided: another instance wrote.
    behind: Option<u64>,
    /// The question to the store how far it has come.
    asking: Option<BoxFuture<'static, Result<u64, ReadError>>>,
    /// Why nothing is accepted any more.
    broken: Option<String>,
    /// Who asked to rest.
    resting: Option<oneshot::Sender<Resting>>,
    /// At rest: what to wait for.
    rested: Option<oneshot::Receiver<Ledger>>,
}

impl Engine {
    async fn run(mut self, mut inbox: mpsc::Receiver<Work>, mut tail: mpsc::Receiver<Tailed>) {
        loop {
            tokio::select! {
                biased;
                Some((batch, result)) = self.batches.next(), if !self.batches.is_empty() => {
                    self.written(batch, result);
                }
                Some(tailed) = tail.recv() => {
                    self.tailed(tailed);
                    while let Ok(tailed) = tail.try_recv() {
                        self.tailed(tailed);
                    }
                }
                answer = async { self.asking.as_mut().expect("it is there: see the guard").await },
                    if self.asking.is_some() => self.asked(answer),
                resume = async { self.rested.as_mut().expect("it is there: see the guard").await },
                    if self.rested.is_some() => {
                        self.rested = None;
                        if let Ok(ledger) = resume {
                            *self.live.ledger.write() = ledger;
                        }
                    }
                work = inbox.recv(), if self.waiting.len() < MAX_WAITING => {
                    let Some(work) = work else { return };
                    self.take(work);
                }
            }
            while self.waiting.len() < MAX_WAITING
                && let Ok(work) = inbox.try_recv()
            {
                self.take(work);
            }
            self.send_batches();
        }
    }

    fn take(&mut self, work: Work) {
        match work {
            Work::Rest(reply) => self.resting = Some(reply),
            work => self.waiting.push_back(Waiting {
                work,
                since: Instant::now(),
            }),
        }
    }

    /// A batch was stored, or not.
    fn written(&mut self, batch: Batch, result: Result<u64, AppendError>) {
        for (history, _) in &batch.histories {
            self.busy.remove(history);
        }
        for id in &batch.ids {
            self.busy_ids.remove(id);
        }
        match result {
            Ok(first) => self.stored(batch, first),
            Err(AppendError::Conflict) => self.again(batch, "other instances keep writing first"),
            Err(AppendError::Unacknowledged(said)) => {
                tracing::warn!(%said, "an append was not acknowledged");
                self.again(batch, &said);
            }
            Err(AppendError::Full(said)) => {
                tracing::error!(%said, "the ledger's stream is full");
                refuse(batch, &Failure::Full(said));
            }
            Err(AppendError::Refused(said)) => {
                tracing::error!(%said, "the store refused an append");
                refuse(batch, &Failure::Unavailable(said));
            }
        }
    }

    fn stored(&mut self, batch: Batch, first: u64) {
        let mut sequence = first;
        let mut answers = Vec::with_capacity(batch.works.len());
        let position = self.live.position().sequence;
        {
            let mut ledger = self.live.ledger.write();
            for (waiting, sealed) in batch.works {
                let mut last = None;
                for event in sealed {
                    // It may have come by in the stream before its acknowledgement: then nothing waits for it.
                    if sequence > position {
                        self.live.own.lock().insert(sequence, event.cid);
                    }
                    if let Err(fault) = ledger.apply(&event.record, event.cid, sequence) {
                        self.broken = Some(fault.to_string());
                    }
                    sequence += 1;
                    if let Work::Order(order, _) = &waiting.work
                        && event.record.history == order.target
                    {
                        last = Some((event.record.revision, event.cid));
                    }
                    let _ = self.parts.news.send(Arc::new(event.record));
                }
                if let (Work::Order(order, reply), Some((revision, cid))) = (waiting.work, last) {
                    // Not what the history has come to since: another instance may have written behind it.
                    let remembered = ledger.remembered(&order.ids.command);
                    let state = remembered.map(Remembered::state).unwrap_or_default();
                    let history = order.target;
                    answers.push((
                        reply,
                        Done {
                            history,
                            revision,
                            cid,
                            state,
                            fresh: true,
                        },
                    ));
                }
            }
        }
        for (reply, answer) in answers {
            // A sender that gave up asks again under the same id.
            let _ = reply.send(Ok(answer));
        }
    }

    /// Puts a batch back, to be decided anew once everything stored is folded.
    fn again(&mut self, batch: Batch, said: &str) {
        for (waiting, _) in batch.works.into_iter().rev() {
            if waiting.since.elapsed() < PATIENCE {
                self.waiting.push_front(waiting);
            } else if let Work::Order(_, reply) = waiting.work {
                let _ = reply.send(Err(Failure::Unavailable(said.to_owned())));
            }
        }
        self.behind = Some(u64::MAX);
        self.ask(Duration::ZERO);
    }

    fn ask(&mut self, pause: Duration) {
        if self.asking.is_none() {
            let store = Arc::clone(&self.parts.store);
            self.asking = Some(
                async move {
                    tokio::time::sleep(pause).await;
                    store.last_sequence().await
                }
                .boxed(),
            );
        }
    }

    fn asked(&mut self, answer: Result<u64, ReadError>) {
        self.asking = None;
        let folded = self.live.position().sequence;
        match answer {
            Ok(last) if last < folded => {
                let said = format!("it ends at sequence {last}, and {folded} was folded already");
                tracing::error!(%said, "the ledger went backwards");
                self.broken = Some(said);
            }
            Ok(last) => self.behind = (last > folded).then_some(last),
            Err(error) => {
                tracing::warn!(%error, "the store does not say where it stands");
                self.expire();
                self.ask(PAUSE);
            }
        }
    }

    /// Tells those who waited too long.
    fn expire(&mut self) {
        let (old, young): (VecDeque<_>, VecDeque<_>) = self
            .waiting
            .drain(..)
            .partition(|waiting| waiting.since.elapsed() >= PATIENCE);
        self.waiting = young;
        for waiting in old {
            if let Work::Order(_, reply) = waiting.work {
                let _ = reply.send(Err(Failure::Unavailable("it does not answer".to_owned())));
            }
        }
    }

    /// An event came from the stream: folded here or elsewhere.
    fn tailed(&mut self, tailed: Tailed) {
        match tailed {
            Tailed::Event {
                sequence,
                cid,
                record,
            } => {
                if let Some(record) = record {
                    let applied = self.live.ledger.write().apply(&record, cid, sequence);
                    match applied {
                        Ok(keyledger_domain::ledger::Applied::New) => {
                            let _ = self.parts.news.send(Arc::new(*record));
                        }
                        Ok(keyledger_domain::ledger::Applied::Already) => {}
                        Err(fault) => self.broken = Some(format!("sequence {sequence}: {fault}")),
                    }
                }
                self.live.own.lock().remove(&sequence);
                self.live.advance(sequence, &cid);
                if self.behind.is_some_and(|until| sequence >= until) {
                    self.behind = None;
                }
            }
            Tailed::Broken(said) => {
                tracing::error!(%said, "the ledger cannot be read");
                self.broken = Some(said);
            }
        }
    }

    /// Decides what waits and sends it off, in as few batches as may be.
    fn send_batches(&mut self) {
        if let Some(said) = self.broken.clone() {
            self.live.set_broken(&said);
            for waiting in self.waiting.drain(..) {
                if let Work::Order(_, reply) = waiting.work {
                    let _ = reply.send(Err(Failure::Broken(said.clone())));
                }
            }
            return;
        }
        if self.behind.is_some() || self.asking.is_some() {
            return;
        }
        if self.resting.is_some() && self.batches.is_empty() && self.live.own.lock().is_empty() {
            let (resume, rested) = oneshot::channel();
            let sequence = self.live.position().sequence;
            let asked = self.resting.take();
            // Whoever asked may be gone: then `rested` ends at once.
            let _ = asked.map(|reply| reply.send(Resting { sequence, resume }));
            self.rested = Some(rested);
        }
        if self.resting.is_some() || self.rested.is_some() {
            return;
        }
        while !self.waiting.is_empty() && self.batches.len() < MAX_BATCHES {
            // A batch costs the same whether it holds 2 events or 200: a second one goes off beside the first only
            // if it is worth it, else what comes meanwhile is gathered.
            if !self.batches.is_empty() && self.waiting.len() < MIN_BESIDE {
                return;
            }
            let Some(batch) = self.decide_waiting() else {
                return;
            };
            self.batches.push(self.append(batch));
        }
    }
}

impl Failure {
    fn from_load(error: &LoadError) -> Self {
        match error {
            LoadError::Read(e) => Self::Unavailable(e.to_string()),
            broken => Self::Broken(broken.to_string()),
        }
    }
}

/// The answer to a command that changes nothing.
fn unchanged(ledger: &Ledger, target: &Target) -> Result<Done, Failure> {
    let head = ledger
        .head(target)
        .ok_or_else(|| Rejection::NotFound(target.clone()))?;
    let state = ledger.state(target).unwrap_or_default();
    Ok(Done {
        history: target.clone(),
        revision: head.revision,
        cid: head.cid,
        state,
        fresh: false,
    })
}

fn refuse(batch: Batch, failure: &Failure) {
    for (waiting, _) in batch.works {
        if let Work::Order(_, reply) = waiting.work {
            let _ = reply.send(Err(failure.clone()));
        }
    }
}

/// The facts of a decision at `now`.
fn facts(now: Timestamp, made: Made) -> Facts {
    Facts { now, made }
}
