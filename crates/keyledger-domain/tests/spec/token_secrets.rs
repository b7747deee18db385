//! The secrets of a token: what opens it is known at any time, and what opens it no more can be erased.

use keyledger_domain::{
    ledger::Outcome,
    token::{FailureCode, Phase, Report, Step as Stage},
};
use serde_json::json;

use crate::support::{
    SERIAL, Say, Step, Told, World, assigned, curve_key, forged, given, name, provision,
    provisioned, say, token,
};

fn world(more: impl IntoIterator<Item = Step>) -> World {
    given(provisioned("service").into_iter().chain(more)).world()
}

fn entry(world: &World) -> String {
    world.token().entry.as_ref().unwrap().to_string()
}

/// Every entry that was ever written, in order.
fn escrowed(world: &World) -> Vec<String> {
    let of = |record: keyledger_domain::Record| match record.event {
        keyledger_domain::Event::Token(keyledger_domain::token::Event::SecretsEscrowed(s)) => {
            Some(s.entry.to_string())
        }
        _ => None,
    };
    world
        .records()
        .into_iter()
        .filter_map(|(r, ..)| of(r))
        .collect()
}

fn task(verb: &'static str) -> Step {
    token(verb, json!({}))
}

#[test]
fn a_provision_without_secrets_in_custody_is_none() {
    let steps = [provision("service"), say(Say::Make(1, false))];
    given(assigned().into_iter().chain(steps))
        .when(say(Say::Prove))
        .then_rejected("bad_value", "report `secrets_sealed` first");
    given(
        provisioned("service")
            .into_iter()
            .chain([task("rotate-secrets")]),
    )
    .when(say(Say::Prove))
    .then_rejected("bad_value", "report `secrets_sealed` first");
}

#[test]
fn only_a_task_that_sets_secrets_seals_them() {
    for verb in ["verify", "unblock", "reset"] {
        given(provisioned("service").into_iter().chain([task(verb)]))
            .when(say(Say::Seal))
            .then_rejected("unauthorised", "sets no secrets");
    }
    given(
        provisioned("service")
            .into_iter()
            .chain([task("rotate-secrets")]),
    )
    .when(forged(Say::Seal, |_, found| found.entry = None))
    .then_rejected("bad_value", "not taken into custody");
}

#[test]
fn only_a_task_that_needs_secrets_is_given_them() {
    for verb in ["unblock", "rotate-secrets"] {
        given(provisioned("service").into_iter().chain([task(verb)]))
            .when(say(Say::Want))
            .then(["token 12345678 secrets_released"]);
    }
    given(provisioned("service").into_iter().chain([task("reset")]))
        .when(say(Say::Want))
        .then_rejected("unauthorised", "given no secrets");
}

/// How much of them that is, the service decides; here it is only whether.
#[test]
fn a_verification_is_given_secrets_at_home_and_goes_without_elsewhere() {
    given(provisioned("service").into_iter().chain([task("verify")]))
        .when(say(Say::Want))
        .then(["token 12345678 secrets_released"]);
    let elsewhere = token("verify", json!({ "workstation": "till" }));
    let wants = Step::Told(Told {
        serial: SERIAL,
        workstation: "till",
        say: Say::Want,
        forge: |_, _| {},
    });
    given(provisioned("service").into_iter().chain([elsewhere]))
        .when(wants)
        .then_nothing();
}

#[test]
fn only_a_task_that_makes_keys_reports_them() {
    for verb in ["verify", "unblock", "rotate-secrets", "reset"] {
        given(provisioned("service").into_iter().chain([task(verb)]))
            .when(say(Say::Make(2, false)))
            .then_rejected("unauthorised", "makes no keys")
            .and_state("12345678-9a-1", "active");
    }
}

#[test]
fn secrets_are_sealed_to_public_keys_only() {
    given(provisioned("service"))
        .when(token("release", json!({ "seal_to": curve_key() })))
        .then(["token 12345678 secrets_released"]);
    given(provisioned("service"))
        .when(token("release", json!({ "seal_to": "me" })))
        .then_rejected("bad_value", "a public curve key");
    given(provisioned("service"))
        .when(token("release", json!({ "seal_to": "SXAAAA" })))
        .then_rejected("compromised", "that is the SEED of an nkey");
    given(assigned())
        .when(token("release", json!({ "seal_to": curve_key() })))
        .then_rejected("not_allowed", "no secrets of it are in custody");
    given(provisioned("service").into_iter().chain([task("unblock")]))
        .when(forged(Say::Want, |reported, _| {
            let Report::SecretsWanted(wanted) = &mut reported.report else {
                return;
            };
            wanted.seal_to = "SXAAAA".into();
        }))
        .then_rejected("compromised", "that is the SEED of an nkey");
}

#[test]
fn new_secrets_supersede_the_old_ones_once_they_are_proved() {
    let rotated = world([task("rotate-secrets"), say(Say::Seal)]);
    let [old, new] = &escrowed(&rotated)[..] else {
        panic!("two were made")
    };
    assert_eq!(&entry(&rotated), old, "not proved yet");
    assert!(rotated.token().names(new));
    let rotated = world([task("rotate-secrets"), say(Say::Seal), say(Say::Prove)]);
    assert_eq!(&entry(&rotated), new);
    let superseded: Vec<_> = rotated
        .token()
        .superseded_entries
        .iter()
        .map(|e| &**e)
        .collect();
    assert_eq!(superseded, [old.as_str()]);
    assert!(rotated.token().names(old), "until its erasure is recorded");
}

#[test]
fn secrets_that_may_be_set_stay_a_way_in() {
    for end in [
        say(Say::Fail(FailureCode::Held)),
        token("cancel", json!({})),
        token("lose", json!({})),
    ] {
        let ended = world([task("rotate-secrets"), say(Say::Seal), say(Say::Seal), end]);
        let [old, first, second] = &escrowed(&ended)[..] else {
            panic!("three were made")
        };
        let ways: Vec<_> = ended.token().ways_in().map(|e| &**e).collect();
        assert_eq!(ways, [old, second, first]);
        assert!(ended.token().superseded_entries.is_empty());
    }
}

#[test]
fn what_opened_a_token_before_its_reset_opens_it_no_more() {
    let steps = [
        provision("service"),
        say(Say::Begin(Stage::Secrets)),
        say(Say::Seal),
    ];
    let ended = world(steps.into_iter().chain([token("cancel", json!({}))]));
    let [old, new] = &escrowed(&ended)[..] else {
        panic!("two were made")
    };
    assert_eq!(&entry(&ended), new);
    assert_eq!(*ended.token().superseded_entries[0], **old);
    let reset = world([task("reset"), say(Say::Prove)]);
    assert_eq!(reset.token().ways_in().count(), 0);
    assert_eq!(reset.token().superseded_entries.len(), 1);
}

#[test]
fn forged_evidence_loses_no_way_in() {
    let steps = [
        provision("service"),
        say(Say::Begin(Stage::Secrets)),
        say(Say::Seal),
    ];
    let forged = forged(Say::Prove, |r, _| {
        crate::support::evidence(r).nonce = "b2xk".into()
    });
    let ended = world(steps.into_iter().chain([forged]));
    assert_eq!(ended.token().phase, Phase::Quarantined);
    assert_eq!(ended.token().ways_in().count(), 2);
}

#[test]
fn an_erasure_is_recorded_once_and_only_of_what_is_superseded() {
    let mut world = world([task("rotate-secrets"), say(Say::Seal), say(Say::Prove)]);
    let all = escrowed(&world).iter().map(|e| e.as_str().into()).collect();
    let erased = Step::Outcome(Outcome::SecretsErased {
        token: name("12345678"),
        entries: all,
    });
    assert_eq!(world.run(&erased).unwrap().len(), 1);
    assert!(world.token().superseded_entries.is_empty());
    assert!(world.token().entry.is_some(), "the way in is not erased");
    assert_eq!(world.run(&erased).unwrap().len(), 0);
}

#[test]
fn an_agent_does_not_fill_custody_with_secrets() {
    let seals = (0..16).map(|_| say(Say::Seal));
    let steps = [task("rotate-secrets")].into_iter().chain(seals);
    given(provisioned("service").into_iter().chain(steps))
        .when(say(Say::Seal))
        .then_rejected("limit_reached", "reset it first");
}

#[test]
fn an_agent_does_not_fill_the_ledger_with_what_it_is_given() {
    let wants = (0..16).map(|_| say(Say::Want));
    let release = token("release", json!({ "seal_to": curve_key() }));
    let steps = [task("unblock"), release.clone()].into_iter().chain(wants);
    given(provisioned("service").into_iter().chain(steps))
        .when(say(Say::Want))
        .then_rejected("limit_reached", "cancel the task")
        .given()
        .when(release)
        .then(["token 12345678 secrets_released"])
        .given()
        .when(token("cancel", json!({})))
        .then(["token 12345678 task_cancelled"])
        .given()
        .when(task("unblock"))
        .then(["token 12345678 task_filed"])
        .given()
        .when(say(Say::Want))
        .then(["token 12345678 secrets_released"]);
    let asks = (0..16).map(|_| say(Say::Escrow));
    given(
        assigned()
            .into_iter()
            .chain([provision("person")])
            .chain(asks),
    )
    .when(say(Say::Escrow))
    .then_rejected("limit_reached", "cancel the task");
}
