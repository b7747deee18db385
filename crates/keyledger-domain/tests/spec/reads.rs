//! What a decision looked at was noted: nothing else can change it.
//!
//! Every command, report and outcome of a corpus is decided in a ledger, and again in each ledger in which one thing more has happened:
//! each accepted one of them, whole, and of those that write to several histories each history's part alone. Where the decision is another
//! one then, what happened must touch what was noted.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64;
use keyledger_domain::{
    Aggregate, Command, Decision, Event, Ledger, Prepared, Rejection, VerifiedBy, account,
    key::{self, Custodian},
    ledger::{Group, Outcome, Reads, Recorded, UNCLAIMED_TOKENS},
    name::HistoryId,
    record::Why,
    token::{FailureCode, Step as Stage},
};
use nkeys::KeyPairType;
use serde_json::{Value, json};

use crate::support::{
    BEGINNING, SERIAL, Say, Step, Told, World, active, agent, assigned, authority, command,
    create_account, curve_key, decision, forged, generate, given, history, install, issue, key,
    key_pair, name, offboard, person, please, provision, provisioned, revoke, revoke_user, say,
    spki, stamp, then, token, token_of, under_way, upgrade_account, walked,
};

/// Something to decide, with what was made for it.
enum Ask {
    Command(HistoryId, Box<Prepared>),
    Outcome(Outcome),
}

type Decided = Result<Decision, Rejection>;

impl Ask {
    /// What a step asks for in this world; nothing for steps that only let time pass.
    fn of(world: &World, step: &Step) -> Option<Self> {
        let mut world = world.clone();
        match step {
            Step::Command { target, verb, json } => {
                let payload = json.to_string();
                let parsed = Command::parse(target.aggregate, verb, payload.as_bytes());
                let (command, _) = parsed.unwrap_or_else(|no| panic!("{step:?}: {no}"));
                let prepared = world.prepared(target, command);
                Some(Self::Command(target.clone(), Box::new(prepared)))
            }
            Step::Told(told) => {
                let target = history(Aggregate::Token, &told.serial.to_string());
                let (mut reported, mut found) =
                    world.honest(told.serial, told.workstation, &told.say);
                (told.forge)(&mut reported, &mut found);
                let prepared = Prepared::Report(Box::new(reported), Some(Box::new(found)));
                Some(Self::Command(target, Box::new(prepared)))
            }
            Step::Outcome(outcome) => Some(Self::Outcome(outcome.clone())),
            Step::Later(_) | Step::Tick => None,
        }
    }

    fn decide(&self, ledger: &Ledger, world: &World) -> Recorded<Decided> {
        match self {
            Self::Command(target, prepared) => ledger.decide(target, prepared, world.now),
            Self::Outcome(outcome) => {
                let Recorded { result, reads } = ledger.decide_outcome(outcome, world.now);
                let result = Ok(result);
                Recorded { result, reads }
            }
        }
    }

    /// The history that it is for: that it looks at that one goes without saying.
    fn target(&self) -> Option<&HistoryId> {
        match self {
            Self::Command(target, _) => Some(target),
            Self::Outcome(_) => None,
        }
    }
}

/// A ledger in which one thing more has happened.
struct Changed {
    by: String,
    ledger: Ledger,
    events: Vec<(HistoryId, Event)>,
}

impl Changed {
    fn new(world: &World, by: String, events: Vec<(HistoryId, Event)>) -> Self {
        let mut world = world.clone();
        let decision = decision(events.clone());
        world.write(decision, &stamp(VerifiedBy::RequestInfo), &Why::default());
        let ledger = world.ledger;
        Self { by, ledger, events }
    }

    fn writes_to(&self, history: &HistoryId) -> bool {
        self.events.iter().any(|(written, _)| written == history)
    }
}

/// What an event of several histories would be if it were of one: each part alone, where a part can stand alone.
fn parts(world: &World, step: &Step, decided: &Decision) -> Vec<Changed> {
    let mut histories: BTreeMap<&HistoryId, Vec<Event>> = BTreeMap::new();
    for (history, event) in &decided.events {
        histories.entry(history).or_default().push(event.clone());
    }
    let whole = Changed::new(world, format!("{step:?}"), decided.events.clone());
    let alone = histories.len() > 1;
    let parts = histories.into_iter().filter(|_| alone);
    let parts = parts.map(|(history, events)| {
        let events = events.into_iter().map(|event| (history.clone(), event));
        Changed::new(
            world,
            format!("{history}'s part of {step:?}"),
            events.collect(),
        )
    });
    std::iter::once(whole).chain(parts).collect()
}

/// Which groups alone told of a change that changed a decision, and how many decisions were changed.
#[derive(Default)]
struct Decisive {
    groups: BTreeSet<String>,
    changed: usize,
}

/// Holds a corpus of steps in a world against each of the changes that they make, and those that were made by hand.
fn hold(world: &World, steps: &[Step], by_hand: Vec<Changed>, decisive: &mut Decisive) {
    let asks: Vec<(&Step, Ask, Recorded<Decided>)> = steps
        .iter()
        .filter_map(|step| {
            let ask = Ask::of(world, step)?;
            let decided = ask.decide(&world.ledger, world);
            Some((step, ask, decided))
        })
        .collect();
    let mut changes = by_hand;
    for (step, _, decided) in &asks {
        if let Ok(decision) = &decided.result
            && !decision.events.is_empty()
        {
            changes.extend(parts(world, step, decision));
        }
    }
    for (step, ask, before) in &asks {
        for changed in &changes {
            if ask.target().is_some_and(|target| changed.writes_to(target)) {
                continue;
            }
            let after = ask.decide(&changed.ledger, world);
            if after.result == before.result {
                continue;
            }
            decisive.changed += 1;
            let touched = touched(&before.reads, &changed.events);
            assert!(
                !touched.is_empty(),
                "{step:?}\nlooked at {:?},\nand came to {:?};\nafter {}\nit came to {:?}",
                before.reads,
                before.result,
                changed.by,
                after.result
            );
            if let [one] = &*touched {
                decisive.groups.insert(one.clone());
            }
        }
    }
}

/// What of the reads these events touch: "history", or the kind of a group.
fn touched(reads: &Reads, events: &[(HistoryId, Event)]) -> Vec<String> {
    let mut touched = BTreeSet::new();
    for (history, event) in events {
        if reads.histories().any(|read| read == history) {
            touched.insert("history".to_owned());
        }
        for joined in event.joins() {
            if reads.groups().any(|read| *read == joined) {
                touched.insert(kind(&joined));
            }
        }
    }
    let any = events
        .iter()
        .any(|(history, event)| reads.are_touched_by(history, event));
    assert_eq!(any, !touched.is_empty());
    touched.into_iter().collect()
}

fn kind(group: &Group) -> String {
    let text = format!("{group:?}");
    text.split('(').next().unwrap().to_owned()
}

fn principal(verb: &'static str, id: &str, json: Value) -> Step {
    command(Aggregate::Principal, verb, id, json)
}

fn registered(id: &str, n: u64, more: Value) -> Step {
    let mut body = json!({ "algorithm": "ed25519", "public_key": spki(n) });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    key("register", id, body)
}

fn user(id: &str, n: u8, more: Value) -> Step {
    let nkey = key_pair(KeyPairType::User, n).public_key();
    let mut body = json!({ "account": "staff", "nkey": nkey });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    command(Aggregate::User, "issue", id, body)
}

/// Base64 of the curve key that everything is sealed to, as a key of the ledger has it.
fn curve_spki() -> String {
    let bare = nkeys::from_public_key(&curve_key()).unwrap().1;
    let mut der = data_encoding::HEXLOWER
        .decode(b"302a300506032b656e032100")
        .unwrap();
    der.extend(bare);
    BASE64.encode(&der)
}

/// People and units, users of every kind, keys in every state, authorities: one below the other.
fn organisation() -> Vec<Step> {
    let authority = json!({ "algorithm": "p-256", "purposes": ["certify"], "activate": true });
    let unit = json!({ "kind": "unit", "title": "a unit" });
    let mut below = authority.clone();
    below["parent"] = json!("root");
    vec![
        principal("register", "corp", unit),
        principal(
            "register",
            "dept",
            json!({ "kind": "unit", "title": "Dept", "unit": "corp" }),
        ),
        person("ann"),
        principal(
            "register",
            "bob",
            json!({ "kind": "person", "title": "Bob", "unit": "dept", "responsible": "ann" }),
        ),
        principal(
            "register",
            "shop",
            json!({ "kind": "service", "title": "Shop", "responsible": "bob" }),
        ),
        user(
            "anns",
            31,
            json!({ "role": "administrator", "principal": "ann" }),
        ),
        user(
            "bobs",
            32,
            json!({ "role": "service", "principal": "bob", "keys": ["k"] }),
        ),
        agent("desk"),
        agent("till"),
        key(
            "generate",
            "k",
            json!({ "algorithm": "ed25519", "activate": true, "owner": "ann" }),
        ),
        key(
            "generate",
            "below",
            json!({ "algorithm": "ed25519", "owner": "bob", "parent": "k" }),
        ),
        registered("twin", 1, json!({ "activate": true })),
        registered("other-twin", 1, json!({})),
        active("resting"),
        please("suspend", "resting"),
        active("over"),
        please("deactivate", "over"),
        active("gone"),
        please("deactivate", "gone"),
        please("destroy", "gone"),
        key("generate", "root", authority),
        key(
            "certify",
            "root",
            json!({ "subject": "Root", "days": 3_650, "path_length": 1 }),
        ),
        key("generate", "ca", below),
        key(
            "certify",
            "ca",
            json!({ "issuer": "root", "subject": "CA", "days": 1_000, "path_length": 0 }),
        ),
        key(
            "generate",
            "leaf",
            json!({ "algorithm": "p-256", "activate": true, "certify": { "issuer": "ca", "subject": "Leaf", "days": 90 } }),
        ),
        key(
            "generate",
            "old-ca",
            json!({ "algorithm": "p-256", "purposes": ["certify"], "activate": true }),
        ),
        key(
            "certify",
            "old-ca",
            json!({ "subject": "Old", "days": 3_650, "path_length": 0 }),
        ),
        please("deactivate", "old-ca"),
    ]
}

/// Everything that can be asked of what is in [`organisation`], and of what is not there.
fn of_the_organisation() -> Vec<Step> {
    let mut steps = Vec::new();
    for id in [
        "k",
        "below",
        "twin",
        "other-twin",
        "resting",
        "over",
        "gone",
        "root",
        "ca",
        "leaf",
        "old-ca",
        "none",
    ] {
        for verb in [
            "activate",
            "suspend",
            "resume",
            "deactivate",
            "destroy",
            "archive",
            "recover",
        ] {
            steps.push(please(verb, id));
        }
        steps.extend([
            revoke(id, "key_compromise"),
            revoke(id, "superseded"),
            key("rotate", id, json!({})),
            key("rotate", id, json!({ "public_key": spki(2) })),
            key("describe", id, json!({ "owner": "bob" })),
            key("describe", id, json!({ "title": "Renamed" })),
            key("schedule", id, json!({ "rotation_period_days": 30 })),
            key("note", id, json!({ "text": "looked at" })),
            key(
                "certify",
                id,
                json!({ "issuer": "ca", "subject": "it", "days": 30 }),
            ),
            key(
                "certify",
                id,
                json!({ "subject": "it", "days": 30, "path_length": 0 }),
            ),
            install(
                id,
                Some("ca"),
                json!({ "serial": "feed", "authority": false }),
            ),
            key(
                "revoke-certificate",
                id,
                json!({ "serial": "1", "reason": "because", "revocation_reason": "superseded" }),
            ),
            Step::Outcome(Outcome::Due(name(id))),
            Step::Outcome(Outcome::Erased(name(id))),
        ]);
    }
    for id in ["corp", "dept", "ann", "bob", "shop", "none"] {
        steps.extend([
            principal("describe", id, json!({ "unit": "dept" })),
            principal("describe", id, json!({ "responsible": "ann" })),
            principal("describe", id, json!({ "title": "Renamed" })),
            principal("publish", id, json!({ "openpgp": "x" })),
            principal(
                "recover-key",
                id,
                json!({ "reason": "because", "seal_to": curve_key() }),
            ),
            offboard(id),
            principal("offboard", id, json!({ "reason": "left", "to": "ann" })),
            Step::Outcome(Outcome::Offboarded(name(id))),
        ]);
    }
    for id in ["root", "anns", "bobs", "desk", "none"] {
        steps.push(revoke_user(id));
    }
    steps.extend([
        generate("new"),
        key(
            "generate",
            "new",
            json!({ "algorithm": "ed25519", "owner": "bob", "parent": "below" }),
        ),
        key(
            "generate",
            "new",
            json!({ "algorithm": "p-256", "activate": true, "certify": { "issuer": "ca", "subject": "it", "days": 30 } }),
        ),
        registered("new", 1, json!({})),
        registered("new", 2, json!({ "owner": "ann" })),
        registered("newer", 2, json!({})),
        key("register", "lost", json!({ "algorithm": "x25519", "public_key": curve_spki() })),
        install("far", Some("root"), json!({})),
        principal("register", "new", json!({ "kind": "person", "title": "New", "unit": "dept", "responsible": "bob" })),
        principal("register", "unit", json!({ "kind": "unit", "title": "New", "unit": "dept" })),
        create_account("shops"),
        user("new", 41, json!({ "role": "administrator", "principal": "ann" })),
        user("newer", 41, json!({ "role": "service", "principal": "bob" })),
        user("desk-2", 42, json!({ "account": "keys", "role": "agent" })),
        issue("sealed", "staff", json!({ "role": "service" })),
        issue("agent-2", "keys", json!({ "role": "agent" })),
        command(Aggregate::Operator, "describe", "acme", json!({ "title": "Acme & Sons" })),
        command(Aggregate::Operator, "trust", "acme", json!({ "certificates": "x" })),
        Step::Outcome(Outcome::RevocationsExpired(name("staff"))),
        Step::Outcome(Outcome::Renew {
            account: name("staff"),
            above: i64::MAX / 2,
            cause: account::RenewalCause::Lost,
        }),
        Step::Outcome(Outcome::Confirmed {
            account: name("staff"),
            confirmed: account::Confirmed {
                issued_at: i64::MAX / 2,
                servers: vec!["one".into()],
                took_ms: 7,
                confirmed_at: BEGINNING,
            },
            users: vec![(name("bobs"), 7)],
        }),
    ]);
    steps
}

/// Everything that can be asked of tokens, of what they stand on, and of their holders.
fn of_tokens(of: &[u32]) -> Vec<Step> {
    let mut steps = Vec::new();
    for serial in of {
        for (verb, json) in [
            ("enrol", json!({ "title": "a token" })),
            ("assign", json!({ "principal": "bob" })),
            ("transfer", json!({ "principal": "bob" })),
            ("verify", json!({})),
            ("reset", json!({ "workstation": "till" })),
            ("unblock", json!({})),
            ("rotate-secrets", json!({})),
            ("cancel", json!({})),
            ("bind", json!({ "user": "anns" })),
            ("release", json!({ "seal_to": curve_key() })),
            ("lose", json!({})),
            ("find", json!({})),
            ("retire", json!({})),
            ("destroy", json!({})),
        ] {
            steps.push(token_of(*serial, verb, json));
        }
    }
    steps.extend([
        provision("service"),
        provision("person"),
        say(Say::Announce),
        Step::Told(Told {
            serial: SERIAL + 1,
            workstation: "till",
            say: Say::Announce,
            forge: |_, _| {},
        }),
        say(Say::Begin(Stage::Reset)),
        say(Say::Attester),
        say(Say::Seal),
        say(Say::Want),
        say(Say::Escrow),
        say(Say::Make(1, true)),
        forged(Say::Make(1, true), |_, found| found.findings.slots.clear()),
        say(Say::Prove),
        forged(Say::Prove, |_, found| found.findings.slots.clear()),
        say(Say::Fail(FailureCode::PinBlocked)),
        agent("third"),
        revoke_user("desk"),
        revoke_user("till"),
        revoke_user("anns"),
        revoke_user("root"),
        user(
            "more",
            51,
            json!({ "role": "administrator", "principal": "ann" }),
        ),
        offboard("ann"),
        principal("offboard", "ann", json!({ "reason": "left", "to": "bob" })),
        offboard("bob"),
        revoke("ca", "key_compromise"),
        revoke("ca", "superseded"),
        please("deactivate", "ca"),
        Step::Outcome(Outcome::Offboarded(name("ann"))),
        registered("known", 61, json!({ "owner": "ann" })),
        key(
            "register",
            "lost",
            json!({ "algorithm": "x25519", "public_key": curve_spki() }),
        ),
    ]);
    steps.extend(authority("another-ca"));
    steps
}

/// Everything that can be asked of the keys on tokens.
fn of_keys_on_tokens(world: &World) -> Vec<Step> {
    let on_tokens = world.ledger.keys().filter(|(key, entry)| {
        entry.state.custodian == Custodian::Token || world.ledger.is_escrowed(key)
    });
    let mut keys: Vec<&str> = on_tokens.map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    let of_one = |id: &str| {
        [
            please("activate", id),
            please("suspend", id),
            please("resume", id),
            please("deactivate", id),
            revoke(id, "key_compromise"),
            revoke(id, "superseded"),
            key("rotate", id, json!({})),
            key("describe", id, json!({ "owner": "bob" })),
        ]
    };
    keys.into_iter().flat_map(of_one).collect()
}

fn hold_tokens(mut before: Vec<Step>, decisive: &mut Decisive) {
    let [another, _] = authority("another-ca");
    let admin = json!({ "role": "administrator", "principal": "ann" });
    before.extend([user("anns", 50, admin), another]);
    let world = given(before).world();
    let mut steps = of_tokens(&[SERIAL, SERIAL + 1]);
    steps.extend(of_keys_on_tokens(&world));
    hold(&world, &steps, vec![], decisive);
}

fn announced(serial: u32) -> Step {
    Step::Told(Told {
        serial,
        workstation: "desk",
        say: Say::Announce,
        forge: |_, _| {},
    })
}

/// Each kind of group is needed: it alone told of a change that changed a decision. `UsersIn` is looked at only for a revocation list that
/// is nearly full.
#[test]
fn a_decision_changes_only_where_it_was_noted_that_it_looked() {
    let mut decisive = Decisive::default();
    let world = given(organisation()).world();
    hold(&world, &of_the_organisation(), vec![], &mut decisive);
    // A key of custody that was compromised is not sealed to, whatever it is called.
    let x25519 = json!({ "algorithm": "x25519", "public_key": curve_spki() });
    let lost = [
        key("register", "lost", x25519),
        revoke("twin", "key_compromise"),
        revoke_user("root"),
    ];
    let world = given(then(organisation(), lost)).world();
    hold(&world, &of_the_organisation(), vec![], &mut decisive);
    // What another instance wrote before it folded that the authority ends.
    let mut world = given(organisation()).world();
    let certified = world.certified(&name("old-ca"), 30, false);
    let event = Event::Key(key::Event::Certified(certified));
    let late = vec![(history(Aggregate::Key, "leaf"), event)];
    let late = Changed::new(&world, "a certificate by hand".to_owned(), late);
    hold(&world, &of_the_organisation(), vec![late], &mut decisive);
    // An agent that has announced nearly as many tokens as it may.
    let many = (1..UNCLAIMED_TOKENS).map(|n| announced(1_000 + u32::try_from(n).unwrap()));
    let world = given(then(vec![agent("desk")], many)).world();
    let more = [announced(SERIAL), announced(SERIAL + 1)];
    hold(&world, &more, vec![], &mut decisive);
    // An upgrade looks at the accounts from which the account imports.
    let world = World::organisation_made_before();
    let accounts = ["sys", "views", "keys", "agents", "staff"];
    let upgrades = accounts.map(|account| upgrade_account(account, 2));
    hold(&world, &upgrades, vec![], &mut decisive);
    // Before the agent has begun, in the middle, at the end, and after it.
    let middle = then(under_way(), walked(1));
    let person = provisioned("person");
    let lost = then(provisioned("service"), [token("lose", json!({}))]);
    let suspect = then(lost.clone(), [token("find", json!({}))]);
    for before in [assigned(), under_way(), middle, person, lost, suspect] {
        hold_tokens(before, &mut decisive);
    }
    assert!(decisive.changed > 1_000, "{}", decisive.changed);
    let kinds = [
        "Administrators",
        "AnsweredBy",
        "Authorities",
        "Bearers",
        "Certificate",
        "CertifiedBy",
        "OwnedBy",
        "SeenAt",
        "TasksOf",
        "TokensOf",
        "UsersOf",
        "history",
    ];
    assert_eq!(decisive.groups, kinds.map(str::to_owned).into());
}

/// What is looked at besides the history that a command is for.
#[test]
fn most_commands_look_at_nothing_else() {
    let enrolled = then(
        organisation(),
        [say(Say::Announce), token("enrol", json!({}))],
    );
    let world = given(enrolled).world();
    let looked_at = |step: Step| {
        let ask = Ask::of(&world, &step).unwrap();
        let Recorded { result, reads } = ask.decide(&world.ledger, &world);
        assert!(result.is_ok(), "{step:?}: {result:?}");
        let histories = reads.histories().filter(|read| ask.target() != Some(read));
        let histories = histories.map(ToString::to_string);
        let looked: Vec<_> = histories.chain(reads.groups().map(kind)).collect();
        looked.join(", ")
    };
    for (step, expected) in [
        (generate("new"), ""),
        (please("activate", "below"), ""),
        (please("suspend", "k"), ""),
        (please("resume", "resting"), ""),
        (please("deactivate", "k"), ""),
        (please("archive", "over"), ""),
        (please("destroy", "over"), ""),
        (please("destroy", "old-ca"), "CertifiedBy"),
        (revoke("k", "superseded"), ""),
        (revoke("twin", "key_compromise"), "key other-twin, Bearers"),
        (key("rotate", "k", json!({})), ""),
        (
            key("rotate", "twin", json!({ "public_key": spki(2) })),
            "Bearers",
        ),
        (key("describe", "k", json!({ "title": "Renamed" })), ""),
        (
            key("describe", "k", json!({ "owner": "bob" })),
            "principal bob",
        ),
        (
            key(
                "certify",
                "leaf",
                json!({ "issuer": "ca", "subject": "it", "days": 30 }),
            ),
            "key ca, key root, Certificate",
        ),
        (principal("describe", "ann", json!({ "title": "Ann" })), ""),
        (
            principal("describe", "ann", json!({ "unit": "dept" })),
            "principal corp, principal dept",
        ),
        (
            user("new", 41, json!({ "role": "service", "principal": "bob" })),
            "principal bob, account staff, Bearers",
        ),
        (revoke_user("bobs"), "account staff"),
        (
            revoke_user("anns"),
            "account staff, user root, Administrators",
        ),
        (
            token("assign", json!({ "principal": "bob" })),
            "principal bob",
        ),
        (token("bind", json!({ "user": "bobs" })), "user bobs"),
        (say(Say::Announce), "user desk"),
    ] {
        assert_eq!(looked_at(step.clone()), expected, "{step:?}");
    }
}
