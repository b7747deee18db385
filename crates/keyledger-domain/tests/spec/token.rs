//! The life of a token.

use keyledger_domain::{
    Ledger,
    key::State,
    token::{Applet, FailureCode, Phase, Serial, Step as Stage},
};
use serde_json::json;

use crate::support::{
    SERIAL, Say, Step, Told, World, announcement, assigned, forged, given, issue, name, offboard,
    provision, provisioned, revoke_user, say, shown, surroundings, token, token_of, walked,
};

fn then(mut steps: Vec<Step>, more: impl IntoIterator<Item = Step>) -> Vec<Step> {
    steps.extend(more);
    steps
}

/// A token under provision, before the agent has begun.
fn under_way() -> Vec<Step> {
    then(assigned(), [provision("service")])
}

/// The state of the key `id`.
fn key(ledger: &Ledger, id: &str) -> State {
    ledger.key(&name(id)).unwrap().state.state
}

fn phase(world: &World) -> Phase {
    world.token().phase
}

#[test]
fn an_agent_announces_a_token_once() {
    given(surroundings())
        .when(say(Say::Announce))
        .then(["token 12345678 announced"])
        .given()
        .when(say(Say::Announce))
        .then_nothing()
        .given()
        .when(Step::Told(Told {
            serial: SERIAL,
            workstation: "till",
            say: Say::Announce,
            forge: |_, _| {},
        }))
        .then(["token 12345678 announced"])
        .given()
        .when(forged(Say::Announce, |reported, _| {
            shown(reported).pin_tries = Some(2);
        }))
        .then(["token 12345678 announced"]);
}

#[test]
fn a_tokens_name_is_its_serial_number() {
    for id in ["ann", "0123", "4294967296"] {
        given(surroundings())
            .when(crate::support::command(
                keyledger_domain::Aggregate::Token,
                "enrol",
                id,
                json!({}),
            ))
            .then_rejected("bad_name", "is not a serial number");
    }
}

#[test]
fn a_token_is_enrolled_once_seen_or_not() {
    given(surroundings())
        .when(token("enrol", json!({})))
        .then(["token 12345678 enrolled"])
        .given()
        .when(say(Say::Announce))
        .then(["token 12345678 announced"])
        .given()
        .when(token("enrol", json!({})))
        .then_rejected("name_taken", "12345678");
}

#[test]
fn a_token_is_assigned_to_somebody_who_acts() {
    let enrolled = then(surroundings(), [token("enrol", json!({}))]);
    given(then(enrolled.clone(), [offboard("bob")]))
        .when(token("assign", json!({ "principal": "bob" })))
        .then_rejected("ended", "bob");
    given(enrolled.clone())
        .when(token("assign", json!({ "principal": "nobody" })))
        .then_rejected("not_found", "nobody");
    given(enrolled)
        .when(token("assign", json!({ "principal": "ann" })))
        .then(["token 12345678 assigned"])
        .given()
        .when(token("assign", json!({ "principal": "ann" })))
        .then_nothing()
        .given()
        .when(token("assign", json!({ "principal": "bob" })))
        .then_rejected("not_allowed", "transfer it");
}

#[test]
fn a_provision_is_filed_for_a_live_agent_with_holder_and_issuer() {
    let world = given(assigned()).when(provision("service"));
    let world = world.then(["token 12345678 task_filed"]).world;
    let open = world.token().task.as_ref().unwrap();
    assert_eq!(open.filed.issuer, Some(name("ca")));
    assert_eq!(open.filed.holder.as_ref().unwrap().principal, name("ann"));
    assert_eq!(phase(&world), Phase::Provisioning);
    given(then(assigned(), [revoke_user("desk")]))
        .when(provision("service"))
        .then_rejected("bad_value", "was revoked or has expired");
    let nowhere = |workstation| {
        let profile = keyledger_domain::token::Profile::shipped("offline-root");
        let body = json!({ "workstation": workstation, "profile": profile });
        token("provision", body)
    };
    given(assigned())
        .when(nowhere("attic"))
        .then_rejected("bad_value", "attic has no agent");
    given(assigned())
        .when(nowhere("root"))
        .then_rejected("bad_value", "root has no agent");
}

#[test]
fn a_provision_needs_a_holder_and_an_authority() {
    let enrolled = then(surroundings(), [token("enrol", json!({}))]);
    given(enrolled)
        .when(provision("service"))
        .then_rejected("not_allowed", "assign it to a principal first");
    let orphaned = then(assigned(), [crate::support::revoke("ca", "key_compromise")]);
    given(orphaned.clone())
        .when(provision("service"))
        .then_rejected("bad_value", "no key is an authority");
    // What needs no certificate needs no authority.
    given(orphaned)
        .when(provision("offline-root"))
        .then(["token 12345678 task_filed"]);
    given(then(assigned(), crate::support::authority("ca2")))
        .when(provision("service"))
        .then_rejected("bad_value", "several keys are authorities");
}

#[test]
fn a_profile_is_held_against_what_the_token_shows() {
    let old = forged(Say::Announce, |reported, _| {
        shown(reported).firmware = "5.1.0".parse().unwrap();
    });
    given(then(assigned(), [old]))
        .when(provision("person"))
        .then_rejected("bad_value", "5.2.3 and later can");
    let bare = forged(Say::Announce, |reported, _| shown(reported).applets.clear());
    given(then(assigned(), [bare]))
        .when(provision("service"))
        .then_rejected("bad_value", "needs the applet PIV");
}

#[test]
fn a_token_that_was_never_seen_needs_a_workstation() {
    let unseen = then(
        surroundings(),
        [
            token("enrol", json!({})),
            token("assign", json!({ "principal": "ann" })),
        ],
    );
    given(unseen.clone())
        .when(provision("service"))
        .then(["token 12345678 task_filed"]);
    given(unseen)
        .when(token("reset", json!({})))
        .then_rejected("bad_value", "was never seen");
}

#[test]
fn a_token_is_provisioned_step_by_step() {
    let made = given(under_way())
        .when(say(Say::Begin(Stage::Taken)))
        .then(["token 12345678 task_progressed"])
        .given()
        .when(say(Say::Seal))
        .then(["token 12345678 secrets_escrowed"])
        .given()
        .when(say(Say::Make(1, false)))
        .then([
            "token 12345678 keys_made",
            "key 12345678-9a-1 registered",
            "key 12345678-9a-1 certified",
            "key 12345678-9c-2 registered",
            "key 12345678-9c-2 certified",
            "key 12345678-9d-3 registered",
        ])
        .and_state("12345678-9a-1", "pre-active")
        .given()
        .when(say(Say::Prove))
        .then([
            "token 12345678 provisioned",
            "key 12345678-9a-1 activated",
            "key 12345678-9c-2 activated",
            "key 12345678-9d-3 activated",
        ])
        .world;
    assert_eq!(phase(&made), Phase::Provisioned);
    let token = made.token();
    assert_eq!(token.profile.as_ref().unwrap().name, name("service"));
    assert_eq!(token.keys.len(), 3);
    assert!(token.entry.is_some() && token.task.is_none() && token.fault.is_none());
    let key = made.key("12345678-9a-1");
    assert_eq!(key.owner, Some(name("ann")));
    let certificate = key.certificates().next().unwrap();
    assert_eq!(key.protect_stop_at, Some(certificate.not_after));
}

#[test]
fn openpgp_keys_are_keys_of_the_ledger_too() {
    let world = given(provisioned("person")).world();
    let places: Vec<_> = world.token().keys.iter().map(|k| &*k.place).collect();
    let openpgp = ["openpgp.sign", "openpgp.encrypt", "openpgp.authenticate"];
    assert_eq!(places[4..], openpgp);
    for on_it in &world.token().keys {
        assert_eq!(world.state(on_it.key.as_str()), State::Active);
    }
    assert!(world.ledger.key(&name("12345678-sign-5")).is_some());
}

#[test]
fn openpgp_keys_may_be_reported_later() {
    let world = given(then(
        assigned(),
        [
            provision("person"),
            say(Say::Seal),
            say(Say::Make(1, false)),
            say(Say::Make(1, true)),
            say(Say::Prove),
        ],
    ))
    .world();
    assert_eq!(phase(&world), Phase::Provisioned);
    assert_eq!(world.token().keys.len(), 7);
}

#[test]
fn a_report_that_comes_twice_adds_nothing() {
    let walk = walked(1);
    for at in [0, 1, 2, 4, 5, 6] {
        let said = walk[..=at].to_vec();
        given(then(under_way(), said))
            .when(walk[at].clone())
            .then_nothing();
    }
    // Nor does a step that lies behind.
    given(then(under_way(), walked(1)))
        .when(say(Say::Begin(Stage::Secrets)))
        .then_nothing();
    given(provisioned("service"))
        .when(say(Say::Prove))
        .then_rejected("task_not_open", "it has ended");
}

#[test]
fn a_key_of_another_run_takes_the_place_of_the_one_before() {
    let world = given(then(under_way(), walked(1)))
        .when(say(Say::Make(2, false)))
        .and_state("12345678-9a-1", "destroyed")
        .and_state("12345678-9a-4", "pre-active")
        .given()
        .when(say(Say::Prove))
        .and_state("12345678-9a-4", "active")
        .world;
    assert_eq!(world.token().keys.len(), 3);
    assert_eq!(world.token().keys_ever, 6);
}

#[test]
fn a_name_that_is_taken_is_passed_over() {
    let steps = then(under_way(), [crate::support::generate("12345678-9a-1")]);
    let world = given(then(steps, walked(1))).world();
    let keys = world.token().task.as_ref().unwrap().keys.iter();
    let keys: Vec<_> = keys.map(|k| k.key.as_str()).collect();
    assert_eq!(keys, ["12345678-9a-2", "12345678-9c-3", "12345678-9d-4"]);
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
    for filed in [provision("service"), token("reset", json!({}))] {
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
        token("reset", json!({})),
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
        .then_rejected("not_allowed", "provision it first");
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
    given(then(assigned(), [token("reset", json!({}))]))
        .when(token("retire", json!({})))
        .then_rejected("not_allowed", "a task is under way");
}

#[test]
fn a_user_is_bound_once_and_only_while_it_lives() {
    let user = issue("ann-ssh", "staff", json!({ "role": "service" }));
    let bind = || token("bind", json!({ "user": "ann-ssh" }));
    given(assigned())
        .when(bind())
        .then_rejected("not_found", "ann-ssh");
    given(then(assigned(), [user.clone(), revoke_user("ann-ssh")]))
        .when(bind())
        .then_rejected("ended", "ann-ssh");
    given(then(assigned(), [user, bind()]))
        .when(bind())
        .then_nothing();
}

#[test]
fn the_last_administrator_is_not_lost_with_a_token() {
    let bound = token("bind", json!({ "user": "root" }));
    given(then(provisioned("service"), [bound]))
        .when(token("lose", json!({})))
        .then_rejected("in_use", "last administrator");
}

#[test]
fn nobody_reports_for_another() {
    let at_the_till = |say| {
        Step::Told(Told {
            serial: SERIAL,
            workstation: "till",
            say,
            forge: |_, _| {},
        })
    };
    for said in [
        Say::Begin(Stage::Taken),
        Say::Seal,
        Say::Make(1, false),
        Say::Prove,
        Say::Fail(FailureCode::Held),
    ] {
        given(under_way())
            .when(at_the_till(said.clone()))
            .then_rejected("task_not_open", "for this agent");
        given(then(under_way(), [revoke_user("desk")]))
            .when(say(said.clone()))
            .then_rejected("unauthorised", "no live agent's");
        given(then(under_way(), [token("cancel", json!({}))]))
            .when(say(said.clone()))
            .then_rejected("task_not_open", "no such task");
        given(under_way())
            .when(forged(said.clone(), |reported, _| {
                reported.task = Some(uuid::Uuid::from_u128(7));
            }))
            .then_rejected("task_not_open", "no such task");
        given(under_way())
            .when(forged(said, |reported, _| {
                reported.agent = "UNOBODY".into()
            }))
            .then_rejected("unauthorised", "no live agent's");
    }
}

#[test]
fn a_report_is_about_the_token_that_it_names() {
    given(under_way())
        .when(forged(Say::Prove, |reported, _| {
            crate::support::evidence(reported).serial = Serial::new(7).unwrap();
        }))
        .then_rejected("bad_value", "another token's");
}

#[test]
fn an_agent_does_not_fill_the_ledger_with_tokens() {
    let of = |serial| {
        Step::Told(Told {
            serial,
            workstation: "desk",
            say: Say::Announce,
            forge: |_, _| {},
        })
    };
    let many = (1..=64).map(of);
    let full = then(surroundings(), many);
    given(full.clone())
        .when(of(65))
        .then_rejected("limit_reached", "nobody enrolled");
    // What is known may still be shown, and who is enrolled makes room.
    given(full.clone()).when(of(64)).then_nothing();
    given(then(full, [token_of(3, "enrol", json!({}))]))
        .when(of(65))
        .then(["token 65 announced"]);
}

#[test]
fn what_no_token_shows_is_refused() {
    type Forge = fn(&mut keyledger_domain::token::Announcement);
    let faults: [(Forge, &str, &str); 4] = [
        (
            |s| s.applets = vec![Applet::Piv; 9],
            "limit_reached",
            "applets",
        ),
        (
            |s| s.slots = vec![s.slots[0].clone(); 25],
            "limit_reached",
            "slots",
        ),
        (
            |s| s.slots = vec![s.slots[0].clone(); 2],
            "bad_value",
            "twice",
        ),
        (
            |s| s.slots[0].public_key = "A".repeat(1_025).into(),
            "bad_value",
            "at most 1024",
        ),
    ];
    for (change, reason, words) in faults {
        let mut world = given(surroundings()).world();
        let mut announced = announcement(SERIAL);
        change(&mut announced);
        let no = world.announced("desk", announced).unwrap_err();
        assert_eq!(no.reason(), reason);
        assert!(no.to_string().contains(words), "{no}");
    }
}

#[test]
fn a_key_in_a_slot_is_for_what_its_algorithm_can() {
    let profile = json!({
        "name": "odd", "about": "odd",
        "piv": {
            "9a": { "algorithm": "x25519", "pin": "once", "touch": "never" },
            "9d": { "algorithm": "ed25519", "pin": "once", "touch": "never" },
            "82": { "algorithm": "p-384", "pin": "once", "touch": "never" },
        },
    });
    let filed = token(
        "provision",
        json!({ "workstation": "desk", "profile": profile }),
    );
    let world = given(then(
        assigned(),
        [filed, say(Say::Seal), say(Say::Make(1, false))],
    ))
    .world();
    for on_it in &world.token().task.as_ref().unwrap().keys {
        let key = world.key(on_it.key.as_str());
        assert!(key.purposes.within(key.algorithm.able()), "{}", on_it.place);
    }
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
    assert!(key(&world.ledger, "12345678-9a-21") == State::Compromised);
}
