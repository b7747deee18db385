//! Every phase of a token against every command.

use keyledger_domain::token::{Command, Phase};
use serde_json::json;

use crate::support::{
    Say, Step, World, assigned, curve_key, given, issue, provision, provisioned, say, surroundings,
    token, walked,
};

fn life(phase: Phase) -> Vec<Step> {
    let but = |mut steps: Vec<Step>, verbs: &[&'static str]| {
        steps.extend(verbs.iter().map(|verb| token(verb, json!({}))));
        steps
    };
    match phase {
        Phase::Seen => [surroundings(), vec![say(Say::Announce)]].concat(),
        Phase::Enrolled => assigned(),
        Phase::Provisioning => [assigned(), vec![provision("service")], walked(1)].concat(),
        Phase::Provisioned => provisioned("service"),
        Phase::Quarantined => but(provisioned("service"), &["lose", "find"]),
        Phase::Lost => but(provisioned("service"), &["lose"]),
        Phase::Retired => but(provisioned("service"), &["lose", "retire"]),
        Phase::Destroyed => but(provisioned("service"), &["lose", "destroy"]),
    }
}

/// In the order of [`Phase::ALL`]: the phase it leads to, `=` if there is nothing to do, `-` if it is not allowed, `taken`
/// if the name is.
const TABLE: [(&str, [&str; 8]); 15] = [
    (
        "enrol",
        [
            "enrolled", "taken", "taken", "taken", "taken", "taken", "taken", "taken",
        ],
    ),
    ("assign", ["-", "=", "-", "-", "-", "-", "-", "-"]),
    (
        "provision",
        [
            "-",
            "provisioning",
            "-",
            "provisioning",
            "provisioning",
            "-",
            "-",
            "-",
        ],
    ),
    ("verify", ["-", "-", "-", "provisioned", "-", "-", "-", "-"]),
    (
        "reset",
        [
            "-",
            "enrolled",
            "-",
            "provisioned",
            "quarantined",
            "-",
            "-",
            "-",
        ],
    ),
    (
        "unblock",
        ["-", "-", "-", "provisioned", "-", "-", "-", "-"],
    ),
    (
        "rotate-secrets",
        ["-", "-", "-", "provisioned", "-", "-", "-", "-"],
    ),
    ("cancel", ["-", "-", "quarantined", "-", "-", "-", "-", "-"]),
    ("transfer", ["-", "enrolled", "-", "-", "-", "-", "-", "-"]),
    (
        "bind",
        [
            "-",
            "enrolled",
            "provisioning",
            "provisioned",
            "quarantined",
            "-",
            "-",
            "-",
        ],
    ),
    (
        "release",
        [
            "-",
            "-",
            "-",
            "provisioned",
            "quarantined",
            "lost",
            "retired",
            "-",
        ],
    ),
    ("lose", ["-", "lost", "lost", "lost", "lost", "=", "-", "-"]),
    ("find", ["-", "-", "-", "-", "-", "quarantined", "-", "-"]),
    (
        "retire",
        ["-", "retired", "-", "-", "-", "retired", "=", "-"],
    ),
    (
        "destroy",
        ["-", "-", "-", "-", "-", "destroyed", "destroyed", "="],
    ),
];

fn command(verb: &'static str) -> Step {
    match verb {
        "provision" => provision("service"),
        "assign" => token(verb, json!({ "principal": "ann" })),
        "transfer" => token(verb, json!({ "principal": "bob" })),
        "bind" => token(verb, json!({ "user": "ann-ssh" })),
        "reset" => token(verb, json!({ "workstation": "desk" })),
        "release" => token(verb, json!({ "seal_to": curve_key() })),
        _ => token(verb, json!({})),
    }
}

#[test]
fn in_each_phase_each_command_does_what_the_table_says() {
    let worlds: Vec<World> = Phase::ALL
        .into_iter()
        .map(|phase| {
            let user = issue("ann-ssh", "staff", json!({ "role": "service" }));
            let world = given([life(phase), vec![user]].concat()).world();
            assert_eq!(world.token().phase, phase);
            world
        })
        .collect();
    for (verb, row) in TABLE {
        for (before, expected) in worlds.iter().zip(row) {
            let mut world = before.clone();
            let found = match world.run(&command(verb)) {
                Ok(written) if written.is_empty() => "=",
                Ok(_) => world.token().phase.as_str(),
                Err(no) if no.reason() == "not_allowed" => "-",
                Err(no) if no.reason() == "name_taken" => "taken",
                Err(no) => panic!("{verb} of a token that is {}: {no}", before.token().phase),
            };
            assert_eq!(
                found,
                expected,
                "{verb} of a token that is {}",
                before.token().phase
            );
        }
    }
}

#[test]
fn the_table_has_every_command() {
    let verbs: Vec<_> = Command::VERBS.iter().map(|verb| verb.verb).collect();
    assert_eq!(TABLE.map(|row| row.0).to_vec(), verbs);
}

#[test]
fn nothing_but_enrolment_can_be_asked_of_a_token_that_is_not_there() {
    for (verb, _) in TABLE.into_iter().skip(1) {
        let user = issue("ann-ssh", "staff", json!({ "role": "service" }));
        given([surroundings(), vec![user]].concat())
            .when(command(verb))
            .then_rejected("not_found", "there is no token 12345678");
    }
}

#[test]
fn every_command_writes_what_its_retry_is_known_by() {
    for verb in Command::VERBS.iter().map(|verb| verb.verb) {
        let written = Phase::ALL.into_iter().find_map(|phase| {
            let user = issue("ann-ssh", "staff", json!({ "role": "service" }));
            let mut world = given([life(phase), vec![user]].concat()).world();
            let step = match verb {
                "assign" => token("assign", json!({ "principal": "ann" })),
                _ => command(verb),
            };
            world.run(&step).ok().filter(|written| !written.is_empty())
        });
        let Some(written) = written else {
            assert_eq!(verb, "assign", "an assigned token is transferred");
            continue;
        };
        let Step::Command { target, json, .. } = command(verb) else {
            panic!("it is a command")
        };
        let payload = json.to_string();
        let parsed = keyledger_domain::Command::parse(target.aggregate, verb, payload.as_bytes());
        let (parsed, sender) = (parsed.unwrap().0, &written[0].principal);
        let past = written[0].event.past();
        assert!(
            parsed.is_retry_of(&written[0], sender),
            "{verb} wrote {past}"
        );
        assert_eq!(
            written[0].history, target,
            "{verb}: its own history stands first"
        );
    }
}
