//! How what is on a token ends: tasks that break off, resets, losses.

use keyledger_domain::{
    Aggregate,
    key::State,
    token::{FailureCode, Phase, Step as Stage},
};
use serde_json::json;

use crate::support::{
    SERIAL, Say, Step, World, assigned, given, history, issue, name, provision, provisioned,
    revoke_user, say, then, token, under_way, walked,
};

fn phase(world: &World) -> Phase {
    world.token().phase
}

#[test]
fn a_task_that_fails_before_the_reset_leaves_all_as_it_was() {
    for end in [
        say(Say::Fail(FailureCode::Declined)),
        token("cancel", json!({})),
    ] {
        let begun = [provision("service"), say(Say::Begin(Stage::Taken))];
        let world = given(then(provisioned("service"), begun)).when(end).world;
        assert_eq!(phase(&world), Phase::Provisioned);
        assert_eq!(world.state("12345678-9a-1"), State::Active);
        assert_eq!(world.token().last_task.map(|t| t.1), Some(false));
    }
}

#[test]
fn a_task_that_ends_once_the_reset_has_begun_leaves_nothing_to_rely_on() {
    for reached in [Stage::Reset, Stage::Secrets, Stage::Keys] {
        for end in [
            say(Say::Fail(FailureCode::Misbehaved)),
            token("cancel", json!({})),
        ] {
            let begun = [provision("service"), say(Say::Begin(reached))];
            let world = given(then(provisioned("service"), begun)).when(end).world;
            assert_eq!(phase(&world), Phase::Quarantined, "{reached:?}");
            assert_eq!(
                world.state("12345678-9a-1"),
                State::Destroyed,
                "{reached:?}"
            );
            assert!(world.token().keys.is_empty());
        }
    }
    let made = then(under_way(), walked(1));
    let world = given(made).when(say(Say::Fail(FailureCode::Held))).world;
    assert_eq!(world.state("12345678-9a-1"), State::Destroyed);
    // Keys prove that the reset is over, whether it was said or not.
    let silent = [provision("service"), say(Say::Make(2, false))];
    let world = given(then(provisioned("service"), silent)).when(token("cancel", json!({})));
    assert_eq!(phase(&world.world), Phase::Quarantined);
}

#[test]
fn a_person_who_declines_the_reset_keeps_the_token_as_it_is() {
    for filed in [
        provision("service"),
        token("reset", json!({ "workstation": "desk" })),
    ] {
        let asked = [filed, say(Say::Begin(Stage::Reset))];
        let world = given(then(provisioned("service"), asked))
            .when(say(Say::Fail(FailureCode::Declined)))
            .and_state("12345678-9a-1", "active")
            .world;
        assert_eq!(
            (phase(&world), world.token().keys.len()),
            (Phase::Provisioned, 3)
        );
    }
    let late = [provision("service"), say(Say::Begin(Stage::Secrets))];
    given(then(provisioned("service"), late))
        .when(say(Say::Fail(FailureCode::Declined)))
        .and_state("12345678-9a-1", "destroyed");
}

#[test]
fn a_reset_that_ends_early_leaves_nothing_to_rely_on() {
    let begun = [token("reset", json!({})), say(Say::Begin(Stage::Reset))];
    let world = given(then(provisioned("service"), begun))
        .when(token("cancel", json!({})))
        .and_state("12345678-9a-1", "destroyed")
        .world;
    assert_eq!(phase(&world), Phase::Quarantined);
}

#[test]
fn provisioning_again_destroys_the_keys_of_before() {
    let world = given(then(provisioned("service"), [provision("service")])).when(say(Say::Seal));
    let world = world.and_state("12345678-9a-1", "active").given();
    let world = world
        .when(say(Say::Begin(Stage::Keys)))
        .then([
            "token 12345678 task_progressed",
            "key 12345678-9a-1 deactivated",
            "key 12345678-9a-1 destroyed",
            "key 12345678-9c-2 deactivated",
            "key 12345678-9c-2 destroyed",
            "key 12345678-9d-3 deactivated",
            "key 12345678-9d-3 destroyed",
        ])
        .given();
    let made = world.when(say(Say::Make(2, false))).given();
    made.when(say(Say::Prove))
        .and_state("12345678-9a-4", "active")
        .and_state("12345678-9a-1", "destroyed");
}

#[test]
fn a_reset_destroys_the_keys_and_makes_room_for_another_holder() {
    given(provisioned("service"))
        .when(token("transfer", json!({ "principal": "bob" })))
        .then_rejected("not_allowed", "reset it first");
    let bound = [
        issue("ann-ssh", "staff", json!({ "role": "service" })),
        token("bind", json!({ "user": "ann-ssh" })),
        token("reset", json!({})),
    ];
    let world = given(then(provisioned("service"), bound))
        .when(say(Say::Prove))
        .and_state("12345678-9a-1", "destroyed")
        .given()
        .when(token("transfer", json!({ "principal": "bob" })))
        .then(["token 12345678 assigned"])
        .world;
    let token = world.token();
    assert_eq!(
        (token.phase, &token.principal),
        (Phase::Enrolled, &Some(name("bob")))
    );
    assert!(
        token.users.is_empty(),
        "ann's user is not lost with bob's token"
    );
}

#[test]
fn a_clock_that_was_set_back_dates_nothing_before_what_it_follows() {
    let steps = [
        Step::Later(10),
        crate::support::please("deactivate", "12345678-9a-1"),
        Step::Later(-10),
        token("reset", json!({})),
        say(Say::Prove),
    ];
    let world = given(then(provisioned("service"), steps)).world();
    let key = world.key("12345678-9a-1");
    assert_eq!(key.state, State::Destroyed);
    assert!(key.deactivated_at <= key.destroyed_at);
}

#[test]
fn a_lost_token_takes_all_that_is_on_it_along() {
    let bound = [
        issue("ann-ssh", "staff", json!({ "role": "service" })),
        issue("ann-cli", "staff", json!({ "role": "service" })),
        token("bind", json!({ "user": "ann-ssh" })),
        token("bind", json!({ "user": "ann-cli" })),
        revoke_user("ann-cli"),
    ];
    let world = given(then(provisioned("service"), bound))
        .when(token("lose", json!({})))
        .then([
            "token 12345678 lost",
            "key 12345678-9a-1 revoked",
            "key 12345678-9c-2 revoked",
            "key 12345678-9d-3 revoked",
            "user ann-ssh revoked",
            "account staff revocation_added",
        ])
        .and_state("12345678-9a-1", "compromised")
        .given()
        .when(token("lose", json!({})))
        .then_nothing()
        .world;
    let keys = world.token().keys.iter();
    assert!(keys.clone().count() == 3, "a reset must still destroy them");
}

#[test]
fn a_token_that_is_lost_in_mid_task_ends_the_task() {
    let world = given(then(under_way(), walked(1)))
        .when(token("lose", json!({})))
        .and_state("12345678-9a-1", "compromised")
        .given()
        .when(say(Say::Prove))
        .then_rejected("task_not_open", "no such task")
        .world;
    assert_eq!(phase(&world), Phase::Lost);
    assert!(world.token().entry.is_some());
    // And once it was found and reset, they are destroyed.
    let back = [
        token("lose", json!({})),
        token("find", json!({})),
        token("reset", json!({ "workstation": "desk" })),
        say(Say::Prove),
    ];
    let world = given(then(then(under_way(), walked(1)), back)).world();
    assert_eq!(world.state("12345678-9a-1"), State::DestroyedCompromised);
}

#[test]
fn a_found_token_is_reset_first_and_an_old_one_retires() {
    let found = [token("lose", json!({})), token("find", json!({}))];
    let found = then(provisioned("service"), found);
    given(found.clone())
        .when(token("verify", json!({})))
        .then_rejected("not_allowed", "reset it");
    let retired = [
        token("reset", json!({})),
        say(Say::Prove),
        token("retire", json!({})),
    ];
    given(then(found, retired))
        .when(token("destroy", json!({})))
        .then(["token 12345678 destroyed"]);
    // The keys on a lost token are gone once it is known to be destroyed.
    given(then(provisioned("service"), [token("lose", json!({}))]))
        .when(token("destroy", json!({})))
        .and_state("12345678-9a-1", "destroyed-compromised");
}

#[test]
fn a_token_does_not_retire_under_a_task() {
    given(then(
        assigned(),
        [token("reset", json!({ "workstation": "desk" }))],
    ))
    .when(token("retire", json!({})))
    .then_rejected("not_allowed", "a task is under way");
}

#[test]
fn the_last_administrator_stays_when_a_token_is_lost() {
    let bound = token("bind", json!({ "user": "root" }));
    given(then(provisioned("service"), [bound]))
        .when(token("lose", json!({})))
        .and(|ledger| {
            let root = ledger.user(&"root".parse().unwrap()).unwrap();
            assert!(root.state.revoked_at.is_none());
        });
}

#[test]
fn whoever_loses_a_token_is_told_which_list_to_publish() {
    let lost = given(then(provisioned("service"), [token("lose", json!({}))]));
    let target = history(Aggregate::Token, &SERIAL.to_string());
    let (command, _) =
        keyledger_domain::Command::parse(Aggregate::Token, "lose", br#"{ "reason": "left" }"#)
            .unwrap();
    let said = lost
        .world_ref()
        .ledger
        .remarks(&target, command.any(), true);
    assert_eq!(said, ["publish the list of ca anew: `keyledger ca crl ca`"]);
}

#[test]
fn a_loss_stays_within_one_batch() {
    let users = (0..32).flat_map(|n| {
        let id = format!("u{n}");
        let user = token("bind", json!({ "user": id }));
        [issue(&id, "staff", json!({ "role": "service" })), user]
    });
    let slots: serde_json::Map<_, _> = (0x82..=0x95)
        .chain([0x9a, 0x9c, 0x9d, 0x9e])
        .map(|n| {
            let plan = json!({ "algorithm": "p-256", "pin": "once", "touch": "never" });
            (format!("{n:02x}"), plan)
        })
        .collect();
    let profile = json!({ "name": "full", "about": "every slot", "piv": slots });
    let filed = token(
        "provision",
        json!({ "workstation": "desk", "profile": profile }),
    );
    let mut world = given(then(
        assigned(),
        [
            filed,
            say(Say::Seal),
            say(Say::Make(1, false)),
            say(Say::Prove),
        ],
    ))
    .world();
    for step in users {
        world.run(&step).unwrap();
    }
    let written = world.run(&token("lose", json!({}))).unwrap();
    assert_eq!(written.len(), 1 + 24 + 32 + 32);
    assert!(written.len() <= keyledger_domain::ledger::MAX_EVENTS);
    world.run(&token("find", json!({}))).unwrap();
    let no = world
        .run(&token("bind", json!({ "user": "root" })))
        .unwrap_err();
    assert_eq!(no.reason(), "limit_reached");
    assert!(world.state("12345678-9a-21") == State::Compromised);
}

#[test]
fn the_task_of_an_agent_that_is_revoked_is_cancelled() {
    given(then(under_way(), walked(1)))
        .when(revoke_user("desk"))
        .then([
            "user desk revoked",
            "account keys revocation_added",
            "token 12345678 task_cancelled",
            "key 12345678-9a-1 destroyed",
            "key 12345678-9c-2 destroyed",
            "key 12345678-9d-3 destroyed",
        ])
        .and_state("12345678-9a-1", "destroyed");
}
