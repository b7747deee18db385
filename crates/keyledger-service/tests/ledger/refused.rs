//! One set of broken ledgers, before every judge.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use keyledger_domain::verify::{
    Broken as Fault, Options, Report, SignedHead, StoredEvent, Verifier,
};
use keyledger_service::{handler::Failure, store::Store};
use keyledger_testkit::PATIENCE;
use keyledger_testkit::ledger::broken::{Broken, Genuine, Shows};

use crate::support::{File, begin, broken_within, genesis, register, serve, store, stored};

/// How many ledgers are judged at once.
const AT_ONCE: usize = 24;

fn verify(
    genuine: &Genuine,
    events: &[StoredEvent],
    earlier_heads: Vec<SignedHead>,
) -> Result<Report, Fault> {
    let mut verifier = Verifier::new(Options {
        prefix: Some("keys".to_owned()),
        expected_operator: Some(genuine.ledger.operator().public_key()),
        earlier_heads,
    });
    events.iter().try_for_each(|event| verifier.take(event))?;
    verifier.finish(None)
}

/// Runs `judge` over every broken ledger, and lists those that it lets pass.
async fn passed<F: Future<Output = Result<(), String>>>(
    all: &[Broken],
    judge: impl Fn(Broken) -> F,
) -> Vec<String> {
    let judged = stream::iter(all.iter().cloned()).map(|broken| {
        let name = broken.name.clone();
        let judged = judge(broken);
        async move { judged.await.err().map(|said| format!("{name}: {said}")) }
    });
    let judged: Vec<_> = judged.buffer_unordered(AT_ONCE).collect().await;
    judged.into_iter().flatten().collect()
}

fn all() -> (Genuine, Vec<Broken>) {
    let genuine = Genuine::new();
    let broken = genuine.broken();
    (genuine, broken)
}

#[test]
fn there_are_more_than_sixty_each_of_its_own() {
    let (_, broken) = all();
    let names: HashSet<_> = broken.iter().map(|broken| &broken.name).collect();
    assert_eq!(names.len(), broken.len(), "two have one name");
    assert!(broken.len() > 100, "there are {}", broken.len());
    for (n, one) in broken.iter().enumerate() {
        let same = broken[..n].iter().find(|other| other.events == one.events);
        assert!(same.is_none(), "{} is {}", one.name, same.unwrap().name);
        let sequences = one.events.windows(2);
        for two in sequences {
            assert!(two[0].sequence < two[1].sequence, "{}: no stream", one.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_genuine_ledger_is_accepted_by_all() {
    let genuine = Genuine::new();
    let (events, known) = (&genuine.ledger.events, genesis(&genuine));
    let head = genuine.ledger.head(genuine.seen);
    let report = verify(&genuine, events, vec![head]).unwrap();
    assert_eq!(report.events, events.len() as u64);
    let begun = begin(&store(events), None, &known).await.unwrap();
    assert_eq!(*begun.live.ledger.read(), genuine.ledger.ledger);
    let file = File::of(genuine.known(), &known).await;
    let snapshot = file.snapshot();
    let begun = begin(&store(events), Some(&snapshot), &known)
        .await
        .unwrap();
    assert_eq!(*begun.live.ledger.read(), genuine.ledger.ledger);
    // Running, while the stream comes back with what was written meanwhile.
    let memory = store(genuine.known());
    let live = begin(&memory, None, &known).await.unwrap().live;
    let handler = serve(&genuine.ledger, 3, Arc::new(memory.clone()), live)
        .await
        .unwrap();
    memory.replace(events.iter().map(stored).collect());
    handler.live().reached(events.len() as u64).await;
    assert_eq!(*handler.live().ledger.read(), genuine.ledger.ledger);
    assert_eq!(broken_within(&handler, Duration::from_secs(4)).await, None);
    register(&handler, "late").await.unwrap();
}

#[test]
fn offline_verification_refuses_every_one() {
    let (genuine, broken) = all();
    let head = genuine.ledger.head(genuine.seen);
    let mut passed = Vec::new();
    for Broken {
        name,
        events,
        shows,
    } in broken
    {
        let heads = match shows {
            Shows::Always => Vec::new(),
            Shows::ToWhoKnewIt => vec![head.clone()],
        };
        if verify(&genuine, &events, heads).is_ok() {
            passed.push(name);
        }
    }
    assert!(passed.is_empty(), "verified: {passed:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_without_a_snapshot_refuses_every_one_that_shows() {
    let (genuine, mut broken) = all();
    broken.retain(|broken| broken.shows == Shows::Always);
    let known = &genesis(&genuine);
    let passed = passed(&broken, |broken| async move {
        match begin(&store(&broken.events), None, known).await {
            Ok(_) => Err("it started".to_owned()),
            Err(_) => Ok(()),
        }
    });
    let passed = passed.await;
    assert!(passed.is_empty(), "{passed:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_with_a_snapshot_refuses_every_one() {
    let (genuine, broken) = all();
    let known = &genesis(&genuine);
    let file = &File::of(genuine.known(), known).await;
    let genuine = &genuine;
    let passed = passed(&broken, |broken| async move {
        let memory = store(&broken.events);
        let Ok(begun) = begin(&memory, Some(&file.snapshot()), known).await else {
            return Ok(());
        };
        // What the snapshot stands for is read in the background.
        let Ok(handler) = serve(&genuine.ledger, 3, Arc::new(memory), begun.live).await else {
            return Ok(());
        };
        match broken_within(&handler, PATIENCE).await {
            Some(_) => Ok(()),
            None => Err("it serves".to_owned()),
        }
    });
    let passed = passed.await;
    assert!(passed.is_empty(), "{passed:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_instance_refuses_every_one() {
    let (genuine, broken) = all();
    let known = &genesis(&genuine);
    let genuine = &genuine;
    let passed = passed(&broken, |broken| async move {
        let memory = store(genuine.known());
        let live = begin(&memory, None, known).await.unwrap().live;
        let shared: Arc<dyn Store> = Arc::new(memory.clone());
        let handler = serve(&genuine.ledger, 2, shared, live).await.unwrap();
        memory.replace(broken.events.iter().map(stored).collect());
        if broken_within(&handler, PATIENCE).await.is_none() {
            return Err("it serves".to_owned());
        }
        let held = memory.stored();
        match register(&handler, "after").await {
            Err(Failure::Broken(_)) => {}
            other => return Err(format!("a command: {other:?}")),
        }
        if memory.stored() != held {
            return Err("something was written".to_owned());
        }
        // And a restart forgets nothing: what is saved on the way out is not what was refused.
        let file = File::new();
        file.snapshot().save(handler.live()).unwrap();
        if file.path().exists() {
            return Err("a snapshot was written".to_owned());
        }
        Ok(())
    });
    let passed = passed.await;
    assert!(passed.is_empty(), "{passed:#?}");
}
