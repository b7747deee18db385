//! The life of a token.

use keyledger_domain::{
    key::State,
    token::{Phase, Profile, Slot, Step as Stage, SubjectAttribute, SubjectPart},
};
use serde_json::{Value, json};

use crate::support::{
    Say, Step, World, assigned, forged, given, issue, name, offboard, provision, provisioned,
    revoke_user, say, shown, surroundings, then, token, under_way, walked,
};

fn phase(world: &World) -> Phase {
    world.token().phase
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
        .then_rejected("bad_value", "name one with --issuer: ca, ca2");
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
        .then_rejected("bad_value", "was proved nowhere yet");
    given(assigned())
        .when(token("reset", json!({})))
        .then_rejected("bad_value", "with --workstation (it was last seen at desk)");
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
            say(Say::Escrow),
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

fn provision_with(subject: &[&str], more: Value) -> Step {
    let mut profile = Profile::shipped("service").unwrap();
    let plan = profile.piv.get_mut(&Slot::AUTHENTICATION).unwrap();
    let parts = subject.iter().map(|part| SubjectPart::parse(part).unwrap());
    plan.certificate.as_mut().unwrap().subject = parts.collect();
    let mut body = json!({ "workstation": "desk", "profile": profile });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    token("provision", body)
}

#[test]
fn a_subject_that_no_certificate_can_carry_is_refused_before_the_token_is_touched() {
    let email = ["CN={title}", "EMAIL={email}"];
    given(assigned())
        .when(provision_with(&email, json!({})))
        .then_rejected("bad_value", "has none");
    given(assigned())
        .when(provision_with(
            &email,
            json!({ "email": "ann@example.org" }),
        ))
        .then(["token 12345678 task_filed"]);
    let long = "CN={title} of the division that has a name which is far longer than fits";
    given(assigned())
        .when(provision_with(&[long], json!({})))
        .then_rejected("bad_value", "CN has up to 64");
}

#[test]
fn a_subject_holds_nothing_that_is_not_seen() {
    // A name written backwards, and one with a letter of no width. They are read where they were written before.
    for odd in ["OU=\u{202e}syeK", "OU=Ke\u{200b}ys", "CN={title}\u{2066}"] {
        given(assigned())
            .when(provision_with(&[odd], json!({})))
            .then_rejected("bad_value", "an invisible character");
    }
    assert!(SubjectAttribute::Organization.fits("Кеys"), "only odd");
    assert!(!SubjectAttribute::Organization.fits("Ke\u{ad}ys"));
}

#[test]
fn a_name_that_is_no_serial_number_is_said_to_be_none() {
    for verb in ["enrol", "lose", "cancel", "verify"] {
        given([])
            .when(crate::support::command(
                keyledger_domain::Aggregate::Token,
                verb,
                "my-yubikey",
                json!({ "reason": "because" }),
            ))
            .then_rejected("bad_name", "serial number");
    }
}
