//! The engine: the one task that decides, sends batches off, and folds what was written or came by.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use keyledger_domain::{
    Ledger,
    ledger::{Applied, Group},
    name::HistoryId,
    text::in_full,
    verify::Gate,
};
use tokio::sync::{Notify, mpsc, oneshot};
use uuid::Uuid;

use super::{
    Done, Failure, Live, Parts, arrived,
    proof::Proof,
    tail::Tailed,
    work::{Batch, Resting, Waiting, Work, Written, refuse},
};
use crate::{
    appender::{Appender, Happened, NotWritten, StreamEnd},
    material::MaterialError,
    signing::SignerError,
    store::AppendError,
};

/// How often a part of the reserve is freed for one command: somebody else may have taken the room.
const MAX_FREED: u32 = 3;

/// The pause before a rotation of the ledger's signing key is looked at again: custody opens the newest version, which is what
/// it waits for, within milliseconds.
const SIGNER_PAUSE: Duration = Duration::from_millis(10);

pub(super) struct Engine {
    pub(super) parts: Parts,
    pub(super) live: Arc<Live>,
    /// What waits to be written, and what is on its way.
    pub(super) appender: Appender<Work, Batch>,
    /// Histories with an event on its way.
    pub(super) busy: HashSet<HistoryId>,
    /// Groups that a history is about to join, with how many are.
    pub(super) joining: HashMap<Group, usize>,
    /// Commands with an event on its way.
    pub(super) busy_ids: HashSet<Uuid>,
    /// Everything up to here is folded, own events that have not come by yet among them.
    complete: u64,
    /// The last sequence that an own append was acknowledged with.
    pub(super) acknowledged: u64,
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
        let read_up_to = {
            let live = Arc::clone(&live);
            Arc::new(move || live.position().sequence)
        };
        Self {
            appender: Appender::new(Arc::clone(&parts.store), read_up_to),
            parts,
            gate,
            proof: Proof::of(connection),
            look_again,
            live,
            busy: HashSet::new(),
            joining: HashMap::new(),
            busy_ids: HashSet::new(),
            complete: 0,
            acknowledged: 0,
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
        loop {
            // Looked at once: what comes over a connection that is lost meanwhile is held back where it is taken.
            let takes_events = self.takes_events();
            if !takes_events {
                self.prove();
            }
            tokio::select! {
                biased;
                happened = self.appender.next() => self.happened(happened),
                proven = async { self.proof.asking.as_mut().expect("it is there: see the guard").await },
                    if self.proof.asking.is_some() => self.proven(proven),
                Some(tailed) = tail.recv(), if takes_events => {
                    self.came(tailed);
                    while self.takes_events() && let Ok(tailed) = tail.try_recv() {
                        self.came(tailed);
                    }
                }
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
                work = inbox.recv(), if !self.appender.is_full() => {
                    let Some(work) = work else { return };
                    self.take(work);
                }
            }
            while !self.appender.is_full()
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
            work => self.appender.push(work),
        }
    }

    fn happened(&mut self, happened: Happened<Batch>) {
        match happened {
            Happened::Answered(batch, result) => self.answered((batch, result)),
            Happened::Ends(end) => self.ends(end),
            Happened::Time => {}
            Happened::Expire => {
                let trouble = self.appender.trouble().map(str::to_owned);
                match (self.takes_events(), trouble) {
                    (true, None) => {}
                    (true, Some(why)) => self.expire(&why),
                    (false, _) => self.expire(&self.proof.why()),
                }
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

    fn settle(&mut self, batch: Batch, result: Result<u64, NotWritten>) {
        if let Some(said) = &self.broken {
            return refuse(batch, &Failure::Broken(said.clone()));
        }
        match result {
            Ok(first) => self.stored(batch, first),
            Err(NotWritten::Unsigned(error)) => self.unsigned(batch, error),
            Err(NotWritten::Unstored(error)) => self.unstored(batch, error),
        }
    }

    fn unstored(&mut self, batch: Batch, error: AppendError) {
        match error {
            AppendError::Conflict => self.again(batch, "other instances keep writing first"),
            AppendError::Unacknowledged(said) => {
                tracing::warn!(%said, "an append was not acknowledged");
                self.again(batch, &said);
            }
            AppendError::Full(said) => {
                tracing::error!(%said, "the ledger's stream is full");
                self.make_room(batch, said);
            }
            AppendError::Refused(said) => {
                tracing::error!(%said, "the store refused an append");
                refuse(batch, &Failure::Unavailable(said));
            }
        }
    }

    /// Commands whose events nobody signs are refused. What the service itself has to record waits until it is signed.
    fn unsigned(&mut self, batch: Batch, error: SignerError) {
        tracing::error!(error = %in_full(&error), "events were not signed");
        let said = in_full(&error);
        let failure = Failure::Unsigned(error);
        let mut left = Vec::new();
        for (waiting, _) in batch.works {
            match waiting.work {
                Work::Order(..) => waiting.work.refuse(&failure),
                Work::Outcome(..) | Work::Rest(_) => left.push(waiting),
            }
        }
        if !left.is_empty() {
            self.appender.put_back(left.into_iter());
            self.appender.stand_back(said);
        }
    }

    fn stored(&mut self, batch: Batch, first: u64) {
        self.appender.stored();
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
        let has_reserve = self.parts.reserve.is_some();
        let mut again = Vec::new();
        for (mut waiting, _) in batch.works {
            if waiting.work.is_pressing() && waiting.freed < MAX_FREED && has_reserve {
                waiting.freed += 1;
                again.push(waiting);
            } else {
                waiting.work.refuse(&failure);
            }
        }
        self.appender.put_back(again.into_iter());
        if self.freeing.is_none()
            && self.appender.waiting().any(|waiting| waiting.freed > 0)
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
        let waiting = self.appender.take_all().into_iter();
        let (pressing, others): (Vec<_>, Vec<_>) =
            waiting.partition(|waiting| there_is_room && waiting.work.is_pressing());
        self.appender.put_back(pressing.into_iter());
        for waiting in others {
            waiting.work.refuse(failure);
        }
    }

    /// The end of the stream, if all of it is folded and nothing is under way.
    pub(super) fn end(&mut self) -> Option<u64> {
        let complete = self.complete();
        (self.appender.is_idle() && complete >= self.acknowledged).then_some(complete)
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
        self.appender.has_read(reached);
    }

    /// The stream ends at `last`: nothing is decided until all of it is folded.
    pub(super) fn fold_up_to(&mut self, last: u64) {
        let complete = self.complete();
        self.appender.ends_at(last, complete);
        self.live.want(last);
    }

    /// Puts a batch back, to be decided anew once everything stored is folded.
    fn again(&mut self, batch: Batch, said: &str) {
        let (young, old): (Vec<_>, Vec<_>) = batch
            .works
            .into_iter()
            .map(|(waiting, _)| waiting)
            .partition(Waiting::is_worth_waiting);
        self.appender.put_back(young.into_iter());
        for waiting in old {
            waiting.work.refuse(&Failure::Unavailable(said.to_owned()));
        }
        self.appender.stand_still(said.to_owned());
    }

    fn ends(&mut self, end: StreamEnd) {
        match end.last {
            // Not what was folded since: the answer may be older than that.
            Ok(last) if last < end.read => {
                tracing::warn!(last, folded = end.read, "the stream's end went backwards");
                self.proof.doubt();
            }
            Ok(last) => self.fold_up_to(last),
            Err(error) => {
                tracing::warn!(%error, "the store does not say where it stands");
                self.appender.ask_again(error.to_string());
            }
        }
    }

    /// Tells those who waited too long.
    pub(super) fn expire(&mut self, said: &str) {
        for waiting in self.appender.take_expired() {
            let failure = Failure::Unavailable(said.to_owned());
            waiting.work.refuse(&failure);
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
        if let Some(said) = self.broken.clone() {
            for waiting in self.appender.take_all() {
                waiting.work.refuse(&Failure::Broken(said.clone()));
            }
            // Whoever waits for rest hears that there is none.
            self.resting = None;
            return;
        }
        if !self.is_proven() {
            return self.prove();
        }
        if self.appender.must_wait() || self.freeing.is_some() {
            return;
        }
        if self.resting.is_some() && self.appender.is_idle() && self.live.own.lock().is_empty() {
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
        while self.appender.is_time() {
            let Some(batch) = self.decide_waiting() else {
                // They wait for the tail, which may have broken off: not for ever.
                if self.appender.is_idle() {
                    self.expire("what is stored does not come");
                }
                let mut waiting = self.appender.waiting();
                let rotates = waiting.any(|waiting| waiting.work.rotates_the_signer());
                drop(waiting);
                if rotates {
                    self.appender.hold_for(SIGNER_PAUSE);
                }
                return;
            };
            let sealed = batch.works.iter().flat_map(|(_, sealed)| sealed);
            self.live.sent.lock().extend(sealed.map(|event| event.cid));
            for batch in batch.in_company() {
                self.append(batch);
            }
        }
    }
}
