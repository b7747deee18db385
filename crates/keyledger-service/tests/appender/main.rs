//! Group commit into a stream that is not the ledger's: records that stand by themselves, as an audit of usage has them.
#![allow(clippy::unwrap_used)] // a test has nobody to return an error to

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_nats::jetstream::{self, stream::Config};
use bytes::Bytes;
use futures::future::join_all;
use keyledger_service::{
    appender::{Item, Recorder},
    store::{
        Append, AppendError, Disturbed, JetStreamStore, MemoryStore, Pending, Store, StoredEvent,
    },
};
use keyledger_testkit::NatsServer;

/// What one instance writes.
const OWN: &str = "keys.usage.instance-1.>";

fn item(number: usize) -> Item {
    Item {
        subject: format!("keys.usage.instance-1.orders-db.sign.{}", number % 7),
        headers: vec![("X-Test", number.to_string())],
        payload: Bytes::from(format!("usage {number}")),
    }
}

/// What another instance writes into the same stream.
fn foreign(number: usize) -> Append {
    Append {
        subject: format!("keys.usage.instance-2.orders-db.sign.{number}"),
        expected: None,
        headers: Vec::new(),
        payload: Bytes::from(format!("foreign {number}")),
    }
}

/// Writes this many items at once; gives the answers.
async fn write(recorder: &Recorder, count: usize) -> Vec<Result<u64, AppendError>> {
    join_all((0..count).map(|number| recorder.append(item(number)))).await
}

/// The items that are stored, by what they say, with their sequences.
async fn items(store: &dyn Store) -> BTreeMap<String, Vec<u64>> {
    let mut items = BTreeMap::<String, Vec<u64>>::new();
    let all: Vec<StoredEvent> = store.read(0, 100_000).await.unwrap();
    for event in all {
        let said = String::from_utf8_lossy(&event.payload).into_owned();
        items.entry(said).or_default().push(event.sequence);
    }
    items
}

/// Every item whose sender heard a sequence stands there, and none stands twice.
async fn are_recorded_once(store: &dyn Store, answers: &[Result<u64, AppendError>]) {
    let items = items(store).await;
    for (said, sequences) in &items {
        assert_eq!(sequences.len(), 1, "{said}");
    }
    for (number, answer) in answers.iter().enumerate() {
        if let Ok(sequence) = answer {
            assert_eq!(items[&format!("usage {number}")], [*sequence]);
        }
    }
}

/// A store that fails now and then.
#[derive(Clone, Default)]
struct Failing {
    inner: MemoryStore,
    /// How many of the next appends are stored, and not acknowledged.
    unacknowledged: Arc<AtomicUsize>,
    /// How many are lost on their way.
    lost: Arc<AtomicUsize>,
    /// How many find no room.
    full: Arc<AtomicUsize>,
    /// How many appends there were.
    appends: Arc<AtomicUsize>,
}

impl Failing {
    fn takes(counter: &AtomicUsize) -> bool {
        let one_less = |left: usize| left.checked_sub(1);
        counter
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
            .is_ok()
    }
}

impl Disturbed for Failing {
    fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    fn append(
        &self,
        batch: Vec<Append>,
        last: Option<u64>,
    ) -> Pending<'_, Result<u64, AppendError>> {
        Box::pin(async move {
            self.appends.fetch_add(1, Ordering::SeqCst);
            if Self::takes(&self.full) {
                return Err(AppendError::Full("no room".to_owned()));
            }
            if Self::takes(&self.lost) {
                return Err(AppendError::Unacknowledged("lost".to_owned()));
            }
            let stored = self.inner.append(batch, last).await;
            if Self::takes(&self.unacknowledged) {
                // Another instance goes on writing.
                self.inner
                    .append(vec![foreign(self.appends.load(Ordering::SeqCst))], None)
                    .await?;
                return Err(AppendError::Unacknowledged(
                    "its answer was lost".to_owned(),
                ));
            }
            stored
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_together_is_written_together() {
    let store = Failing::default();
    let recorder = Recorder::start(Arc::new(store.clone()), OWN.to_owned());
    let answers = write(&recorder, 5_000).await;
    assert!(answers.iter().all(Result::is_ok));
    are_recorded_once(&store.inner, &answers).await;
    let appends = store.appends.load(Ordering::SeqCst);
    assert!(appends < 500, "{appends} appends for 5,000 items");
    let stored = store.inner.stored();
    let named = |event: &StoredEvent| {
        let number = String::from_utf8_lossy(&event.payload).replace("usage ", "");
        event.headers == [("X-Test".to_owned(), number)]
    };
    assert!(stored.iter().all(named));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_whose_acknowledgement_was_lost_is_not_written_twice() {
    let store = Failing::default();
    let recorder = Recorder::start(Arc::new(store.clone()), OWN.to_owned());
    for round in 0..3 {
        store.unacknowledged.store(2, Ordering::SeqCst);
        store.lost.store(round, Ordering::SeqCst);
        let first = 1_000 * round;
        let answers = (first..first + 300).map(|number| recorder.append(item(number)));
        let answers = join_all(answers).await;
        let items = items(&store.inner).await;
        for (number, answer) in (first..).zip(&answers) {
            let sequence = answer.as_ref().unwrap();
            assert_eq!(items[&format!("usage {number}")], [*sequence]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_finds_no_room_is_told_so_and_the_next_is_written() {
    let store = Failing::default();
    let recorder = Recorder::start(Arc::new(store.clone()), OWN.to_owned());
    store.full.store(1, Ordering::SeqCst);
    let refused = recorder.append(item(0)).await.unwrap_err();
    assert!(matches!(refused, AppendError::Full(_)), "{refused}");
    assert_eq!(recorder.append(item(1)).await.unwrap(), 1);
    assert_eq!(store.inner.stored().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_answer_is_reported() {
    let store = Failing::default();
    let recorder = Recorder::start(Arc::new(store.clone()), OWN.to_owned());
    store.lost.store(usize::MAX, Ordering::SeqCst);
    let unanswered = recorder.append(item(0)).await.unwrap_err();
    assert!(
        matches!(unanswered, AppendError::Unacknowledged(_)),
        "{unanswered}"
    );
    store.lost.store(0, Ordering::SeqCst);
    assert_eq!(recorder.append(item(1)).await.unwrap(), 1);
}

/// The settings of the stream.
fn config() -> Config {
    Config {
        name: "KEYS_USAGE".to_owned(),
        subjects: vec!["keys.usage.>".to_owned()],
        allow_direct: true,
        allow_atomic_publish: true,
        duplicate_window: Duration::from_secs(120),
        ..Config::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_a_real_server_keeps_every_item_once_although_the_server_is_killed() {
    let mut server = NatsServer::simple_jetstream(true).await;
    let client = server.connect().await;
    jetstream::new(client.clone())
        .create_stream(config())
        .await
        .unwrap();
    let store = JetStreamStore::open_stream(client, config()).await.unwrap();
    let recorder = Recorder::start(Arc::new(store.clone()), OWN.to_owned());
    let whole = write(&recorder, 3_000).await;
    assert!(whole.iter().all(Result::is_ok));
    are_recorded_once(&store, &whole).await;

    let killed = tokio::spawn({
        let recorder = recorder.clone();
        async move { join_all((3_000..9_000).map(|number| recorder.append(item(number)))).await }
    });
    // In the midst of it.
    while store.last_sequence().await.unwrap() < 4_000 {}
    server.kill9();
    server.restart().await;
    let killed = killed.await.unwrap();
    let answers: Vec<_> = whole.into_iter().chain(killed).collect();
    are_recorded_once(&store, &answers).await;
    // It goes on.
    let sequence = recorder.append(item(9_000)).await.unwrap();
    assert_eq!(items(&store).await["usage 9000"], [sequence]);
}
