//! For all histories: whatever is commanded, in whatever order, under whatever clock.

#![allow(clippy::unwrap_used)] // a test has nobody to return an error to

#[path = "support/mod.rs"]
mod support;
#[path = "properties/tokens.rs"]
mod tokens;

use std::collections::BTreeMap;

use keyledger_domain::{
    Aggregate, EventCid, Ledger, Name, Record, Timestamp,
    folded::Folded,
    key::{self, Key, State},
    verify::{Options, Verifier},
};
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};
use support::{
    BEGINNING, Step, World, active, command, erased, generate, given, key as of_key, offboard,
    person,
};

/// Few names, so that commands meet.
const NAMES: [&str; 5] = ["a", "b", "c", "d", "ledger-signing"];

fn names() -> impl Strategy<Value = &'static str> {
    select(&NAMES[..])
}

/// A date near the beginning, or none.
fn date() -> impl Strategy<Value = Option<Timestamp>> {
    prop::option::weighted(0.3, (-10..900i64).prop_map(|d| BEGINNING.plus_days(d)))
}

fn created() -> impl Strategy<Value = Step> {
    let algorithms = select(&["ed25519", "aes-256", "rsa-3072"][..]);
    let days = prop::option::weighted(0.3, 1..800u16);
    let parent = prop::option::weighted(0.2, names());
    let activate = any::<Option<bool>>();
    (names(), algorithms, activate, parent, days, [date(), date(), date()]).prop_map(
        |(id, algorithm, activate, parent, days, [activation, protect, process])| {
            let json = json!({
                "algorithm": algorithm, "activate": activate, "parent": parent, "rotation_period_days": days,
                "activation_at": activation, "protect_stop_at": protect, "process_stop_at": process,
            });
            of_key("generate", id, json)
        },
    )
}

fn scheduled() -> impl Strategy<Value = Step> {
    let days = prop::option::weighted(0.5, 1..800u16);
    (names(), days, [date(), date(), date()]).prop_map(
        |(id, days, [activation, protect, process])| {
            let json = json!({
                "rotation_period_days": days, "activation_at": activation,
                "protect_stop_at": protect, "process_stop_at": process,
            });
            of_key("schedule", id, json)
        },
    )
}

fn moved() -> impl Strategy<Value = Step> {
    let verbs = [
        "activate",
        "suspend",
        "resume",
        "deactivate",
        "rotate",
        "destroy",
        "archive",
        "recover",
    ];
    (select(verbs.to_vec()), names()).prop_map(|(verb, id)| support::please(verb, id))
}

fn revoked() -> impl Strategy<Value = Step> {
    let reasons = select(&key::RevocationReason::ALL[..]);
    (names(), reasons, date()).prop_map(|(id, reason, occurred)| {
        let json = json!({
            "reason": "r", "revocation_reason": reason.as_str(), "compromise_occurred_at": occurred,
        });
        of_key("revoke", id, json)
    })
}

fn others() -> impl Strategy<Value = Step> {
    let people = select(&["ann", "bob"][..]);
    prop_oneof![
        people.clone().prop_map(person),
        people.clone().prop_map(offboard),
        (names(), people.clone()).prop_map(|(id, owner)| {
            of_key(
                "describe",
                id,
                json!({ "owner": owner, "labels": { "of": owner } }),
            )
        }),
        (names(), prop::option::of(people)).prop_map(|(id, principal)| {
            let json = json!({ "role": "service", "principal": principal });
            support::issue(id, "staff", json)
        }),
        names().prop_map(support::revoke_user),
        names().prop_map(support::create_account),
        names().prop_map(|id| command(Aggregate::Principal, "register", id, Value::Null)),
    ]
}

/// What may come next. Time mostly goes on, and sometimes jumps back.
fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => created(),
        8 => moved(),
        3 => revoked(),
        2 => scheduled(),
        3 => others(),
        1 => names().prop_map(erased),
        3 => (-40..300i64).prop_map(Step::Later),
        3 => Just(Step::Tick),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..60)
}

/// Where every history begins: with something to command.
fn beginning() -> World {
    let people = ["ann", "bob"].map(person);
    let keys = [generate("a"), active("b"), active("c")];
    given(people.into_iter().chain(keys)).world()
}

/// Does the steps; what a rule refuses is skipped.
fn done(steps: &[Step]) -> World {
    let mut world = beginning();
    for step in steps {
        let _ = world.run(step);
    }
    world
}

/// The ways there are from one state to another.
fn may_follow(from: State, to: State) -> bool {
    use State as S;
    from == to
        || matches!(
            (from, to),
            (S::PreActive, S::Active | S::Compromised | S::Destroyed)
                // The scheduler found its whole period over.
                | (S::PreActive, S::Deactivated)
                | (S::Active, S::Suspended | S::Deactivated | S::Compromised)
                | (S::Suspended, S::Active | S::Deactivated | S::Compromised)
                | (S::Deactivated, S::Compromised | S::Destroyed)
                | (S::Compromised | S::Destroyed, S::DestroyedCompromised)
        )
}

fn states(world: &World) -> BTreeMap<Name, State> {
    let keys = world.ledger.keys();
    keys.map(|(name, entry)| (name.clone(), entry.state.state))
        .collect()
}

/// What [`Folded::next_due`] says, held against what [`key::due`] finds.
fn invariant_due_agrees(key: &Key, ends: bool) -> Result<(), TestCaseError> {
    let finds = |at| !key::due(key, ends, at).is_empty();
    match key.next_due(ends) {
        Some(at) => {
            prop_assert!(finds(at), "nothing is due at {at}");
            prop_assert!(!finds(at.plus_ms(-1)), "something is due before {at}");
        }
        None => prop_assert!(!finds(Timestamp::from_ms(i64::MAX))),
    }
    Ok(())
}

/// The index of what falls due, held against a look at every key.
fn invariant_due_index(ledger: &Ledger, now: Timestamp) -> Result<(), TestCaseError> {
    let mut scan: Vec<_> = ledger
        .keys()
        .filter_map(|(name, _)| Some((ledger.next_due_of(name)?, name)))
        .collect();
    scan.sort_unstable();
    prop_assert_eq!(ledger.next_due(), scan.first().map(|(at, _)| *at));
    let due = scan
        .iter()
        .filter(|(at, _)| *at <= now)
        .map(|(_, name)| *name);
    prop_assert_eq!(ledger.due(now).collect::<Vec<_>>(), due.collect::<Vec<_>>());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None, // the least failing history is printed; it becomes a spec
        ..ProptestConfig::default()
    })]

    #[test]
    fn replaying_the_stored_bytes_gives_the_very_same_ledger(steps in steps()) {
        let world = done(&steps);
        let mut replayed = Ledger::new();
        for (sequence, written) in (1..).zip(&world.written) {
            let record = Record::read(&written.sealed.bytes).unwrap();
            prop_assert_eq!(&record, &written.sealed.record);
            prop_assert_eq!(&record.to_bytes(), &written.sealed.bytes);
            replayed.apply(&record, EventCid::of(&written.sealed.bytes), sequence).unwrap();
        }
        prop_assert_eq!(&replayed, &world.ledger);
        prop_assert_eq!(replayed.events(), world.written.len() as u64);
    }

    #[test]
    fn a_snapshot_read_back_is_the_very_same_ledger(steps in steps()) {
        let ledger = done(&steps).ledger;
        let bytes = postcard::to_stdvec(&ledger).unwrap();
        prop_assert_eq!(postcard::from_bytes::<Ledger>(&bytes).unwrap(), ledger);
    }

    #[test]
    fn there_is_no_way_back(steps in steps()) {
        let mut world = beginning();
        for step in &steps {
            let before = states(&world);
            let _ = world.run(step);
            let after = states(&world);
            for (name, from) in &before {
                let to = after[name];
                prop_assert!(may_follow(*from, to), "{name}: {from} to {to} by {step:?}");
            }
        }
    }

    #[test]
    fn what_is_refused_changes_nothing(steps in steps()) {
        let mut world = beginning();
        for step in &steps {
            let before = world.ledger.clone();
            if world.run(step).is_err() {
                prop_assert_eq!(&world.ledger, &before);
            }
        }
    }

    #[test]
    fn time_never_runs_back_in_a_history(steps in steps()) {
        let mut last = BTreeMap::new();
        for written in &done(&steps).written {
            let record = &written.sealed.record;
            if let Some(before) = last.insert(record.history.clone(), record.occurred_at) {
                prop_assert!(before <= record.occurred_at, "{}", record.history);
            }
        }
    }

    #[test]
    fn a_keys_dates_follow_each_other(steps in steps()) {
        for (name, entry) in done(&steps).ledger.keys() {
            let key = &entry.state;
            let dates = [Some(key.created_at), key.activated_at, key.deactivated_at, key.destroyed_at];
            let dates: Vec<_> = dates.into_iter().flatten().collect();
            prop_assert!(dates.is_sorted(), "{name}: {dates:?}");
            if let (Some(protect), Some(process)) = (key.protect_stop_at, key.process_stop_at) {
                prop_assert!(protect <= process, "{name}: {protect} {process}");
            }
        }
    }

    #[test]
    fn evolve_takes_any_event_in_any_state(steps in steps()) {
        let world = done(&steps);
        for written in &world.written {
            let record = &written.sealed.record;
            let keyledger_domain::Event::Key(event) = &record.event else { continue };
            for (_, entry) in world.ledger.keys() {
                let mut key = entry.state.clone();
                key.evolve(event, record.occurred_at);
                prop_assert!(key.newest().is_some());
            }
        }
    }

    #[test]
    fn what_falls_due_is_found_in_time_and_once(steps in steps()) {
        let mut world = beginning();
        for step in &steps {
            let _ = world.run(step);
            invariant_due_index(&world.ledger, world.now)?;
            for (name, entry) in world.ledger.keys() {
                let trusted = world.ledger.trust_on(name).is_some() || name.as_str() == "ledger-signing";
                invariant_due_agrees(&entry.state, !trusted)?;
            }
            if matches!(step, Step::Tick) {
                // At most activated, then overdue: whatever is due comes to an end.
                for _ in 0..2 {
                    world.run(&Step::Tick).unwrap();
                }
                prop_assert_eq!(world.ledger.due(world.now).count(), 0);
            }
        }
    }

    #[test]
    fn whatever_was_written_verifies(steps in prop::collection::vec(step(), 1..12)) {
        let world = done(&steps);
        let mut verifier = Verifier::new(Options::default());
        for event in world.stored() {
            let taken = verifier.take(&event);
            prop_assert!(taken.is_ok(), "{taken:?}");
        }
        prop_assert!(verifier.finish(None).is_ok());
    }
}
