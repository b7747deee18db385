//! Group commit: what waits for one stream is written together.
//!
//! A lone record is published at once; what comes at the same time goes off in one atomic batch. The owner of the stream makes records of
//! what waits when it is told that it is time, and hears what became of each batch. It alone knows what is written: the ledger's handler
//! decides commands on a fold ([`crate::handler`]), a [`Recorder`] writes records that stand by themselves.
//!
//! *Invariant:* what is not known to be stored is not written again before its owner has read up to where the stream stands.

mod pace;
mod recorder;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::MissedTickBehavior;

pub(crate) use self::pace::LONE_AT_MOST;
use self::pace::{Next, Pace};
pub use self::recorder::{Item, Recorder};
use crate::{
    metrics,
    signing::SignerError,
    store::{Append, AppendError, ReadError, Store},
};

/// How many works may wait; more are left where they come from.
pub(crate) const MAX_WAITING: usize = 8_192;
/// How long a work is tried before its sender is told that the store does not answer: less than a client waits for an answer,
/// the last try and the question to the servers included, so that the reason is heard. Under the same id it is tried on.
const PATIENCE: Duration = Duration::from_millis(3_500);
/// The pause before the store is asked again for where it stands, and between two looks at who has waited too long.
const PAUSE: Duration = Duration::from_millis(100);

/// What waits to be written.
pub(crate) trait Waits: Send + 'static {
    /// True if it goes before everything that is not urgent.
    fn is_urgent(&self) -> bool;

    /// True if somebody wants to hear soon that the store does not answer. The rest is tried until the store takes it.
    fn is_waited_for(&self) -> bool;
}

/// A work that waits, with when it came.
pub(crate) struct Waiting<W> {
    pub(crate) work: W,
    pub(crate) since: Instant,
    /// How often room was made for it in a full store.
    pub(crate) freed: u32,
}

impl<W: Waits> Waiting<W> {
    /// False if its sender should hear that the store does not answer.
    pub(crate) fn is_worth_waiting(&self) -> bool {
        !self.work.is_waited_for() || self.since.elapsed() < PATIENCE
    }
}

/// What happened to an appender.
pub(crate) enum Happened<B> {
    /// The store answered a batch, or did not in time: not known yet what that means for those that wait.
    Answered(B, Result<u64, NotWritten>),
    /// The store says where the stream ends.
    Ends(StreamEnd),
    /// Time passed: gather again, if there is something to gather.
    Time,
    /// Some wait: it is time to look for those who waited too long, if something is wrong.
    Expire,
}

/// Where the store says that the stream ends.
pub(crate) struct StreamEnd {
    /// How far its owner had read when it was asked.
    pub(crate) read: u64,
    pub(crate) last: Result<u64, ReadError>,
}

/// How many works a batch holds, the batch, and what the store answered: the sequence of its first record.
type Answered<B> = (usize, B, Result<u64, NotWritten>);

/// Why a batch is not in the stream.
pub(crate) enum NotWritten {
    /// Its records were not signed, and not sent.
    Unsigned(SignerError),
    /// The store did not take it, or does not say.
    Unstored(AppendError),
}

/// Tells how far the owner has read the stream.
pub(crate) type ReadUpTo = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Writes works of the type `W` in batches of the type `B`.
pub(crate) struct Appender<W, B> {
    store: Arc<dyn Store>,
    read_up_to: ReadUpTo,
    waiting: VecDeque<Waiting<W>>,
    batches: FuturesUnordered<BoxFuture<'static, Answered<B>>>,
    /// How many works each of them holds.
    under_way: Vec<usize>,
    /// True while the only one under way stands on the end of the stream: a second one would take that away from it.
    alone: bool,
    pace: Pace,
    /// Until when those that wait are held back for others to join them.
    held: Option<Instant>,
    /// Until this sequence is read nothing is written: somebody else wrote, or nobody knows what was stored.
    behind: Option<u64>,
    /// The question to the store where the stream ends.
    asking: Option<BoxFuture<'static, StreamEnd>>,
    /// Why the last batch was not stored; nothing once one was.
    trouble: Option<String>,
    looks: tokio::time::Interval,
}

impl<W: Waits, B: Send + 'static> Appender<W, B> {
    /// An appender to what `store` keeps, whose owner has read as far as `read_up_to` says.
    pub(crate) fn new(store: Arc<dyn Store>, read_up_to: ReadUpTo) -> Self {
        // Not a pause that begins anew with each work that comes: while many come it would never end.
        let mut looks = tokio::time::interval(PAUSE);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            store,
            read_up_to,
            waiting: VecDeque::new(),
            batches: FuturesUnordered::new(),
            under_way: Vec::new(),
            alone: false,
            pace: Pace::default(),
            held: None,
            behind: None,
            asking: None,
            trouble: None,
            looks,
        }
    }

    /// True if no more should be taken in: what comes now waits where it comes from.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_WAITING
    }

    /// Takes a work in. What is urgent goes before everything else that waits, in the order in which it came.
    pub(crate) fn push(&mut self, work: W) {
        let place = match work.is_urgent() {
            true => {
                let urgent = self.waiting.iter().take_while(|w| w.work.is_urgent());
                urgent.count()
            }
            false => self.waiting.len(),
        };
        let since = Instant::now();
        let freed = 0;
        self.waiting.insert(place, Waiting { work, since, freed });
    }

    /// Puts works back before all that wait, in their order.
    pub(crate) fn put_back(&mut self, works: impl DoubleEndedIterator<Item = Waiting<W>>) {
        for waiting in works.rev() {
            self.waiting.push_front(waiting);
        }
    }

    /// The next of those that wait.
    pub(crate) fn take(&mut self) -> Option<Waiting<W>> {
        self.waiting.pop_front()
    }

    /// All that wait.
    pub(crate) fn take_all(&mut self) -> VecDeque<Waiting<W>> {
        std::mem::take(&mut self.waiting)
    }

    /// Those that have waited too long. The rest waits on.
    pub(crate) fn take_expired(&mut self) -> VecDeque<Waiting<W>> {
        let (young, old) = self
            .take_all()
            .into_iter()
            .partition(Waiting::is_worth_waiting);
        self.waiting = young;
        old
    }

    /// Those that wait, the first of them first.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Waiting<W>> {
        self.waiting.iter()
    }

    /// True if nothing is on its way to the store.
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Why the last batch was not stored; nothing once one was.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// True while nothing may be written: it is not known what the stream holds, or something under way must be the last of it.
    pub(crate) fn must_wait(&self) -> bool {
        self.behind.is_some() || self.asking.is_some() || self.alone
    }

    /// True if it is time to make records of those that wait.
    pub(crate) fn is_time(&mut self) -> bool {
        self.held = None;
        if self.must_wait() {
            return false;
        }
        let waiting = self.waiting.len();
        match self.pace.next(&self.under_way, waiting, Instant::now()) {
            Next::Send => true,
            Next::Hold(until) => {
                self.held = Some(until);
                false
            }
            Next::Wait => false,
        }
    }

    /// Looks again after this time whether those that wait can be written.
    pub(crate) fn hold_for(&mut self, time: Duration) {
        self.held = Some(Instant::now() + time);
    }

    /// Sends a batch of so many works off: the records that `make` makes of it, on another thread. With `last`, only if the stream ends
    /// there; nothing else is sent then until the store has answered.
    pub(crate) fn send<F>(
        &mut self,
        batch: B,
        works: usize,
        last: Option<u64>,
        make: impl FnOnce(B) -> F + Send + 'static,
    ) where
        F: Future<Output = (B, Result<Vec<Append>, SignerError>)> + Send + 'static,
    {
        self.alone = last.is_some();
        self.under_way.push(works);
        let store = Arc::clone(&self.store);
        // A task of its own: signing a batch takes milliseconds, in which the next one is gathered.
        let task = tokio::spawn(async move {
            let (batch, records) = make(batch).await;
            let result = match records {
                Ok(records) => {
                    let (count, began) = (records.len(), Instant::now());
                    let stored = store.append(records, last).await;
                    if stored.is_ok() {
                        metrics::appended(count, began.elapsed());
                    }
                    stored.map_err(NotWritten::Unstored)
                }
                Err(error) => Err(NotWritten::Unsigned(error)),
            };
            (works, batch, result)
        });
        let answered = async move { task.await.expect("appending does not panic") };
        self.batches.push(answered.boxed());
    }

    /// Waits until something happens. Nothing is lost if it is not waited for to the end.
    pub(crate) async fn next(&mut self) -> Happened<B> {
        let held = self.held.unwrap_or_else(Instant::now);
        let someone_waits = !self.waiting.is_empty();
        tokio::select! {
            biased;
            Some((works, batch, result)) = self.batches.next(), if !self.batches.is_empty() => {
                self.answered(works);
                Happened::Answered(batch, result)
            }
            standing = async { self.asking.as_mut().expect("it is there: see the guard").await },
                if self.asking.is_some() =>
            {
                self.asking = None;
                Happened::Ends(standing)
            }
            _ = self.looks.tick(), if someone_waits => Happened::Expire,
            () = tokio::time::sleep_until(held.into()), if self.held.is_some() => {
                self.held = None;
                Happened::Time
            }
            else => std::future::pending().await,
        }
    }

    fn answered(&mut self, works: usize) {
        if let Some(place) = self.under_way.iter().position(|count| *count == works) {
            self.under_way.swap_remove(place);
        }
        self.alone = false;
        let others = self.waiting.len() + self.under_way.iter().sum::<usize>();
        self.pace.acknowledged(works, others, Instant::now());
    }

    /// A batch was stored: there is no trouble.
    pub(crate) fn stored(&mut self) {
        self.trouble = None;
    }

    /// Writes nothing more until its owner has read everything that is stored: somebody else wrote, or the store did not answer.
    pub(crate) fn stand_still(&mut self, why: String) {
        self.behind = Some(u64::MAX);
        self.trouble = Some(why);
        self.ask(Duration::ZERO);
    }

    /// The same after a pause: what waits cannot be signed now.
    pub(crate) fn stand_back(&mut self, why: String) {
        self.behind = Some(u64::MAX);
        self.ask_again(why);
    }

    /// Asks again where the stream ends, after a pause.
    pub(crate) fn ask_again(&mut self, why: String) {
        self.trouble = Some(why);
        self.ask(PAUSE);
    }

    fn ask(&mut self, pause: Duration) {
        if self.asking.is_none() {
            let (store, read_up_to) = (Arc::clone(&self.store), Arc::clone(&self.read_up_to));
            self.asking = Some(
                async move {
                    tokio::time::sleep(pause).await;
                    let read = read_up_to();
                    let last = store.last_sequence().await;
                    StreamEnd { read, last }
                }
                .boxed(),
            );
        }
    }

    /// The stream ends at `last`: nothing is written until that was read, which `complete` was.
    pub(crate) fn ends_at(&mut self, last: u64, complete: u64) {
        self.behind = (last > complete).then_some(last);
    }

    /// True while it waits for its owner to read on.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind.is_some()
    }

    /// Its owner has read as far as `sequence`.
    pub(crate) fn has_read(&mut self, sequence: u64) {
        if self.behind.is_some_and(|until| sequence >= until) {
            self.behind = None;
        }
    }
}
