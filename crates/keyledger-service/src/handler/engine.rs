//! The engine: the one task that decides, sends batches off, and folds what was written or came by.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use keyledger_domain::{
    Ledger,
    ledger::{Applied, Group},
    name::HistoryId,
    verify::Gate,
};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::MissedTickBehavior,
};
use uuid::Uuid;

use super::{
    Done, Failure, Live, Parts, arrived,
    pace::{Next, Pace},
    proof::Proof,
    tail::Tailed,
    work::{Batch, Resting, Waiting, Work, Written, refuse},
};
use crate::{
    material::MaterialError,
    store::{AppendError, ReadError},
};

/// How many commands may wait; more are left in the channel, and in the end with NATS.
pub(super) const MAX_WAITING: usize = 8_192;
/// The pause before the store is asked again for where it stands, and between two looks at who has waited too long.
const PAUSE: Duration = Duration::from_millis(100);

/// How often a part of the reserve is freed for one command: somebody else may have taken the room.
const MAX_FREED: u32 = 3;

/// The pause before a rotation of the ledger's signing key is looked at again: custody opens the newest version, which is what
/// it waits for, within milliseconds.
const SIGNER_PAUSE: Duration = Duration::from_millis(10);

/// Where the store says it stands.
struct Asked {
    /// How far the stream was folded when it was asked.
    folded: u64,
    last: Result<u64, ReadError>,
}

pub(super) struct Engine {
    pub(super) parts: Parts,
    pub(super) live: Arc<Live>,
    pub(super) waiting: VecDeque<Waiting>,
    /// Histories with an event on its way.
    pub(super) busy: HashSet<HistoryId>,
    /// Groups that a history is about to join, with how many are.
    pub(super) joining: HashMap<Group, usize>,
    /// Commands with an event on its way.
    pub(super) busy_ids: HashSet<Uuid>,
    batches: FuturesUnordered<BoxFuture<'static, Written>>,
    /// How many works each of them holds.
    pub(super) under_way: Vec<usize>,
    /// True while the only one under way stands on the end of the stream: a second one would take that away from it.
    alone: bool,
    /// Everything up to here is folded, own events that have not come by yet among them.
    complete: u64,
    /// The last sequence that an own append was acknowledged with.
    pub(super) acknowledged: u64,
    pace: Pace,
    /// Until when those that wait are held back for others to join them.
    held: Option<Instant>,
    /// Until this sequence is folded nothing is decided: another instance wrote.
    pub(super) behind: Option<u64>,
    /// The question to the store how far it has come.
    asking: Option<BoxFuture<'static, Asked>>,
    /// Why the last append was not stored; nothing once one was.
    trouble: Option<String>,
    /// Judges what other instances wrote.
    gate: Gate,
    /// Whether the stream was held against what is folded since the connection came about.
    pub(super) proof: Proof,
    /// Has everything that was folded looked at again.
    pub(super) look_again: Arc<Notify>,
    /// Why nothing is accepted any more.
    pub(super) broken: Option<String>,
    /// The freeing of a part of the reserve, and what to say where that does not help.
    freeing: Option<(BoxFuture<'static, Result<bool, MaterialError>>, Failure)>,
    /// Who asked to rest.
    resting: Option<oneshot::Sender<Resting>>,
    /// At rest: what to wait for.
    rested: Option<oneshot::Receiver<Ledger>>,
}

impl Engine {
    /// An engine that begins behind what is folded, which was read over the store's connection of this number.
    pub(super) fn new(
        parts: Parts,
        live: Arc<Live>,
        connection: u64,
        look_again: Arc<Notify>,
    ) -> Self {
        let gate = Gate::behind(&live.ledger.read());
        Self {
            parts,
            gate,
            proof: Proof::of(connection),
            look_again,
            live,
            waiting: VecDeque::new(),
            busy: HashSet::new(),
            joining: HashMap::new(),
            busy_ids: HashSet::new(),
            batches: FuturesUnordered::new(),
            under_way: Vec::new(),
            alone: false,
            complete: 0,
            acknowledged: 0,
            pace: Pace::default(),
            held: None,
            behind: None,
            asking: None,
            trouble: None,
            broken: None,
            freeing: None,
            resting: None,
            rested: None,
        }
    }

    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Work>,
        mut tail: mpsc::Receiver<Tailed>,
    ) {
        // Not a pause that begins anew with each command that comes: while many come it would never end.
        let mut looks = tokio::time::interval(PAUSE);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Looked at once: what comes over a connection that is lost meanwhile is held back where it is taken.
            let takes_events = self.takes_events();
            if !takes_events {
                self.prove();
            }
            tokio::select! {
                biased;
                Some(written) = self.batches.next(), if !self.batches.is_empty() => {
                    self.answered(written);
                }
                proven = async { self.proof.asking.as_mut().expect("it is there: see the guard").await },
                    if self.proof.asking.is_some() => self.proven(proven),
                Some(tailed) = tail.recv(), if takes_events => {
                    self.came(tailed);
                    while self.takes_events() && let Ok(tailed) = tail.try_recv() {
                        self.came(tailed);
                    }
                }
                answer = async { self.asking.as_mut().expect("it is there: see the guard").await },
                    if self.asking.is_some() => self.asked(answer),
                freed = async { (&mut self.freeing.as_mut().expect("it is there: see the guard").0).await },
                    if self.freeing.is_some() => {
                        if let Some((_, failure)) = self.freeing.take() {
                            self.freed(freed, &failure);
                        }
                    }
                resume = async { self.rested.as_mut().expect("it is there: see the guard").await },
                    if self.rested.is_some() => {
                        self.rested = None;
                        if let Ok(ledger) = resume {
                            *self.live.ledger.write() = ledger;
                        }
                    }
                _ = looks.tick(), if (!takes_events || self.trouble.is_some()) && !self.waiting.is_empty() =>
                {
                    let why = self.trouble.clone().filter(|_| takes_events);
                    self.expire(&why.unwrap_or_else(|| self.proof.why()));
                }
                () = tokio::time::sleep_until(self.held.unwrap_or_else(Instant::now).into()),
                    if self.held.is_some() => {}
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
            work => {
                let waiting = Waiting {
                    work,
                    since: Instant::now(),
                    freed: 0,
                };
                // What revokes goes before everything that waits, in the order in which it came.
                let place = match waiting.revokes() {
                    true => self.waiting.iter().take_while(|w| w.revokes()).count(),
                    false => self.waiting.len(),
                };
                self.waiting.insert(place, waiting);
            }
        }
    }

    /// A batch was stored, or not.
    pub(super) fn written(&mut self, (batch, result): Written) {
        for (history, _) in &batch.histories {
            self.busy.remove(history);
        }
        for group in &batch.joined {
            if let Some(count) = self.joining.get_mut(group) {
                *count -= 1;
                if *count == 0 {
                    self.joining.remove(group);
                }
            }
        }
        for id in &batch.ids {
            self.busy_ids.remove(id);
        }
        let sent = batch.works.iter().flat_map(|(_, sealed)| sealed);
        let sent: Vec<_> = sent.map(|event| event.cid).collect();
        self.settle(batch, result);
        // Not before they are counted: until then they are known by this.
        let mut still = self.live.sent.lock();
        for cid in &sent {
            still.remove(cid);
        }
    }

    fn settle(&mut self, batch: Batch, result: Result<u64, AppendError>) {
        let works = batch.works.len();
        if let Some(place) = self.under_way.iter().position(|count| *count == works) {
            self.under_way.swap_remove(place);
        }
        self.alone = false;
        let others = self.waiting.len() + self.under_way.iter().sum::<usize>();
        self.pace.acknowledged(works, others, Instant::now());
        if let Some(said) = &self.broken {
            return refuse(batch, &Failure::Broken(said.clone()));
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
                self.make_room(batch, said);
            }
            Err(AppendError::Refused(said)) => {
                tracing::error!(%said, "the store refused an append");
                refuse(batch, &Failure::Unavailable(said));
            }
        }
    }

    fn stored(&mut self, batch: Batch, first: u64) {
        self.trouble = None;
        let mut sequence = first;
        let mut answers = Vec::with_capacity(batch.works.len());
        let mut fault = None;
        {
            let mut ledger = self.live.ledger.write();
            // No event comes by while the ledger is locked.
            let position = self.live.position().sequence;
            for (waiting, sealed) in batch.works {
                let (mut wrote, mut last) = (None, None);
                for event in sealed {
                    let mut is_news = false;
                    match ledger.apply(&event.record, event.cid, sequence) {
                        // What came by was folded then: this sequence was another event's.
                        Ok(Applied::New) if sequence <= position => {
                            let said =
                                "it was given to a new event, and was folded before".to_owned();
                            fault.get_or_insert((sequence, said));
                        }
                        Ok(Applied::New) => {
                            self.live.own.lock().insert(sequence, event.cid);
                            is_news = true;
                        }
                        // It came by in the stream before its acknowledgement, and was told then.
                        Ok(Applied::Already) => {}
                        Err(broken) => {
                            fault.get_or_insert((sequence, broken.to_string()));
                        }
                    }
                    sequence += 1;
                    let record = Arc::new(event.record);
                    if let Work::Order(order, _) = &waiting.work
                        && record.history == order.target
                    {
                        last = Some((record.revision, event.cid));
                        wrote.get_or_insert_with(|| Arc::clone(&record));
                    }
                    if is_news && fault.is_none() {
                        let _ = self.parts.news.send(record);
                    }
                }
                if let (Work::Order(order, reply), Some((revision, cid))) = (waiting.work, last) {
                    // Not what the history has come to since: another instance may have written behind it.
                    let remembered = ledger.remembered(&order.ids.command);
                    let state = remembered.map(|r| r.state()).unwrap_or_default();
                    let history = order.target;
                    answers.push((
                        reply,
                        Done {
                            history,
                            revision,
                            cid,
                            state,
                            fresh: true,
                            wrote,
                        },
                    ));
                }
            }
            if fault.is_none() {
                self.live.count_own();
            }
        }
        if let Some((at, said)) = &fault {
            self.break_off(&format!("sequence {at}: {said}"));
        }
        self.acknowledged = self.acknowledged.max(sequence - 1);
        self.go_on();
        for (reply, answer) in answers {
            let answer = match &self.broken {
                None => Ok(answer),
                Some(said) => Err(Failure::Broken(said.clone())),
            };
            // A sender that gave up asks again under the same id.
            let _ = reply.send(answer);
        }
    }

    /// Nothing is accepted any more, and nothing is folded.
    pub(super) fn break_off(&mut self, said: &str) {
        tracing::error!(%said, "the ledger is broken");
        self.live.set_broken(said);
        self.broken.get_or_insert_with(|| said.to_owned());
    }

    /// Frees a part of the reserve for what takes trust away, and refuses the rest.
    fn make_room(&mut self, batch: Batch, said: String) {
        let failure = Failure::Full(said);
        for (mut waiting, _) in batch.works.into_iter().rev() {
            if waiting.is_pressing() && waiting.freed < MAX_FREED && self.parts.reserve.is_some() {
                waiting.freed += 1;
                self.waiting.push_front(waiting);
            } else {
                waiting.refuse(&failure);
            }
        }
        if self.freeing.is_none()
            && self.waiting.iter().any(|waiting| waiting.freed > 0)
            && let Some(reserve) = self.parts.reserve.clone()
        {
            self.freeing = Some((async move { reserve.free().await }.boxed(), failure));
        }
    }

    /// A part of the reserve was freed, or not: only what it was freed for may use it.
    fn freed(&mut self, freed: Result<bool, MaterialError>, failure: &Failure) {
        let there_is_room = match freed {
            Ok(freed) => freed,
            Err(error) => {
                tracing::error!(%error, "the reserve was not freed");
                false
            }
        };
        for waiting in std::mem::take(&mut self.waiting) {
            if there_is_room && waiting.is_pressing() {
                self.waiting.push_back(waiting);
            } else {
                waiting.refuse(failure);
            }
        }
    }

    /// The end of the stream, if all of it is folded and nothing is under way.
    pub(super) fn end(&mut self) -> Option<u64> {
        let complete = self.complete();
        (self.under_way.is_empty() && complete >= self.acknowledged).then_some(complete)
    }

    /// The sequence up to which everything is folded: own events count from their acknowledgement.
    fn complete(&mut self) -> u64 {
        self.complete = self.complete.max(self.live.position().sequence);
        let own = self.live.own.lock();
        while own.contains_key(&(self.complete + 1)) {
            self.complete += 1;
        }
        self.complete
    }

    /// Decides again, if what that waited for is folded.
    fn go_on(&mut self) {
        let reached = self.live.position().sequence;
        if self.behind.is_some_and(|until| reached >= until) {
            self.behind = None;
        }
    }

    /// The stream ends at `last`: nothing is decided until all of it is folded.
    pub(super) fn fold_up_to(&mut self, last: u64) {
        self.behind = (last > self.complete()).then_some(last);
        self.live.want(last);
    }

    /// Puts a batch back, to be decided anew once everything stored is folded.
    fn again(&mut self, batch: Batch, said: &str) {
        for (waiting, _) in batch.works.into_iter().rev() {
            if waiting.is_worth_waiting() {
                self.waiting.push_front(waiting);
            } else {
                waiting.refuse(&Failure::Unavailable(said.to_owned()));
            }
        }
        self.behind = Some(u64::MAX);
        self.trouble = Some(said.to_owned());
        self.ask(Duration::ZERO);
    }

    fn ask(&mut self, pause: Duration) {
        if self.asking.is_none() {
            let (store, live) = (Arc::clone(&self.parts.store), Arc::clone(&self.live));
            self.asking = Some(
                async move {
                    tokio::time::sleep(pause).await;
                    let folded = live.position().sequence;
                    let last = store.last_sequence().await;
                    Asked { folded, last }
                }
                .boxed(),
            );
        }
    }

    fn asked(&mut self, asked: Asked) {
        self.asking = None;
        match asked.last {
            // Not what was folded since: the answer may be older than that.
            Ok(last) if last < asked.folded => {
                tracing::warn!(
                    last,
                    folded = asked.folded,
                    "the stream's end went backwards"
                );
                self.proof.doubt();
            }
            Ok(last) => self.fold_up_to(last),
            Err(error) => {
                tracing::warn!(%error, "the store does not say where it stands");
                self.trouble = Some(error.to_string());
                self.ask(PAUSE);
            }
        }
    }

    /// Tells those who waited too long.
    pub(super) fn expire(&mut self, said: &str) {
        let (old, young): (VecDeque<_>, VecDeque<_>) = self
            .waiting
            .drain(..)
            .partition(|waiting| !waiting.is_worth_waiting());
        self.waiting = young;
        for waiting in old {
            waiting.refuse(&Failure::Unavailable(said.to_owned()));
        }
    }

    /// An event came from the stream: folded here or elsewhere. Behind one that does not belong there nothing is folded.
    pub(super) fn tailed(&mut self, tailed: Tailed) {
        if self.broken.is_some() {
            return;
        }
        match tailed {
            Tailed::Event {
                sequence,
                cid,
                foreign,
            } => {
                // Locked for the position too: a snapshot must find both as they belong together.
                let mut ledger = self.live.ledger.write();
                if sequence <= self.live.position().sequence {
                    // One of our own, counted when it was acknowledged.
                } else if let Some(event) = foreign {
                    let gate = &mut self.gate;
                    match arrived::take(gate, &self.live, &mut ledger, sequence, &event) {
                        Ok(Applied::New) => {
                            let _ = self.parts.news.send(Arc::new(event.record));
                        }
                        Ok(Applied::Already) => {}
                        Err(fault) => {
                            drop(ledger);
                            return self.break_off(&format!("sequence {sequence}: {fault}"));
                        }
                    }
                } else {
                    self.live.own.lock().remove(&sequence);
                    self.live.advance(sequence, &cid);
                }
                self.live.count_own();
                drop(ledger);
                self.go_on();
            }
            Tailed::Broken { sequence, fault } => {
                self.break_off(&format!("sequence {sequence}: {fault}"));
            }
            Tailed::TakenUp => {}
        }
    }

    /// Decides what waits and sends it off, when it is time.
    fn send_batches(&mut self) {
        self.held = None;
        if let Some(said) = self.broken.clone() {
            for waiting in self.waiting.drain(..) {
                waiting.refuse(&Failure::Broken(said.clone()));
            }
            // Whoever waits for rest hears that there is none.
            self.resting = None;
            return;
        }
        if !self.is_proven() {
            return self.prove();
        }
        if self.behind.is_some() || self.asking.is_some() || self.alone || self.freeing.is_some() {
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
        loop {
            let waiting = self.waiting.len();
            match self.pace.next(&self.under_way, waiting, Instant::now()) {
                Next::Send => {}
                Next::Hold(until) => {
                    self.held = Some(until);
                    return;
                }
                Next::Wait => return,
            }
            let Some(batch) = self.decide_waiting() else {
                // They wait for the tail, which may have broken off: not for ever.
                if self.under_way.is_empty() {
                    self.expire("what is stored does not come");
                }
                if self.waiting.iter().any(Waiting::rotates_the_signer) {
                    self.held = Some(Instant::now() + SIGNER_PAUSE);
                }
                return;
            };
            self.alone = batch.last.is_some();
            let sealed = batch.works.iter().flat_map(|(_, sealed)| sealed);
            self.live.sent.lock().extend(sealed.map(|event| event.cid));
            for batch in batch.in_company() {
                self.under_way.push(batch.works.len());
                self.batches.push(self.append(batch));
            }
            if self.alone {
                return;
            }
        }
    }
}
