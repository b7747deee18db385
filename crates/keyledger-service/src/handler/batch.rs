//! Gathering: what waits is decided, sealed, signed and sent together.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use keyledger_domain::{
    Ledger, Prepared, Rejection, Timestamp,
    command::Target,
    ledger::{
        Claimed, Decision, Known, LEDGER_SIGNING_KEY, Reader, Reads, Recorded, Remembered, Sealed,
    },
    record::{Ids, Record, Why},
    verify::header,
};
use keyledger_wire::Prefix;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    Done, Failure, Order, Signer,
    engine::Engine,
    work::{Batch, Waiting, Work},
};
use crate::{
    clock::MAX_SKEW_MS,
    fault_point::fault_point,
    signing::SignerError,
    store::{Append, MAX_BATCH_BYTES, MAX_BATCH_EVENTS, Store, StoredEvent},
};

impl Engine {
    /// Takes from those that wait as many as fit a batch; answers those that need none.
    pub(super) fn decide_waiting(&mut self) -> Option<Batch> {
        let end = self.end();
        let live = Arc::clone(&self.live);
        let ledger = live.ledger.read();
        let clock = (self.parts.clock)();
        // Time never runs backwards in the ledger, whoever wrote last.
        let now = ledger.latest().map_or(clock, |latest| latest.max(clock));
        // Dates go by the clock where the ledger is far ahead of it, and whoever started this said that the clock is right.
        let is_far = now.ms() - clock.ms() > MAX_SKEW_MS;
        let decided_at = if is_far { clock } else { now };
        let mut batch = Batch {
            works: Vec::new(),
            histories: Vec::new(),
            ids: Vec::new(),
            joined: Vec::new(),
            last: None,
        };
        let (mut events, mut bytes) = (0, 0);
        let mut later = Vec::new();
        while let Some(waiting) = self.appender.take() {
            if events >= MAX_BATCH_EVENTS || bytes >= MAX_BATCH_BYTES {
                later.push(waiting);
                break;
            }
            let Some((waiting, Recorded { result, reads }, ids)) =
                self.decide(&ledger, waiting, (decided_at, clock), &mut later)
            else {
                continue;
            };
            let written = || result.events.iter().map(|(history, _)| history);
            // Compare-and-set guards what is written to. What else was looked at is guarded by the end of the stream.
            let beyond = reads.go_beyond(written());
            if beyond && end.is_none() {
                // What is under way comes to its end first, and nothing overtakes.
                later.push(waiting);
                break;
            }
            let is_busy = written().any(|history| self.busy.contains(history));
            if is_busy || events + result.events.len() > MAX_BATCH_EVENTS {
                later.push(waiting);
                continue;
            }
            for (history, event) in &result.events {
                if self.busy.insert(history.clone()) {
                    let sequence = ledger.head(history).map_or(0, |head| head.sequence);
                    batch.histories.push((history.clone(), sequence));
                }
                for group in event.joins() {
                    *self.joining.entry(group.clone()).or_default() += 1;
                    batch.joined.push(group);
                }
            }
            if beyond {
                batch.last = end;
            }
            self.busy_ids.insert(ids.command);
            batch.ids.push(ids.command);
            let sealed = seal(&ledger, &waiting, result, ids, now);
            events += sealed.len();
            bytes += sealed.iter().map(|s| s.bytes.len() + 512).sum::<usize>();
            batch.works.push((waiting, sealed));
        }
        self.appender.put_back(later.into_iter());
        (!batch.works.is_empty()).then_some(batch)
    }

    /// True if something of this is about to change.
    fn is_settling(&self, reads: &Reads) -> bool {
        let mut groups = reads.groups();
        reads.histories().any(|history| self.busy.contains(history))
            || groups.any(|group| self.joining.contains_key(group))
    }

    /// Decides one piece of work; answers it at once where nothing is to be written. What looks at something that is about to change
    /// waits until that has happened.
    fn decide(
        &self,
        ledger: &Ledger,
        waiting: Waiting,
        (now, clock): (Timestamp, Timestamp),
        later: &mut Vec<Waiting>,
    ) -> Option<(Waiting, Recorded<Decision>, Ids)> {
        match waiting.work {
            Work::Outcome(ref outcome, _) => {
                // What falls due goes by the clock, also where the ledger's time is ahead of it.
                let decided = ledger.decide_outcome(outcome, clock);
                if self.is_settling(&decided.reads) {
                    later.push(waiting);
                    return None;
                }
                let ids = Ids::root(Uuid::now_v7());
                (!decided.result.events.is_empty()).then_some((waiting, decided, ids))
            }
            // Never among those that wait.
            Work::Rest(_) => None,
            Work::Order(order, reply) => {
                let wait = |order, reply, later: &mut Vec<Waiting>| {
                    let work = Work::Order(order, reply);
                    later.push(Waiting { work, ..waiting });
                };
                if self.busy_ids.contains(&order.ids.command) || self.busy.contains(&order.target) {
                    wait(order, reply, later);
                    return None;
                }
                fault_point("engine", &order.target.name);
                if let Some(remembered) = ledger.remembered(&order.ids.command) {
                    self.answer_again(*remembered, *order, reply);
                    return None;
                }
                if is_too_early(ledger, &order, self.parts.signer.current().nkey()) {
                    wait(order, reply, later);
                    return None;
                }
                // Again: much may have happened since it was let in.
                let sender = sender(ledger, &order, now);
                let decided = match sender.result {
                    Ok(known) => decide(ledger, &order, known.as_ref(), now),
                    Err(rejection) => Recorded {
                        result: Err(rejection),
                        reads: Reads::default(),
                    },
                };
                if self.is_settling(&sender.reads) || self.is_settling(&decided.reads) {
                    wait(order, reply, later);
                    return None;
                }
                let Recorded { result, reads } = decided;
                match result {
                    Ok(decision) if decision.events.is_empty() => {
                        let _ = reply.send(unchanged(ledger, &order.target));
                        None
                    }
                    Ok(result) => {
                        let ids = order.ids;
                        let work = Work::Order(order, reply);
                        let waiting = Waiting { work, ..waiting };
                        Some((waiting, Recorded { result, reads }, ids))
                    }
                    Err(rejection) => {
                        let _ = reply.send(Err(rejection.into()));
                        None
                    }
                }
            }
        }
    }

    /// Answers a command that was done before as it was answered then.
    fn answer_again(
        &self,
        remembered: Remembered,
        order: Order,
        reply: oneshot::Sender<Result<Done, Failure>>,
    ) {
        let store = Arc::clone(&self.parts.store);
        tokio::spawn(async move {
            let _ = reply.send(read_again(&*store, remembered, &order).await);
        });
    }

    pub(super) fn append(&mut self, batch: Batch) {
        let signer = self.parts.signer.current();
        let prefix = self.parts.prefix.clone();
        let (works, last) = (batch.works.len(), batch.last);
        self.appender
            .send(batch, works, last, move |batch| async move {
                let signed = sign_all(&batch, &prefix, &*signer).await;
                (batch, signed)
            });
    }
}

/// True of a rotation of the ledger's signing key while the version that it replaces does not sign yet: the one before was
/// stored a moment ago, and custody is opening what it made. Signed by an older version it would break the ledger.
fn is_too_early(ledger: &Ledger, order: &Order, signer: &str) -> bool {
    let rotates = matches!(
        &order.command,
        Prepared::Key(keyledger_domain::key::Prepared::Rotate(..))
    );
    if !rotates || order.target.name.as_str() != LEDGER_SIGNING_KEY {
        return false;
    }
    let key = ledger.key(&order.target.name);
    let newest = key.and_then(|entry| entry.state.versions.last()?.nkey.as_deref());
    newest.is_some_and(|newest| newest != signer)
}

/// Who sends it, if the ledger still knows it; nobody where the service itself does.
///
/// What is looked at for that is not guarded where the events are stored: then each command would stand on the end of the stream. Another
/// instance may write at this very moment that the sender was revoked.
fn sender(
    ledger: &Ledger,
    order: &Order,
    now: Timestamp,
) -> Recorded<Result<Option<Known>, Rejection>> {
    let reader = ledger.reader();
    let issuer = order.issuer.as_ref();
    let known = issuer.map(|issuer| {
        let claimed = Claimed {
            account: &order.principal.account,
            user: &order.principal.user,
            issuer,
        };
        reader.identify(claimed, now)
    });
    let result = known.transpose();
    let reads = reader.into_reads();
    Recorded { result, reads }
}

/// What the command does, if the sender may command it.
fn decide(
    ledger: &Ledger,
    order: &Order,
    known: Option<&Known>,
    now: Timestamp,
) -> Recorded<Result<Decision, Rejection>> {
    let reader = ledger.reader();
    let may = known.map_or(Ok(()), |known| may_command(&reader, order, known, now));
    let mut reads = reader.into_reads();
    if let Err(rejection) = may {
        let result = Err(rejection);
        return Recorded { result, reads };
    }
    let decided = ledger.decide(&order.target, &order.command, now);
    reads.add(decided.reads);
    Recorded {
        result: decided.result,
        reads,
    }
}

/// Whether the sender may command this, with the signature that it came with.
fn may_command(
    reader: &Reader<'_>,
    order: &Order,
    known: &Known,
    now: Timestamp,
) -> Result<(), Rejection> {
    reader.authorise(known, &order.target.name, order.command.any())?;
    let Some(signer) = &order.signer else {
        return Ok(());
    };
    if reader.token_signer(known, &signer.key, now)? == *signer {
        return Ok(());
    }
    Err(Rejection::BadSignature {
        why: format!("key {} became another one meanwhile", signer.key),
    })
}

/// The records of a decision.
fn seal(
    ledger: &Ledger,
    waiting: &Waiting,
    decision: Decision,
    ids: Ids,
    now: Timestamp,
) -> Vec<Sealed> {
    let none = Why::default();
    let (principal, why) = match &waiting.work {
        Work::Order(order, _) => (&order.principal, &order.why),
        Work::Outcome(_, principal) => (principal, &none),
        Work::Rest(_) => return Vec::new(),
    };
    ledger.seal(decision, ids, principal, why, now, Uuid::now_v7)
}

/// What is stored of a batch.
async fn sign_all(
    batch: &Batch,
    prefix: &Prefix,
    signer: &dyn Signer,
) -> Result<Vec<Append>, SignerError> {
    let mut expected: HashMap<_, _> = batch.histories.iter().cloned().collect();
    let mut appends = Vec::new();
    for event in batch.works.iter().flat_map(|(_, sealed)| sealed) {
        // Compare-and-set stands on the first event of each history; the others follow it.
        let history = &event.record.history;
        let expected = expected.remove(history);
        let expected = expected.map(|sequence| (prefix.history(history), sequence));
        appends.push(to_append(event, expected, prefix, signer).await?);
    }
    Ok(appends)
}

/// What is stored of an event: its bytes, and headers that say what they are and who signed them.
async fn to_append(
    event: &Sealed,
    expected: Option<(String, u64)>,
    prefix: &Prefix,
    signer: &dyn Signer,
) -> Result<Append, SignerError> {
    let record = &event.record;
    let signature = signer.sign(&event.cid.to_bytes()).await?;
    Ok(Append {
        subject: prefix.event(&record.history, record.event.past()),
        expected,
        headers: header::of_event(record, &event.cid, &signature, signer.nkey()).into(),
        payload: Bytes::copy_from_slice(&event.bytes),
    })
}

/// Reads the event that a command wrote, so that its retry gets the same answer.
async fn read_again(
    store: &dyn Store,
    remembered: Remembered,
    order: &Order,
) -> Result<Done, Failure> {
    let count = usize::from(remembered.count);
    let before = remembered
        .sequence
        .saturating_sub(u64::from(remembered.count));
    let events = store
        .read(before, count)
        .await
        .map_err(|e| Failure::Unavailable(e.to_string()))?;
    let gone = || {
        let said = format!(
            "sequence {} does not hold what it held",
            remembered.sequence
        );
        Failure::Broken(said)
    };
    let (Some(first), Some(event)) = (events.first(), events.get(count - 1)) else {
        return Err(gone());
    };
    let read = |event: &StoredEvent| {
        Record::read(&event.payload).map_err(|e| Failure::Broken(e.to_string()))
    };
    let (first, record) = (read(first)?, read(event)?);
    if first.ids.command != order.ids.command || record.ids.command != order.ids.command {
        return Err(gone());
    }
    let is_retry = order.command.any().is_retry_of(&first, &order.principal);
    if record.history != order.target || !is_retry {
        let (id, by) = (order.ids.command, record.history);
        return Err(Rejection::MessageIdReused { id, by }.into());
    }
    Ok(Done {
        history: record.history,
        revision: record.revision,
        cid: keyledger_domain::EventCid::of(&event.payload),
        state: remembered.state(),
        fresh: false,
        wrote: Some(Arc::new(first)),
    })
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
        wrote: None,
    })
}
