//! Every state against every command: the whole table of NIST SP 800-57 part 1 §7 with KMIP's destroyed-compromised.

use keyledger_domain::key::{Command, State};
use serde_json::json;

use crate::support::{
    Step, active, authority, far_authority, generate, given, install, key, please, revoke, spki,
};

/// What brings a key with a certificate into a state.
fn life(state: State) -> Vec<Step> {
    let certificate = json!({ "serial": "1d", "authority": false });
    let mut life = life_without_certificate(state);
    life.insert(1, install("k", Some("far-ca"), certificate));
    life
}

fn life_without_certificate(state: State) -> Vec<Step> {
    match state {
        State::PreActive => vec![generate("k")],
        State::Active => vec![active("k")],
        State::Suspended => vec![active("k"), please("suspend", "k")],
        State::Deactivated => vec![active("k"), please("deactivate", "k")],
        State::Compromised => vec![active("k"), revoke("k", "key_compromise")],
        State::Destroyed => vec![generate("k"), please("destroy", "k")],
        State::DestroyedCompromised => {
            vec![
                active("k"),
                revoke("k", "key_compromise"),
                please("destroy", "k"),
            ]
        }
    }
}

/// An authority in custody, and one elsewhere.
fn authorities() -> impl Iterator<Item = Step> {
    authority("ca").into_iter().chain(far_authority("far-ca"))
}

/// The commands, each with the body it needs.
fn commands() -> Vec<(&'static str, Step)> {
    let ed25519 = json!({ "algorithm": "ed25519" });
    let public = json!({ "algorithm": "ed25519", "public_key": spki(1) });
    let later = json!({ "rotation_period_days": 30, "reason": "r" });
    let certify = json!({ "issuer": "ca", "subject": "Orders", "days": 30 });
    let mut commands = vec![
        ("generate", key("generate", "k", ed25519)),
        ("register", key("register", "k", public)),
        (
            "describe",
            key("describe", "k", json!({ "title": "Orders" })),
        ),
        ("schedule", key("schedule", "k", later)),
        ("note", key("note", "k", json!({ "text": "looked at" }))),
        ("certify", key("certify", "k", certify)),
        (
            "install",
            install("k", Some("far-ca"), json!({ "authority": false })),
        ),
        (
            "revoke-certificate",
            key(
                "revoke-certificate",
                "k",
                json!({ "serial": "1d", "revocation_reason": "superseded", "reason": "r" }),
            ),
        ),
        ("revoke (compromise)", revoke("k", "key_compromise")),
        ("revoke (other)", revoke("k", "superseded")),
    ];
    for verb in [
        "activate",
        "suspend",
        "resume",
        "deactivate",
        "rotate",
        "destroy",
        "archive",
        "recover",
    ] {
        commands.push((verb, please(verb, "k")));
    }
    commands
}

/// In the order of [`State::ALL`]: the state it leads to, `=` if there is nothing to do, `-` if it is not allowed.
const TABLE: [(&str, [&str; 7]); 18] = [
    ("generate", ["taken"; 7]),
    ("register", ["taken"; 7]),
    ("activate", ["active", "=", "-", "-", "-", "-", "-"]),
    ("suspend", ["-", "suspended", "=", "-", "-", "-", "-"]),
    ("resume", ["-", "=", "active", "-", "-", "-", "-"]),
    (
        "deactivate",
        ["-", "deactivated", "deactivated", "=", "-", "-", "-"],
    ),
    (
        "revoke (compromise)",
        [
            "compromised",
            "compromised",
            "compromised",
            "compromised",
            "=",
            "destroyed-compromised",
            "=",
        ],
    ),
    (
        "revoke (other)",
        ["-", "deactivated", "deactivated", "-", "-", "-", "-"],
    ),
    ("rotate", ["-", "active", "-", "-", "-", "-", "-"]),
    (
        "destroy",
        [
            "destroyed",
            "-",
            "-",
            "destroyed",
            "destroyed-compromised",
            "=",
            "=",
        ],
    ),
    (
        "archive",
        ["-", "-", "-", "deactivated", "compromised", "-", "-"],
    ),
    ("recover", ["-", "-", "-", "=", "=", "-", "-"]),
    (
        "describe",
        [
            "pre-active",
            "active",
            "suspended",
            "deactivated",
            "compromised",
            "destroyed",
            "destroyed-compromised",
        ],
    ),
    ("certify", ["pre-active", "active", "-", "-", "-", "-", "-"]),
    ("install", ["pre-active", "active", "-", "-", "-", "-", "-"]),
    (
        "revoke-certificate",
        [
            "pre-active",
            "active",
            "suspended",
            "deactivated",
            "-",
            "destroyed",
            "-",
        ],
    ),
    (
        "schedule",
        ["pre-active", "active", "suspended", "-", "-", "-", "-"],
    ),
    (
        "note",
        [
            "pre-active",
            "active",
            "suspended",
            "deactivated",
            "compromised",
            "destroyed",
            "destroyed-compromised",
        ],
    ),
];

#[test]
fn in_each_state_each_command_does_what_the_standards_say() {
    let commands = commands();
    for (verb, row) in TABLE {
        let (_, step) = commands.iter().find(|(name, _)| *name == verb).unwrap();
        for (state, expected) in State::ALL.into_iter().zip(row) {
            let mut world = given(authorities().chain(life(state))).world();
            assert_eq!(world.state("k"), state);
            let found = match world.run(step) {
                Ok(written) if written.is_empty() => "=",
                Ok(_) => world.state("k").as_str(),
                Err(no) if no.reason() == "not_allowed" => "-",
                Err(no) if no.reason() == "name_taken" => "taken",
                Err(no) => panic!("{verb} of a key that is {state}: {no}"),
            };
            assert_eq!(found, expected, "{verb} of a key that is {state}");
        }
    }
}

#[test]
fn the_table_has_every_command() {
    for verb in Command::VERBS {
        let name = |row: &(&str, _)| row.0.split(' ').next() == Some(verb.verb);
        assert!(TABLE.iter().any(name), "{}", verb.verb);
    }
}

#[test]
fn nothing_but_creation_can_be_asked_of_a_key_that_is_not_there() {
    for (verb, step) in commands() {
        let then = given([]).when(step);
        if !matches!(verb, "generate" | "register") {
            then.then_rejected("not_found", "there is no key k");
        }
    }
}
