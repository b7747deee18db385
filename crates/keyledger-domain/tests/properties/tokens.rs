//! For all histories of a token: whatever is commanded and reported, honest or forged, in whatever order.

use std::collections::BTreeSet;

use keyledger_domain::{
    Event, EventCid, Ledger, Record,
    key::{Custodian, State},
    ledger::{Outcome, ReportFacts},
    token::{self, FailureCode, Phase, Profile, Reported, Slot, Step as Stage, TaskKind, Token},
};
use proptest::{prelude::*, sample::select};
use serde_json::json;

use crate::support::{
    SERIAL, Say, Step, Told, World, curve_key, given, issue, key, name, provision, provisioned,
    revoke, revoke_user, say, token as of_token, walked,
};

type Forge = fn(&mut Reported, &mut ReportFacts);

/// Mostly honest.
fn forge() -> impl Strategy<Value = Forge> {
    let forgeries: [Forge; 6] = [
        |reported, _| reported.task = None,
        |_, found| *found = ReportFacts::default(),
        |_, found| found.findings.doubled = Some(Slot::SIGNATURE),
        |_, found| found.certificates.clear(),
        |_, found| {
            for finding in found.findings.slots.values_mut() {
                finding.attested = Err("a forgery".into());
            }
        },
        |reported, _| {
            if let token::Report::Proved(evidence) = &mut reported.report {
                evidence.factory_pin_refused = !evidence.factory_pin_refused;
            }
        },
    ];
    prop_oneof![
        8 => Just((|_, _| {}) as Forge),
        1 => select(forgeries.to_vec()),
    ]
}

fn said() -> impl Strategy<Value = Say> {
    let stages = [
        Stage::Taken,
        Stage::Reset,
        Stage::Secrets,
        Stage::Keys,
        Stage::Proof,
    ];
    let codes = [FailureCode::Declined, FailureCode::Misbehaved];
    prop_oneof![
        1 => Just(Say::Announce),
        4 => select(stages.to_vec()).prop_map(Say::Begin),
        3 => Just(Say::Seal),
        1 => Just(Say::Want),
        3 => (1..4u8, any::<bool>()).prop_map(|(run, openpgp)| Say::Make(run, openpgp)),
        3 => Just(Say::Escrow),
        4 => Just(Say::Prove),
        1 => select(codes.to_vec()).prop_map(Say::Fail),
    ]
}

fn told() -> impl Strategy<Value = Step> {
    let workstations = prop_oneof![9 => Just("desk"), 1 => Just("till")];
    (workstations, said(), forge()).prop_map(|(workstation, say, forge)| {
        Step::Told(Told {
            serial: SERIAL,
            workstation,
            say,
            forge,
        })
    })
}

fn commanded() -> impl Strategy<Value = Step> {
    let tasks = ["verify", "reset", "unblock", "rotate-secrets"];
    let moves = ["cancel", "lose", "find", "find", "retire", "destroy"];
    let profiles = ["person", "service", "offline-root"];
    prop_oneof![
        4 => select(profiles.to_vec()).prop_map(provision),
        4 => select(tasks.to_vec()).prop_map(|verb| of_token(verb, json!({}))),
        2 => select(moves.to_vec()).prop_map(|verb| of_token(verb, json!({}))),
        1 => select(vec!["ann", "bob"])
            .prop_map(|to| of_token("transfer", json!({ "principal": to }))),
        1 => Just(of_token("bind", json!({ "user": "ann-ssh" }))),
        1 => Just(of_token("release", json!({ "seal_to": curve_key() }))),
    ]
}

/// What else happens to keys on it, and to those around it.
fn meddled() -> impl Strategy<Value = Step> {
    let keys = select(vec![
        "12345678-9a-1",
        "12345678-9c-2",
        "12345678-9c-1",
        "ca",
    ]);
    let verbs = [
        "suspend",
        "resume",
        "deactivate",
        "archive",
        "destroy",
        "activate",
    ];
    prop_oneof![
        3 => (keys.clone(), select(verbs.to_vec()))
            .prop_map(|(id, verb)| key(verb, id, json!({ "reason": "r" }))),
        1 => (keys, select(vec!["key_compromise", "superseded"]))
            .prop_map(|(id, why)| revoke(id, why)),
        1 => Just(revoke_user("ann-ssh")),
        1 => Just(revoke_user("desk")),
    ]
}

/// What may come next: single steps, and walks of a task that break off somewhere.
fn next() -> impl Strategy<Value = Vec<Step>> {
    let files = prop_oneof![
        2 => select(vec!["person", "service"]).prop_map(provision),
        1 => select(vec!["reset", "rotate-secrets", "verify"])
            .prop_map(|verb| of_token(verb, json!({}))),
    ];
    let ends = select(vec!["cancel", "lose", "reset"]);
    let walk = (files, 1..4u8, 0..9usize, ends).prop_map(|(file, run, to, end)| {
        let walked = walked(run).into_iter().chain([say(Say::Prove)]).take(to);
        let end = of_token(end, json!({}));
        let steps = [file, say(Say::Escrow)].into_iter().chain(walked);
        steps.chain([end]).collect()
    });
    prop_oneof![
        6 => told().prop_map(|step| vec![step]),
        6 => commanded().prop_map(|step| vec![step]),
        1 => meddled().prop_map(|step| vec![step]),
        1 => (-40..200i64).prop_map(|days| vec![Step::Later(days)]),
        1 => Just(vec![Step::Tick]),
        5 => walk,
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(next(), 1..30).prop_map(|all| all.concat())
}

/// Where every history begins: with something to lose.
fn beginning() -> World {
    let user = issue("ann-ssh", "staff", json!({ "role": "service" }));
    given([provisioned("service"), vec![user]].concat()).world()
}

fn done(steps: &[Step]) -> World {
    let mut world = beginning();
    for step in steps {
        let _ = world.run(step);
    }
    world
}

/// Keys that were made on tokens.
fn made(ledger: &Ledger) -> impl Iterator<Item = (&keyledger_domain::Name, State)> {
    let keys = ledger.keys().map(|(name, entry)| (name, &entry.state));
    keys.filter(|(_, key)| key.custodian == Custodian::Token)
        .map(|(name, key)| (name, key.state))
}

/// No key is relied on that is not, proved, on a token that is what its profile says.
fn invariant_active_keys_are_on_a_token(ledger: &Ledger) -> Result<(), TestCaseError> {
    let relied_on = |token: &Token| match (token.phase, &token.task) {
        (Phase::Provisioned, _) => true,
        // Not yet reset, it still is what it was.
        (Phase::Provisioning, Some(open)) => open.before == Phase::Provisioned && !open.has_reset(),
        _ => false,
    };
    // One in quarantine on a later task's word may be trusted again: its keys wait.
    let waits = |token: &Token| {
        let before = token.task.as_ref().filter(|open| !open.has_reset());
        token.phase == Phase::Quarantined
            || before.is_some_and(|open| open.before == Phase::Quarantined)
    };
    for (name, state) in made(ledger) {
        if matches!(state, State::Active | State::Suspended) {
            let on = ledger
                .tokens()
                .filter(|(_, t)| {
                    relied_on(&t.state) || (state == State::Suspended && waits(&t.state))
                })
                .filter(|(_, t)| t.state.keys.iter().any(|k| k.key == *name));
            prop_assert_eq!(on.count(), 1, "{} is {}", name, state);
        }
    }
    Ok(())
}

/// A key that no token lists any more is gone.
fn invariant_no_key_is_forgotten(ledger: &Ledger) -> Result<(), TestCaseError> {
    let listed: BTreeSet<_> = ledger
        .tokens()
        .flat_map(|(_, t)| t.state.all_keys())
        .map(|k| &k.key)
        .collect();
    for (name, state) in made(ledger) {
        prop_assert!(
            listed.contains(name) || state.is_destroyed(),
            "{name} is {state}"
        );
    }
    Ok(())
}

/// A token that is provisioned has what its profile says, and the way in.
fn invariant_provisioned_is_whole(token: &Token) -> Result<(), TestCaseError> {
    let places: Vec<_> = token.all_keys().map(|k| &*k.place).collect();
    let once: BTreeSet<_> = places.iter().copied().collect();
    prop_assert_eq!(once.len(), places.len(), "a place is listed once");
    if token.phase != Phase::Provisioned || token.keys.is_empty() {
        let reset = token.task.as_ref().is_some_and(|open| open.has_reset());
        prop_assert!(token.phase != Phase::Provisioned || reset);
        return Ok(());
    }
    let profile: &Profile = token.profile.as_ref().unwrap();
    let expected = profile.piv.keys().map(|slot| slot.place());
    let openpgp = profile.openpgp.iter().flat_map(|plan| plan.subkeys());
    let expected: BTreeSet<_> = expected
        .chain(openpgp.map(|(place, _)| place.to_owned()))
        .collect();
    prop_assert_eq!(once, expected.iter().map(|place| &**place).collect());
    prop_assert!(token.entry.is_some());
    Ok(())
}

/// A task is open only where it can come to an end.
fn invariant_tasks_fit_the_phase(token: &Token) -> Result<(), TestCaseError> {
    let provision = token
        .task
        .as_ref()
        .is_some_and(|open| open.filed.kind == TaskKind::Provision);
    prop_assert_eq!(provision, token.phase == Phase::Provisioning);
    if matches!(
        token.phase,
        Phase::Seen | Phase::Lost | Phase::Retired | Phase::Destroyed
    ) {
        prop_assert!(token.task.is_none());
    }
    Ok(())
}

/// Every entry that was ever named is either a way in or to be erased, and is known until its erasure is recorded.
fn invariant_no_secret_is_orphaned(world: &World) -> Result<(), TestCaseError> {
    let token = world.token();
    let mut named = BTreeSet::new();
    for written in &world.written {
        match &written.sealed.record.event {
            Event::Token(token::Event::SecretsEscrowed(s)) => drop(named.insert(&*s.entry)),
            Event::Token(token::Event::SecretsErased(e)) => {
                named.retain(|entry| e.entries.iter().all(|gone| &**gone != *entry));
            }
            _ => {}
        }
    }
    for entry in &named {
        prop_assert!(token.names(entry), "{entry} is an orphan");
    }
    let opens: BTreeSet<_> = token.ways_in().map(|e| &**e).collect();
    let over: BTreeSet<_> = token.superseded_entries.iter().map(|e| &**e).collect();
    prop_assert!(opens.is_disjoint(&over));
    let all = token.ways_in().chain(&token.superseded_entries).count();
    prop_assert_eq!(opens.len() + over.len(), all, "an entry is listed once");
    Ok(())
}

/// A command's own history stands first, its events one behind the other: where its retry looks for them.
fn invariant_own_events_stand_first(records: &[Record]) -> Result<(), TestCaseError> {
    let Some(first) = records.first() else {
        return Ok(());
    };
    let own = |record: &&Record| record.history == first.history;
    let leading = records.iter().take_while(own).count();
    prop_assert_eq!(leading, records.iter().filter(own).count());
    prop_assert!(records.len() <= keyledger_domain::ledger::MAX_EVENTS);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 192,
        failure_persistence: None, // the least failing history is printed; it becomes a spec
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_token_and_its_keys_share_their_fate(steps in steps()) {
        let mut world = beginning();
        for step in &steps {
            let before = world.ledger.clone();
            match world.run(step) {
                Ok(records) if !matches!(step, Step::Tick) => {
                    invariant_own_events_stand_first(&records)?;
                }
                Ok(_) => {}
                Err(_) => prop_assert_eq!(&world.ledger, &before),
            }
            let token = world.token();
            invariant_active_keys_are_on_a_token(&world.ledger)?;
            invariant_no_key_is_forgotten(&world.ledger)?;
            invariant_provisioned_is_whole(token)?;
            invariant_tasks_fit_the_phase(token)?;
            invariant_no_secret_is_orphaned(&world)?;
        }
    }

    #[test]
    fn what_is_erased_is_never_a_way_in(steps in steps()) {
        let mut world = beginning();
        for step in &steps {
            let _ = world.run(step);
            let entries = world.token().superseded_entries.clone();
            let opens: Vec<_> = world.token().ways_in().cloned().collect();
            world.run(&Step::Outcome(Outcome::SecretsErased {
                token: name(&SERIAL.to_string()),
                entries,
            })).unwrap();
            prop_assert!(world.token().superseded_entries.is_empty());
            prop_assert_eq!(world.token().ways_in().cloned().collect::<Vec<_>>(), opens);
            invariant_no_secret_is_orphaned(&world)?;
        }
    }

    #[test]
    fn replaying_and_reading_back_a_snapshot_give_the_very_same_tokens(steps in steps()) {
        let world = done(&steps);
        let mut replayed = Ledger::new();
        for (sequence, written) in (1..).zip(&world.written) {
            let record = Record::read(&written.sealed.bytes).unwrap();
            prop_assert_eq!(&record.to_bytes(), &written.sealed.bytes);
            replayed.apply(&record, EventCid::of(&written.sealed.bytes), sequence).unwrap();
        }
        prop_assert_eq!(&replayed, &world.ledger);
        let bytes = postcard::to_stdvec(&world.ledger).unwrap();
        prop_assert_eq!(postcard::from_bytes::<Ledger>(&bytes).unwrap(), world.ledger);
    }

    #[test]
    fn evolve_takes_any_event_of_a_token_in_any_state(steps in steps()) {
        let world = done(&steps);
        let mut states = vec![world.token().clone()];
        for written in &world.written {
            let record = &written.sealed.record;
            let Event::Token(event) = &record.event else { continue };
            states.extend(Token::create(event, record.occurred_at));
            for token in &mut states {
                token.evolve(event, record.occurred_at);
                let mut other = world.token().clone();
                other.evolve(event, record.occurred_at);
            }
        }
    }

    #[test]
    fn the_dates_of_keys_on_tokens_follow_each_other(steps in steps()) {
        for (name, entry) in done(&steps).ledger.keys() {
            let key = &entry.state;
            let dates = [Some(key.created_at), key.activated_at, key.deactivated_at, key.destroyed_at];
            let dates: Vec<_> = dates.into_iter().flatten().collect();
            prop_assert!(dates.is_sorted(), "{name}: {dates:?}");
        }
    }
}
