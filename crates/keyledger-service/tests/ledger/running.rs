//! What a running instance acknowledges, and what it does not take for broken.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::stream::BoxStream;
use keyledger_domain::{EventCid, Timestamp};
use keyledger_service::{
    handler::{Clock, Failure},
    store::{Append, AppendError, Disturbed, MemoryStore, Pending, ReadError, Store, StoredEvent},
};
use keyledger_testkit::PATIENCE;
use keyledger_testkit::ledger::{BEGINNING, broken::Genuine};

use crate::support::{
    File, begin, broken_within, genesis, register, serve, serve_at, store, stored,
};

/// A store of three servers. Some of its answers are those of a leader that was cut off.
#[derive(Clone)]
struct Cluster {
    inner: MemoryStore,
    /// How many of the next answers are older than they should be.
    stale: Arc<AtomicUsize>,
    /// How often an append is refused as if somebody else had written.
    conflicts: Arc<AtomicUsize>,
    /// Where the old answers say that the stream ends.
    old_end: Arc<AtomicU64>,
}

impl Cluster {
    fn of(inner: &MemoryStore) -> Self {
        Self {
            inner: inner.clone(),
            stale: Arc::default(),
            conflicts: Arc::default(),
            old_end: Arc::default(),
        }
    }

    fn takes(counter: &AtomicUsize) -> bool {
        let one_less = |left: usize| left.checked_sub(1);
        counter
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
            .is_ok()
    }

    fn end(&self, last: u64) -> u64 {
        if Self::takes(&self.stale) {
            self.old_end.load(Ordering::SeqCst)
        } else {
            last
        }
    }
}

impl Disturbed for Cluster {
    fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    fn replicas(&self) -> usize {
        3
    }

    fn append(
        &self,
        batch: Vec<Append>,
        last: Option<u64>,
    ) -> Pending<'_, Result<u64, AppendError>> {
        if Self::takes(&self.conflicts) {
            return Box::pin(async { Err(AppendError::Conflict) });
        }
        self.inner.append(batch, last)
    }

    fn last_sequence(&self) -> Pending<'_, Result<u64, ReadError>> {
        Box::pin(async { Ok(self.end(self.inner.last_sequence().await?)) })
    }
}

/// A store that is not followed, as in a cluster without a leader that makes consumers, and in the end not read either.
#[derive(Clone)]
struct Mute {
    inner: MemoryStore,
    /// How many of the next appends are lost on their way.
    lost: Arc<AtomicUsize>,
    is_unread: Arc<AtomicBool>,
}

impl Disturbed for Mute {
    fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    fn append(
        &self,
        batch: Vec<Append>,
        last: Option<u64>,
    ) -> Pending<'_, Result<u64, AppendError>> {
        if Cluster::takes(&self.lost) {
            return Box::pin(async { Err(AppendError::Unacknowledged("lost".to_owned())) });
        }
        self.inner.append(batch, last)
    }

    fn read(&self, after: u64, limit: usize) -> Pending<'_, Result<Vec<StoredEvent>, ReadError>> {
        if self.is_unread.load(Ordering::SeqCst) {
            return Box::pin(async { Err(ReadError::Unavailable("nothing comes".to_owned())) });
        }
        self.inner.read(after, limit)
    }

    fn tail(
        &self,
        _: u64,
    ) -> Pending<'_, Result<BoxStream<'static, Result<StoredEvent, ReadError>>, ReadError>> {
        Box::pin(std::future::pending())
    }
}

/// A store that loses its leader: it takes nothing then, and does not say where it stands.
#[derive(Clone)]
struct Leaderless {
    inner: MemoryStore,
    is_lost: Arc<AtomicBool>,
}

impl Disturbed for Leaderless {
    fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    fn append(
        &self,
        batch: Vec<Append>,
        last: Option<u64>,
    ) -> Pending<'_, Result<u64, AppendError>> {
        if self.is_lost.load(Ordering::SeqCst) {
            return Box::pin(async { Err(AppendError::Unacknowledged("no leader".to_owned())) });
        }
        self.inner.append(batch, last)
    }

    fn last_sequence(&self) -> Pending<'_, Result<u64, ReadError>> {
        if self.is_lost.load(Ordering::SeqCst) {
            return Box::pin(async { Err(ReadError::Unavailable("no leader".to_owned())) });
        }
        self.inner.last_sequence()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_hears_that_there_is_no_leader_though_others_go_on_sending() {
    let genuine = Genuine::new();
    let memory = store(&genuine.ledger.events);
    let live = begin(&memory, None, &genesis(&genuine)).await.unwrap().live;
    let leaderless = Leaderless {
        inner: memory,
        is_lost: Arc::default(),
    };
    let handler = serve(&genuine.ledger, 3, Arc::new(leaderless.clone()), live)
        .await
        .unwrap();
    let handler = Arc::new(handler);
    leaderless.is_lost.store(true, Ordering::SeqCst);
    let others = tokio::spawn({
        let handler = Arc::clone(&handler);
        async move {
            let mut sent = tokio::task::JoinSet::new();
            for n in 0.. {
                let handler = Arc::clone(&handler);
                sent.spawn(async move { register(&handler, &format!("k{n}")).await.is_ok() });
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    });
    let told = tokio::time::timeout(PATIENCE, register(&handler, "first")).await;
    others.abort();
    match told.expect("it is told").unwrap_err() {
        Failure::Unavailable(said) => assert!(said.contains("no leader"), "{said}"),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_answer_of_a_stale_leader_breaks_nothing() {
    let genuine = Genuine::new();
    let memory = store(&genuine.ledger.events);
    let live = begin(&memory, None, &genesis(&genuine)).await.unwrap().live;
    let cluster = Cluster::of(&memory);
    let handler = serve(&genuine.ledger, 3, Arc::new(cluster.clone()), live)
        .await
        .unwrap();
    cluster.old_end.store(3, Ordering::SeqCst);
    cluster.stale.store(6, Ordering::SeqCst);
    cluster.conflicts.store(1, Ordering::SeqCst);
    let (ordered, doubted) = tokio::join!(register(&handler, "late"), async {
        for _ in 0..200 {
            if handler.live().doubt().is_some() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    });
    assert!(doubted, "commands were taken meanwhile");
    ordered.unwrap();
    assert_eq!(handler.live().broken(), None);
    assert_eq!(handler.live().doubt(), None);
    register(&handler, "later").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_wait_for_nothing_that_was_acknowledged_to_the_instance_itself() {
    let genuine = Genuine::new();
    let memory = store(&genuine.ledger.events);
    let live = begin(&memory, None, &genesis(&genuine)).await.unwrap().live;
    let mute = Mute {
        inner: memory.clone(),
        lost: Arc::default(),
        is_unread: Arc::default(),
    };
    let handler = serve(&genuine.ledger, 3, Arc::new(mute.clone()), live)
        .await
        .unwrap();
    mute.is_unread.store(true, Ordering::SeqCst);
    register(&handler, "before").await.unwrap();
    mute.lost.store(1, Ordering::SeqCst);
    register(&handler, "after").await.unwrap();
    let ends = memory.stored().len();
    assert_eq!(ends, genuine.ledger.events.len() + 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_onto_a_stream_that_was_rolled_back() {
    let genuine = Genuine::new();
    let events = &genuine.ledger.events;
    let memory = store(events);
    let live = begin(&memory, None, &genesis(&genuine)).await.unwrap().live;
    let handler = serve(&genuine.ledger, 3, Arc::new(memory.clone()), live)
        .await
        .unwrap();
    register(&handler, "before").await.unwrap();
    let handler = Arc::new(handler);
    // Commands come all the time, of histories that the stream has never seen.
    let sender = tokio::spawn({
        let handler = Arc::clone(&handler);
        async move {
            let mut done = Vec::new();
            for n in 0.. {
                match register(&handler, &format!("k{n}")).await {
                    Ok(_) => done.push(n),
                    Err(_) => break,
                }
            }
            done
        }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    memory.replace(events[..genuine.seen].iter().map(stored).collect());
    let said = broken_within(&handler, PATIENCE).await.unwrap();
    assert!(said.contains("rolled back"), "{said}");
    let done = sender.await.unwrap();
    assert!(!done.is_empty());
    // What was under way may have been written, and is not acknowledged.
    let left = memory.stored().split_off(genuine.seen);
    assert!(left.len() <= 1, "{left:?}");
    let next = format!(".k{}.registered", done.len());
    assert!(
        left.iter().all(|event| event.subject.ends_with(&next)),
        "{left:?}"
    );
    assert!(matches!(
        register(&handler, "after").await,
        Err(Failure::Broken(_))
    ));
}

/// A stream that somebody shortens behind the connection's back, as no server that works does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sequence_that_is_given_twice_is_not_acknowledged() {
    let genuine = Genuine::new();
    let events = &genuine.ledger.events;
    let memory = store(events);
    let live = begin(&memory, None, &genesis(&genuine)).await.unwrap().live;
    let handler = serve(&genuine.ledger, 3, Arc::new(memory.clone()), live)
        .await
        .unwrap();
    memory.shorten(genuine.seen);
    let refused = register(&handler, "new").await.unwrap_err();
    assert!(matches!(refused, Failure::Broken(_)), "{refused}");
    assert!(handler.live().broken().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_behind_a_refused_event_is_not_folded() {
    let genuine = Genuine::new();
    let events = &genuine.ledger.events;
    let memory = store(genuine.known());
    let known = genesis(&genuine);
    let live = begin(&memory, None, &known).await.unwrap().live;
    let handler = serve(&genuine.ledger, 2, Arc::new(memory.clone()), live)
        .await
        .unwrap();
    let mut broken = events.clone();
    broken[genuine.seen].payload = b"{}".to_vec();
    memory.replace(broken.iter().map(stored).collect());
    broken_within(&handler, PATIENCE).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(handler.live().position().sequence, genuine.seen as u64);
    assert_eq!(handler.live().ledger.read().events(), genuine.seen as u64);
    // A snapshot of before is written over by none of after.
    let file = File::of(genuine.known(), &known).await;
    let before = std::fs::read(file.path()).unwrap();
    file.snapshot().save(handler.live()).unwrap();
    assert_eq!(std::fs::read(file.path()).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_never_runs_backwards_in_the_ledger() {
    let genuine = Genuine::new();
    let memory = store(&genuine.ledger.events);
    let live = begin(&memory, None, &genesis(&genuine)).await.unwrap().live;
    let latest = live.ledger.read().latest().unwrap();
    // A day before the ledger began, then two seconds back at each look.
    let back = Arc::new(AtomicU64::new(0));
    let clock: Clock = Arc::new(move || {
        let back = back.fetch_add(2_000, Ordering::SeqCst);
        Timestamp::from_ms(BEGINNING.ms() - 86_400_000 - i64::try_from(back).unwrap())
    });
    let shared = Arc::new(memory.clone());
    let handler = serve_at(&genuine.ledger, 3, shared, live, clock)
        .await
        .unwrap();
    for n in 0..5 {
        register(&handler, &format!("k{n}")).await.unwrap();
    }
    let new = memory.stored().split_off(genuine.ledger.events.len());
    assert_eq!(new.len(), 5);
    for event in new {
        let record = keyledger_domain::Record::read(&event.payload).unwrap();
        assert!(record.occurred_at >= latest, "{}", record.occurred_at);
        assert_eq!(
            event
                .headers
                .iter()
                .find(|h| h.0 == "Keyledger-Cid")
                .unwrap()
                .1,
            EventCid::of(&event.payload).to_string()
        );
    }
}
