//! Every reason for which something is refused, each reached and each in the table once.

use keyledger_domain::{
    Aggregate, Command, Name, Rejection, ledger::Claimed, name::HistoryId, signed::check_age,
    token::Step as Stage,
};
use serde_json::json;

use crate::support::{
    Say, World, active, agent, generate, given, issue, key, key_pair, name, offboard, person,
    please, say, token,
};

/// An nkey's seed that the documents of NATS show.
const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

/// What the domain refuses by itself.
fn reached() -> Vec<Rejection> {
    let steps = [active("k"), generate("p"), person("ann"), offboard("ann")];
    let mut world = given(steps.into_iter().chain([agent("desk"), say(Say::Announce)])).world();
    let mut no = |step| world.run(&step).unwrap_err();
    let mut reached = vec![
        no(key("activate", "k", json!({ "reson": "typo" }))),
        no(key(
            "activate",
            "k",
            json!({ "reason": "x".repeat(70_000) }),
        )),
        no(key("frobnicate", "k", json!({}))),
        no(please("activate", "nowhere")),
        no(generate("k")),
        no(please("destroy", "k")),
        no(key(
            "generate",
            "x",
            json!({ "algorithm": "aes-256", "purposes": ["sign"] }),
        )),
        no(key(
            "generate",
            "x",
            json!({ "algorithm": "aes-256", "protect_stop_at": "2020-01-01T00:00:00Z" }),
        )),
        no(key("schedule", "k", json!({ "rotation_period_days": 0 }))),
        no(key(
            "register",
            "x",
            json!({ "algorithm": "ed25519", "public_key": "?" }),
        )),
        no(key(
            "register",
            "x",
            json!({ "algorithm": "ed25519", "public_key": SEED }),
        )),
        no(please("destroy", "ledger-signing")),
        no(key("describe", "k", json!({ "owner": "ann" }))),
        no(key("describe", "k", json!({}))),
        no(issue(
            "x",
            "staff",
            json!({ "role": "service", "keys": vec!["k"; 65] }),
        )),
    ];
    reached.push(Rejection::Nothing {
        of: HistoryId::new(Aggregate::Principal, name("ann")),
        what: "OpenPGP certificate",
        remedy: "publish one",
    });
    // Specs of its own fill a list.
    reached.push(Rejection::RevocationsFull {
        account: name("staff"),
        entries: 10_000,
        first_end: None,
        in_the_way: vec![name("root")],
        rest: 0,
    });
    // A token's states are refused for the same reason as a key's.
    reached.push(no(token("lose", json!({}))));
    reached.push(no(say(Say::Begin(Stage::Taken))));
    reached.push(nothing_made());
    reached.push(Rejection::BadName {
        fault: Name::new("Not A Name").unwrap_err().to_string(),
    });
    let stranger = key_pair(nkeys::KeyPairType::User, 99).public_key();
    let claimed = Claimed {
        account: &stranger,
        user: &stranger,
        issuer: &stranger,
    };
    reached.push(
        world
            .ledger
            .reader()
            .identify(claimed, world.now)
            .unwrap_err(),
    );
    reached.push(check_age(uuid::Uuid::nil(), world.now).unwrap_err());
    reached
}

fn nothing_made() -> Rejection {
    let world = World::organisation();
    let (command, _) =
        Command::parse(Aggregate::Key, "generate", br#"{"algorithm":"ed25519"}"#).unwrap();
    let target = HistoryId::new(Aggregate::Key, name("x"));
    let decided = world
        .ledger
        .decide(&target, &command.bare(), world.now)
        .result;
    decided.unwrap_err()
}

/// What only the shell around the domain can see: headers, stamps, retries.
const EDGE: [&str; 4] = [
    "bad_header",
    "unidentified",
    "message_id_reused",
    "token_signature_required",
];

#[test]
fn every_reason_stands_in_the_table_once() {
    let mut reasons: Vec<_> = Rejection::TABLE.iter().map(|row| row.0).collect();
    reasons.sort_unstable();
    let count = reasons.len();
    reasons.dedup();
    assert_eq!(reasons.len(), count);
    for (reason, code, what_to_do) in Rejection::TABLE {
        assert!((400..500).contains(code), "{reason}");
        assert!(!what_to_do.is_empty(), "{reason}");
    }
}

#[test]
fn every_reason_is_reached() {
    let mut found: Vec<_> = reached()
        .iter()
        .map(Rejection::reason)
        .chain(EDGE)
        .collect();
    let mut table: Vec<_> = Rejection::TABLE.iter().map(|row| row.0).collect();
    found.sort_unstable();
    found.dedup();
    table.sort_unstable();
    assert_eq!(found, table);
}

#[test]
fn every_code_is_the_tables() {
    for no in reached() {
        let row = Rejection::TABLE.iter().find(|row| row.0 == no.reason());
        assert_eq!(Some(no.code()), row.map(|r| r.1), "{no}");
    }
}

#[test]
fn a_malformed_payload_names_the_field() {
    for (json, field) in [
        (json!({ "algorithm": "rot13" }), "algorithm"),
        (
            json!({ "algorithm": "ed25519", "purpose": "sign" }),
            "purpose",
        ),
        (
            json!({ "algorithm": "ed25519", "labels": { "Env": "x" } }),
            "labels.Env",
        ),
        (
            json!({ "algorithm": "ed25519", "purposes": ["sign", 7] }),
            "purposes[1]",
        ),
        (
            json!({ "algorithm": "ed25519", "activation_at": "tomorrow" }),
            "activation_at",
        ),
        (
            json!({ "algorithm": "ed25519", "title": "a\u{1b}[31m" }),
            "title",
        ),
        (json!({}), "payload"),
        (json!([1]), "payload"),
    ] {
        let no = given([])
            .world()
            .run(&key("generate", "k", json.clone()))
            .unwrap_err();
        let Rejection::Malformed { field: found, .. } = &no else {
            panic!("{json}: {no}")
        };
        assert_eq!(found, field, "{json}: {no}");
    }
}

#[test]
fn a_required_reason_is_asked_for() {
    given([active("k")])
        .when(key("suspend", "k", json!({})))
        .then_rejected("malformed", "reason");
    given([active("k")])
        .when(key("suspend", "k", json!({ "reason": "  " })))
        .then_rejected("malformed", "visible character");
}

#[test]
fn an_empty_payload_is_an_empty_object() {
    for payload in ["", " \n"] {
        assert!(Command::parse(Aggregate::Key, "activate", payload.as_bytes()).is_ok());
    }
    assert!(Command::parse(Aggregate::Key, "activate", b"{} {}").is_err());
}
