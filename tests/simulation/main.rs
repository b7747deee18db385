//! A simulated world: a store that loses acknowledgements, refuses, and reorders; several instances at once; clocks that
//! jump. Whatever happens: what was acknowledged is there once, nobody's command is done twice, and every instance and
//! every replay comes to the same ledger. A failing seed is printed: `KEYLEDGER_SEED=n cargo test --test simulation`.

#![allow(clippy::unwrap_used)] // a test that cannot go on ends there

mod world;

use std::collections::HashMap;

use futures::future::join_all;
use keyledger_domain::{Ledger, Record, VerifiedBy};
use keyledger_service::{
    handler::{Done, Failure},
    store::Store,
};
use uuid::Uuid;
use world::{Random, World, order};

#[test]
fn the_invariants_hold_for_every_seed() {
    let seeds = match std::env::var("KEYLEDGER_SEED") {
        Ok(seed) => vec![seed.parse().expect("KEYLEDGER_SEED is a number")],
        Err(_) => (0..100).collect(),
    };
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build()
                .expect("a runtime");
            runtime.block_on(simulate(seed));
        });
        if let Err(panic) = outcome {
            eprintln!(
                "seed {seed} breaks an invariant: KEYLEDGER_SEED={seed} cargo test --test simulation"
            );
            std::panic::resume_unwind(panic);
        }
    }
}

async fn simulate(seed: u64) {
    let random = Random::new(seed);
    let world = World::new(random.fork());
    let instances = [
        world.instance().await,
        world.instance().await,
        world.instance().await,
    ];

    // 300 commands on 12 keys, each sent up to three times to any instance under the same id.
    let commands: Vec<_> = (0..300).map(|i| order(&random, i)).collect();
    let sends = commands.iter().flat_map(|order| {
        let times = 1 + random.below(3);
        (0..times)
            .map(|_| (order.clone(), random.below(3), random.below(2_000)))
            .collect::<Vec<_>>()
    });
    let answers = join_all(sends.map(|(order, instance, delay_ms)| {
        let handler = &instances[usize::try_from(instance).unwrap()];
        async move {
            tokio::time::sleep(std::time::Duration::from_millis(delay_ms)).await;
            (order.ids.command, handler.order(order).await)
        }
    }))
    .await;

    world.calm();
    let stored = world.store.read(0, usize::MAX).await.unwrap();
    let records: Vec<_> = stored
        .iter()
        .map(|e| (Record::read(&e.payload).unwrap(), e))
        .collect();

    invariant_acknowledged_is_stored_once(
        &answers,
        &records.iter().map(|r| &r.0).collect::<Vec<_>>(),
    );
    invariant_same_id_same_answer(&answers);
    invariant_dates_never_fall(&records.iter().map(|r| &r.0).collect::<Vec<_>>());

    // Replay comes to the same ledger, and so does every instance.
    let mut replayed = Ledger::new();
    for (record, event) in &records {
        let cid = keyledger_domain::EventCid::of(&event.payload);
        replayed.apply(record, cid, event.sequence).unwrap();
    }
    let last = stored.last().map_or(0, |e| e.sequence);
    for handler in &instances {
        handler.live().reached(last).await;
        assert!(
            *handler.live().ledger.read() == replayed,
            "an instance differs from a replay"
        );
        assert!(handler.live().broken().is_none());
        let rebuilt = handler.rebuild().await.unwrap();
        assert!(rebuilt.equal, "a rebuilt view differs from the live one");
    }
}

type Answers = [(Uuid, Result<Done, Failure>)];

/// Every command that was acknowledged as fresh is stored, in one run of revisions; none is stored twice.
fn invariant_acknowledged_is_stored_once(answers: &Answers, records: &[&Record]) {
    let mut by_command: HashMap<Uuid, Vec<u32>> = HashMap::new();
    // What the trust bootstrap wrote was no command of anybody's.
    let commanded = records
        .iter()
        .filter(|r| r.principal.verified_by != VerifiedBy::Genesis);
    for record in commanded {
        by_command
            .entry(record.ids.command)
            .or_default()
            .push(record.revision);
    }
    for revisions in by_command.values() {
        assert!(
            revisions.windows(2).all(|w| w[1] == w[0] + 1),
            "a command was done twice: {revisions:?}"
        );
        assert!(
            revisions.len() <= 2,
            "a command was done twice: {revisions:?}"
        );
    }
    let mut acknowledged = 0;
    for (id, answer) in answers {
        if let Ok(done) = answer
            && done.fresh
        {
            let revisions = by_command
                .get(id)
                .expect("an acknowledged command is stored");
            assert!(revisions.contains(&done.revision));
            acknowledged += 1;
        }
    }
    assert!(
        acknowledged > 20,
        "the simulation did something: {acknowledged}"
    );
}

/// All acknowledgements of one command that wrote are equal.
fn invariant_same_id_same_answer(answers: &Answers) {
    let mut wrote: HashMap<Uuid, &Done> = HashMap::new();
    for (id, answer) in answers {
        if let Ok(done) = answer
            && done.fresh
        {
            assert!(
                wrote.insert(*id, done).is_none(),
                "two instances both wrote command {id}"
            );
        }
    }
    for (id, answer) in answers {
        if let (Some(first), Ok(done)) = (wrote.get(id), answer)
            && !done.fresh
        {
            // A try that was decided before the writing one changed nothing, and said the state of then.
            let same =
                (done.revision, done.cid, done.state) == (first.revision, first.cid, first.state);
            assert!(
                same || done.revision < first.revision,
                "{done:?} is not {first:?}"
            );
        }
    }
}

/// Within a history no event is dated before its predecessor, however the clocks jump.
fn invariant_dates_never_fall(records: &[&Record]) {
    let mut newest = HashMap::new();
    for record in records {
        let before = newest.insert(&record.history, record.occurred_at);
        assert!(
            before.is_none_or(|at| at <= record.occurred_at),
            "{} goes back in time",
            record.history
        );
    }
}
