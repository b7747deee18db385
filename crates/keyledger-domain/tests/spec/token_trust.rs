//! Whom a token's decisions believe: nobody who only says something.

use keyledger_domain::token::Phase;
use serde_json::json;

use crate::support::{
    SERIAL, Say, Step, Told, assigned, given, offboard, provision, provisioned, revoke, say, token,
    under_way, walked,
};

/// The agent of the other workstation says it.
fn at_the_till(say: Say) -> Step {
    Step::Told(Told {
        serial: SERIAL,
        workstation: "till",
        say,
        forge: |_, _| {},
    })
}

#[test]
fn a_task_goes_where_the_token_was_proved_and_not_where_somebody_says_to_see_it() {
    for verb in ["verify", "unblock", "rotate-secrets", "reset"] {
        let mut world = given(provisioned("service")).world();
        // It shows something else than before, at another place.
        world.run(&at_the_till(Say::Announce)).unwrap();
        assert_eq!(world.token().workstation.as_ref().unwrap().as_str(), "till");
        world.run(&token(verb, json!({}))).unwrap();
        let task = world.token().task.as_ref().unwrap();
        assert_eq!(task.filed.workstation.as_str(), "desk", "{verb}");
    }
}

/// Another workstation's agent says that it is an old token without applets.
fn slander(workstation: &'static str) -> Step {
    Step::Told(Told {
        serial: SERIAL,
        workstation,
        say: Say::Announce,
        forge: |reported, _| {
            let shown = crate::support::shown(reported);
            shown.firmware = "5.1.0".parse().unwrap();
            shown.applets.clear();
        },
    })
}

#[test]
fn what_another_workstations_agent_says_holds_no_task_up_and_is_kept_apart() {
    let mut world = given(assigned()).world();
    world.run(&say(Say::Announce)).unwrap();
    world.run(&slander("till")).unwrap();
    world.run(&provision("person")).unwrap();
    // The task's workstation is the one that counts; what the other said is shown beside it.
    let row =
        keyledger_domain::views::tokens::token(&world.ledger, &SERIAL.to_string().parse().unwrap());
    let row = row.unwrap();
    assert_eq!(row.workstation.unwrap().as_str(), "desk");
    assert_eq!(row.shown.unwrap().firmware.to_string(), "5.7.1");
    let [elsewhere] = &row.elsewhere[..] else {
        panic!("{:?}", row.elsewhere);
    };
    assert_eq!(elsewhere.workstation.as_str(), "till");
    assert_eq!(elsewhere.shown.firmware.to_string(), "5.1.0");
    // What its own workstation says does hold it up, before anything is destroyed.
    let mut world = given(assigned()).world();
    world.run(&slander("desk")).unwrap();
    let refused = world.run(&provision("person")).unwrap_err().to_string();
    assert!(refused.contains("5.1.0"), "{refused}");
}

#[test]
fn secrets_go_only_to_where_the_token_was_proved() {
    let mut world = given(provisioned("service")).world();
    // A task that could never be given them is not filed: the agent there would wait for nothing.
    for (verb, way) in [
        ("unblock", "token release 12345678"),
        ("rotate-secrets", "token verify 12345678 --workstation till"),
    ] {
        let elsewhere = token(verb, json!({ "workstation": "till" }));
        let refused = world.run(&elsewhere).unwrap_err().to_string();
        assert!(refused.contains("last proved"), "{refused}");
        assert!(refused.contains(way), "{refused}");
        assert!(world.token().task.is_none());
    }
    world
        .run(&token("unblock", json!({ "workstation": "desk" })))
        .unwrap();
    let refused = world.run(&at_the_till(Say::Want)).unwrap_err();
    assert_eq!(refused.reason(), "task_not_open", "{refused}");
    let mut world = given(provisioned("service")).world();
    world.run(&token("unblock", json!({}))).unwrap();
    world.run(&say(Say::Want)).unwrap();
}

#[test]
fn a_key_that_was_attested_before_is_not_attested_anew() {
    let mut world = given(provisioned("service")).world();
    for step in [provision("service")].into_iter().chain(walked(1)) {
        let _ = world.run(&step);
    }
    assert_eq!(world.token().phase, Phase::Quarantined);
    let said = world.token().fault.as_ref().unwrap().to_string();
    assert!(said.contains("before"), "{said}");
}

#[test]
fn nothing_is_certified_under_an_authority_that_was_revoked_meanwhile() {
    let steps = under_way()
        .into_iter()
        .chain([revoke("ca", "key_compromise")]);
    let mut world = given(steps).world();
    let refused = walked(1).iter().find_map(|step| world.run(step).err());
    assert!(refused.unwrap().to_string().contains("authority"));
}

#[test]
fn nothing_is_made_for_who_has_left() {
    let steps = under_way().into_iter().chain([offboard("ann")]);
    let mut world = given(steps).world();
    let refused = walked(1).iter().find_map(|step| world.run(step).err());
    assert_eq!(refused.unwrap().reason(), "task_not_open");
}

#[test]
fn what_was_suspended_on_a_workstations_word_is_resumed_on_better_evidence() {
    let mut world = given(provisioned("service")).world();
    world.run(&token("verify", json!({}))).unwrap();
    let lie = crate::support::forged(Say::Prove, |reported, _| {
        crate::support::evidence(reported).nonce = "b2xk".into();
    });
    world.run(&lie).unwrap();
    let key = world.token().keys[0].key.to_string();
    assert_eq!(world.state(&key), keyledger_domain::key::State::Suspended);
    // Not on a word alone, though: the token has to be proved first.
    let resume = crate::support::key("resume", &key, json!({}));
    let refused = world.run(&resume).unwrap_err();
    assert_eq!(refused.reason(), "no_material");
    world.run(&token("verify", json!({}))).unwrap();
    world.run(&say(Say::Prove)).unwrap();
    assert_eq!(world.token().phase, Phase::Provisioned);
    assert_eq!(world.state(&key), keyledger_domain::key::State::Active);
}
