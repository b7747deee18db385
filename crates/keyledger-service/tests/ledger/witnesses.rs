//! What knows besides the stream what the ledger was, and how it is overruled.

use std::sync::Arc;

use keyledger_domain::{
    Stamp, VerifiedBy,
    ledger::Outcome,
    operator::{RollbackAccepted, Witness},
};
use keyledger_service::{
    Beginning, Begun,
    handler::{Contradiction, LoadError},
    store::MemoryStore,
};
use keyledger_testkit::ledger::broken::Genuine;
use keyledger_wire::Prefix;

use crate::support::{File, begin, genesis, register, serve, store};

async fn accepting(
    memory: &MemoryStore,
    file: &File,
    genuine: &Genuine,
) -> Result<Begun, LoadError> {
    let (prefix, known, snapshot) = (Prefix::default(), genesis(genuine), file.snapshot());
    let beginning = Beginning {
        store: memory,
        prefix: &prefix,
        snapshot: Some(&snapshot),
        genesis: Some(&known),
        accept_rollback: true,
    };
    beginning.begin().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_the_stream_contradicts_refuses_until_it_is_overruled_once() {
    let genuine = Genuine::new();
    let known = genesis(&genuine);
    let file = File::of(genuine.known(), &known).await;
    let memory = store(&genuine.ledger.events[..genuine.seen - 2]);
    let refused = begin(&memory, Some(&file.snapshot()), &known)
        .await
        .unwrap_err();
    let said = refused.to_string();
    assert!(said.contains("the snapshot proves it"), "{said}");
    assert!(said.contains("--accept-rollback"), "{said}");
    let seen = genuine.seen as u64;
    assert!(
        matches!(refused, LoadError::RolledBack { contradiction: Contradiction::Shorter { end, known }, .. } if (end, known) == (seen - 2, seen)),
        "{said}"
    );

    let Begun { live, accepted } = accepting(&memory, &file, &genuine).await.unwrap();
    let [rollback] = &accepted[..] else {
        panic!("{accepted:?}")
    };
    assert_eq!(
        (rollback.witness, rollback.sequence, rollback.end),
        (Witness::Snapshot, seen, seen - 2)
    );
    record(&genuine, &memory, live, rollback).await;
    let recorded = memory.stored().split_off(genuine.seen - 2);
    let mut recorded: Vec<_> = recorded
        .iter()
        .map(|event| event.subject.as_str())
        .collect();
    recorded.sort_unstable();
    let expected = [
        "keys.events.key.x.registered",
        "keys.events.operator.test.rollback_accepted",
    ];
    assert_eq!(recorded, expected, "it is recorded once");
    // The flag is not needed any more, and nothing is recorded twice.
    let begun = begin(&memory, Some(&file.snapshot()), &known)
        .await
        .unwrap();
    assert!(begun.accepted.is_empty());
    assert_eq!(begun.live.position().sequence, seen);
    assert!(
        accepting(&memory, &file, &genuine)
            .await
            .unwrap()
            .accepted
            .is_empty()
    );
    // Rolled back once more, behind what was accepted, it is refused again.
    let memory = store(&genuine.ledger.events[..genuine.seen - 3]);
    assert!(
        begin(&memory, Some(&file.snapshot()), &known)
            .await
            .is_err()
    );
}

async fn record(
    genuine: &Genuine,
    memory: &MemoryStore,
    live: keyledger_service::handler::Live,
    rollback: &RollbackAccepted,
) {
    // Behind the events that are left, the first version signs.
    let handler = serve(&genuine.ledger, 1, Arc::new(memory.clone()), live)
        .await
        .unwrap();
    let service = Arc::new(Stamp {
        account: "A".into(),
        user: "U".into(),
        name: None,
        role: None,
        host: None,
        verified_by: VerifiedBy::Service,
        key: None,
    });
    for _ in 0..2 {
        let outcome = Outcome::RollbackAccepted(rollback.clone());
        handler.outcome(outcome, Arc::clone(&service)).await;
    }
    register(&handler, "x").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_of_the_bootstrap_is_a_witness() {
    let genuine = Genuine::new();
    let mut known = genesis(&genuine);
    let last = known.events.len() - 1;
    known.events[last] = known.events[0];
    let refused = begin(&store(&genuine.ledger.events), None, &known)
        .await
        .unwrap_err();
    let said = refused.to_string();
    assert!(
        said.contains("the file of the trust bootstrap proves it"),
        "{said}"
    );
    // A stream in which nothing was written yet contradicts nothing.
    let begun = begin(&store(&[]), None, &known).await.unwrap();
    assert_eq!(begun.live.position().sequence, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_is_not_ours_or_unreadable_is_only_not_used() {
    let genuine = Genuine::new();
    let known = genesis(&genuine);
    let file = File::of(genuine.known(), &known).await;
    let bytes = std::fs::read(file.path()).unwrap();
    let memory = store(&genuine.ledger.events[..genuine.seen - 2]);
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    for other in [&b"keyledger-snapshot-6\n"[..], b"", &bytes[..40], &flipped] {
        std::fs::write(file.path(), other).unwrap();
        let begun = begin(&memory, Some(&file.snapshot()), &known)
            .await
            .unwrap();
        assert_eq!(begun.live.position().sequence, genuine.seen as u64 - 2);
    }
    // Under another root key it is somebody else's.
    let strange = File::new();
    std::fs::write(strange.path(), &bytes).unwrap();
    assert!(
        begin(&memory, Some(&strange.snapshot()), &known)
            .await
            .is_ok()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_taken_while_own_events_are_under_way_is_held_to_them() {
    let genuine = Genuine::new();
    let known = genesis(&genuine);
    let memory = store(&genuine.ledger.events);
    let live = begin(&memory, None, &known).await.unwrap().live;
    let handler = serve(&genuine.ledger, 3, Arc::new(memory.clone()), live)
        .await
        .unwrap();
    let file = File::new();
    for n in 0..50 {
        register(&handler, &format!("k{n}")).await.unwrap();
        file.snapshot().save(handler.live()).unwrap();
        let begun = begin(&memory, Some(&file.snapshot()), &known)
            .await
            .unwrap();
        assert_eq!(*begun.live.ledger.read(), *handler.live().ledger.read());
    }
    // What was acknowledged last is missing.
    let stored = memory.stored();
    let shorter = MemoryStore::new();
    shorter.replace(stored[..stored.len() - 1].to_vec());
    let refused = begin(&shorter, Some(&file.snapshot()), &known)
        .await
        .unwrap_err();
    assert!(matches!(refused, LoadError::RolledBack { .. }), "{refused}");
}
