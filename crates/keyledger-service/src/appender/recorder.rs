//! A stream whose records stand by themselves, such as an audit of usage: each is written once, whatever becomes of an acknowledgement.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::{Appender, Happened, NotWritten, StreamEnd, Waiting, Waits};
use crate::store::{
    Append, AppendError, MAX_BATCH_BYTES, MAX_BATCH_EVENTS, ReadError, Store, StoredEvent,
};

/// How many items may be handed over and not be looked at yet.
const INBOX: usize = 1_024;
/// How many records are read at once where an acknowledgement did not come.
const PAGE: usize = 500;

/// A record to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its subject.
    pub subject: String,
    /// Its headers.
    pub headers: Vec<(&'static str, String)>,
    /// Its exact bytes.
    pub payload: Bytes,
}

/// Writes items into a stream. Cheap to clone; it ends when the last one is dropped and everything was answered.
#[derive(Debug, Clone)]
pub struct Recorder(mpsc::Sender<Queued>);

impl Recorder {
    /// Starts to write into what `store` keeps. `filter` ends with `>` and covers the subjects of all items. Nobody else has ever
    /// written there, or will: by compare-and-set over it an item is never written twice.
    #[must_use]
    pub fn start(store: Arc<dyn Store>, filter: String) -> Self {
        let (items, inbox) = mpsc::channel(INBOX);
        tokio::spawn(Writer::new(store, filter).run(inbox));
        Self(items)
    }

    /// Writes an item, and gives its sequence once it is durable. Waits while too many others do.
    ///
    /// # Errors
    ///
    /// [`AppendError`]; never a conflict.
    pub async fn append(&self, item: Item) -> Result<u64, AppendError> {
        let ended = || AppendError::Unacknowledged("its writer has ended".to_owned());
        let (reply, answer) = oneshot::channel();
        let sent = self.0.send(Queued { item, reply }).await;
        sent.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

#[derive(Debug)]
struct Queued {
    item: Item,
    reply: oneshot::Sender<Result<u64, AppendError>>,
}

impl Waits for Queued {
    fn is_urgent(&self) -> bool {
        false
    }

    fn is_waited_for(&self) -> bool {
        true
    }
}

type Items = Vec<Waiting<Queued>>;

struct Writer {
    store: Arc<dyn Store>,
    filter: String,
    appender: Appender<Queued, Items>,
    /// Everything up to here was read, or written here.
    read: Arc<AtomicU64>,
    /// The sequence of the newest item; 0 if there is none.
    newest: u64,
}

impl Writer {
    fn new(store: Arc<dyn Store>, filter: String) -> Self {
        let read = Arc::new(AtomicU64::new(0));
        let read_up_to = {
            let read = Arc::clone(&read);
            Arc::new(move || read.load(Ordering::Relaxed))
        };
        Self {
            appender: Appender::new(Arc::clone(&store), read_up_to),
            store,
            filter,
            read,
            newest: 0,
        }
    }

    async fn run(mut self, mut inbox: mpsc::Receiver<Queued>) {
        let mut is_open = true;
        while is_open || !self.appender.is_idle() || self.appender.waiting().next().is_some() {
            tokio::select! {
                biased;
                happened = self.appender.next() => self.happened(happened).await,
                queued = inbox.recv(), if is_open && !self.appender.is_full() => match queued {
                    Some(queued) => self.appender.push(queued),
                    None => is_open = false,
                },
            }
            while !self.appender.is_full()
                && let Ok(queued) = inbox.try_recv()
            {
                self.appender.push(queued);
            }
            // One batch after the other: each expects the one before it.
            if self.appender.is_idle() && self.appender.is_time() {
                self.send();
            }
        }
    }

    async fn happened(&mut self, happened: Happened<Items>) {
        match happened {
            Happened::Answered(batch, Ok(first)) => {
                self.appender.stored();
                self.stored(batch, first);
            }
            Happened::Answered(batch, Err(NotWritten::Unstored(error))) => {
                self.not_stored(batch, &error);
            }
            // What is recorded here stands by itself, and nobody signs it.
            Happened::Answered(batch, Err(NotWritten::Unsigned(error))) => {
                refuse(batch, &AppendError::Refused(error.to_string()));
            }
            Happened::Ends(StreamEnd { last, .. }) => {
                let read = match last {
                    Ok(last) => self.read_on(last).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = read {
                    self.appender.ask_again(error.to_string());
                }
            }
            Happened::Time => {}
            Happened::Expire => self.expire(),
        }
    }

    fn send(&mut self) {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < MAX_BATCH_EVENTS
            && bytes < MAX_BATCH_BYTES
            && let Some(waiting) = self.appender.take()
        {
            bytes += waiting.work.item.payload.len();
            batch.push(waiting);
        }
        let mut expected = Some((self.filter.clone(), self.newest));
        let works = batch.len();
        self.appender.send(batch, works, None, move |batch| {
            let appends = batch.iter().map(|waiting| {
                let Item {
                    subject,
                    headers,
                    payload,
                } = waiting.work.item.clone();
                Append {
                    subject,
                    expected: expected.take(),
                    headers,
                    payload,
                }
            });
            let appends = appends.collect();
            async move { (batch, Ok(appends)) }
        });
    }

    fn stored(&mut self, batch: Items, first: u64) {
        for (sequence, waiting) in (first..).zip(batch) {
            self.newest = sequence;
            // Whoever asked may have given up.
            let _ = waiting.work.reply.send(Ok(sequence));
        }
        self.read.fetch_max(self.newest, Ordering::Relaxed);
    }

    fn not_stored(&mut self, batch: Items, error: &AppendError) {
        match error {
            AppendError::Conflict | AppendError::Unacknowledged(_) => {
                let (young, old): (Vec<_>, Vec<_>) =
                    batch.into_iter().partition(Waiting::is_worth_waiting);
                refuse(old, error);
                self.appender.put_back(young.into_iter());
                self.appender.stand_still(error.to_string());
            }
            AppendError::Full(_) | AppendError::Refused(_) => refuse(batch, error),
        }
    }

    fn expire(&mut self) {
        let Some(why) = self.appender.trouble().map(str::to_owned) else {
            return;
        };
        let expired = self.appender.take_expired();
        refuse(expired, &AppendError::Unacknowledged(why));
    }

    /// Reads up to the sequence `last`, and answers those that wait whose items are stored.
    async fn read_on(&mut self, last: u64) -> Result<(), ReadError> {
        let own = self.filter.strip_suffix('>').unwrap_or(&self.filter);
        let own = own.to_owned();
        loop {
            let read = self.read.load(Ordering::Relaxed);
            if read >= last {
                break;
            }
            let events = self.store.read(read, PAGE).await?;
            let Some(end) = events.last().map(|event| event.sequence) else {
                break;
            };
            for event in events.iter().filter(|e| e.subject.starts_with(&own)) {
                self.newest = event.sequence;
                self.found(event);
            }
            self.read.store(end, Ordering::Relaxed);
        }
        let read = self.read.load(Ordering::Relaxed);
        self.appender.ends_at(last, read);
        Ok(())
    }

    /// An item is stored whose acknowledgement did not come.
    fn found(&mut self, event: &StoredEvent) {
        let mut waiting: Vec<_> = self.appender.take_all().into();
        let place = waiting.iter().position(|waiting| {
            let item = &waiting.work.item;
            item.subject == event.subject && item.payload == event.payload
        });
        // Its sender may have been told already that nobody knows.
        if let Some(place) = place {
            let stored = waiting.remove(place);
            let _ = stored.work.reply.send(Ok(event.sequence));
        }
        self.appender.put_back(waiting.into_iter());
    }
}

fn refuse(works: impl IntoIterator<Item = Waiting<Queued>>, error: &AppendError) {
    for waiting in works {
        let _ = waiting.work.reply.send(Err(error.clone()));
    }
}
