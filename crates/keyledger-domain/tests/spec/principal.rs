//! People, services, workstations, units.

use keyledger_domain::{Aggregate, VerifiedBy, views};
use serde_json::{Value, json};

use crate::support::{
    Step, World, active, assigned, command, given, history, issue, key, name, offboard, person,
    please, provisioned, revoke_user, stamp,
};

fn principal(verb: &'static str, id: &str, json: Value) -> Step {
    command(Aggregate::Principal, verb, id, json)
}

fn unit(id: &str) -> Step {
    principal("register", id, json!({ "kind": "unit", "title": id }))
}

#[test]
fn a_person_is_registered_once() {
    given([])
        .when(person("ann"))
        .then(["principal ann registered"]);
    given([person("ann")])
        .when(person("ann"))
        .then_rejected("name_taken", "principal ann");
    given([person("ann"), offboard("ann")])
        .when(person("ann"))
        .then_rejected("name_taken", "");
}

#[test]
fn a_service_has_a_person_who_answers_for_it() {
    let service = |json: Value| principal("register", "orders", json);
    given([])
        .when(service(json!({ "kind": "service", "title": "Orders" })))
        .then_rejected("bad_value", "answers for it");
    let answered = service(json!({ "kind": "service", "title": "Orders", "responsible": "ann" }));
    given([])
        .when(answered.clone())
        .then_rejected("not_found", "principal ann");
    given([unit("ann")])
        .when(answered.clone())
        .then_rejected("bad_value", "ann is a unit, not a person");
    given([person("ann")])
        .when(answered)
        .then(["principal orders registered"]);
}

#[test]
fn a_unit_never_belongs_to_itself() {
    let within = |id, unit: &str| principal("describe", id, json!({ "unit": unit }));
    given([unit("it")])
        .when(within("it", "it"))
        .then_rejected("bad_value", "itself");
    given([unit("it"), unit("ops"), within("ops", "it")])
        .when(within("it", "ops"))
        .then_rejected("bad_value", "it would belong to itself");
}

#[test]
fn what_is_described_already_writes_nothing() {
    for wrong in [
        "ann",
        "ann@",
        "a b@example.org",
        "ann@example.org@x",
        "änn@example.org",
    ] {
        given([person("ann")])
            .when(principal("describe", "ann", json!({ "email": wrong })))
            .then_rejected("malformed", "field email");
        given([])
            .when(principal(
                "register",
                "ann",
                json!({ "kind": "person", "title": "Ann", "email": wrong }),
            ))
            .then_rejected("malformed", "is not an e-mail address");
    }
    let mail = principal("describe", "ann", json!({ "email": "ann@example.org" }));
    given([person("ann"), mail.clone()])
        .when(mail)
        .then_nothing();
    given([person("ann")])
        .when(principal("describe", "ann", json!({})))
        .then_rejected("nothing_to_change", "");
    given([])
        .when(principal("describe", "ann", json!({})))
        .then_rejected("not_found", "");
}

#[test]
fn who_is_offboarded_acts_no_more() {
    given([person("ann"), offboard("ann")])
        .when(offboard("ann"))
        .then_nothing();
    given([person("ann"), offboard("ann")])
        .when(principal("describe", "ann", json!({ "title": "Ann" })))
        .then_rejected("ended", "principal ann");
}

#[test]
fn the_users_of_whom_is_offboarded_are_revoked_with_it() {
    let of_ann = |id| {
        issue(
            id,
            "staff",
            json!({ "role": "administrator", "principal": "ann" }),
        )
    };
    let then = given([
        person("ann"),
        of_ann("ann-pc"),
        of_ann("ann-phone"),
        of_ann("gone"),
        revoke_user("gone"),
    ])
    .when(offboard("ann"))
    .then([
        "principal ann offboarded",
        "user ann-pc revoked",
        "user ann-phone revoked",
        "account staff revocation_added",
        "account staff revocation_added",
    ]);
    let staff = &then.world.ledger.account(&name("staff")).unwrap().state;
    assert_eq!(staff.revocations.len(), 3);
}

/// What the ledger says of an offboarding beside the acknowledgement.
fn remarks(world: &World, id: &str) -> String {
    let offboard = keyledger_domain::Command::parse(
        Aggregate::Principal,
        "offboard",
        br#"{ "reason": "left" }"#,
    );
    let target = history(Aggregate::Principal, id);
    let remarks = world
        .ledger
        .remarks(&target, offboard.unwrap().0.any(), true);
    remarks.join("\n")
}

fn leave(id: &str, to: &str) -> Step {
    principal("offboard", id, json!({ "reason": "left", "to": to }))
}

fn owned(id: &str, owner: &str) -> [Step; 2] {
    [active(id), key("describe", id, json!({ "owner": owner }))]
}

#[test]
fn who_owns_keys_leaves_at_once_and_they_go_to_whom_is_named() {
    let then = given(
        [person("ann"), person("bob")]
            .into_iter()
            .chain([issue(
                "ann-pc",
                "staff",
                json!({ "role": "administrator", "principal": "ann" }),
            )])
            .chain(owned("k", "ann"))
            .chain(owned("old", "ann"))
            .chain([please("deactivate", "old")])
            .chain(owned("gone", "ann"))
            .chain([please("deactivate", "gone"), please("destroy", "gone")]),
    )
    .when(leave("ann", "bob"))
    .then([
        "principal ann offboarded",
        "user ann-pc revoked",
        "account staff revocation_added",
        "key k handed_over",
        "key old handed_over",
    ]);
    let key = then.world.key("k");
    assert_eq!(key.owner, Some(name("bob")));
    assert_eq!(key.former_owner, None);
    assert_eq!(
        then.world.key("gone").owner,
        Some(name("ann")),
        "nothing is left to answer for"
    );
    assert!(then.world.ledger.unfinished_offboardings().is_empty());
    assert!(remarks(&then.world, "ann").contains("goes to bob"));
}

#[test]
fn without_a_successor_it_goes_to_who_answers_for_the_leaver_or_to_its_unit() {
    let owner = |steps: Vec<Step>| {
        let world = given(steps.into_iter().chain(owned("k", "ann")))
            .when(offboard("ann"))
            .given()
            .world();
        (
            world.key("k").owner.clone(),
            world.key("k").former_owner.clone(),
        )
    };
    let within = |unit: &str| principal("describe", "ann", json!({ "unit": unit }));
    let answered = principal("describe", "ann", json!({ "responsible": "bob" }));
    let (bob, it, ann) = (Some(name("bob")), Some(name("it")), Some(name("ann")));
    assert_eq!(
        owner(vec![
            person("ann"),
            person("bob"),
            unit("it"),
            within("it"),
            answered.clone()
        ]),
        (bob, None)
    );
    assert_eq!(
        owner(vec![person("ann"), unit("it"), within("it")]),
        (it.clone(), None)
    );
    // Whoever left before gets nothing; the unit above does.
    let above = principal("describe", "ops", json!({ "unit": "it" }));
    assert_eq!(
        owner(vec![
            person("ann"),
            person("bob"),
            answered,
            unit("it"),
            unit("ops"),
            above,
            within("ops"),
            offboard("ops"),
            offboard("bob"),
        ]),
        (it, None)
    );
    assert_eq!(owner(vec![person("ann")]), (None, ann));
}

#[test]
fn what_nobody_answers_for_is_listed_until_somebody_does() {
    let world = given([person("ann")].into_iter().chain(owned("k", "ann")))
        .when(offboard("ann"))
        .given()
        .world();
    let ownerless = |world: &World| {
        let query = views::InventoryQuery {
            former_owner: Some(name("ann")),
            without_owner: Some(true),
            ..views::InventoryQuery::default()
        };
        let page =
            views::inventory(&world.ledger, &query, world.now, views::Budget::default()).unwrap();
        page.rows
            .iter()
            .map(|row| row.name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(ownerless(&world), ["k"]);
    let said = remarks(&world, "ann");
    assert!(said.contains("keys without an owner now: 1 (k)"), "{said}");
    let mut world = world;
    world.run(&person("bob")).unwrap();
    world
        .run(&key("describe", "k", json!({ "owner": "bob" })))
        .unwrap();
    assert_eq!(ownerless(&world), [""; 0]);
}

#[test]
fn a_leaver_hands_over_to_somebody_else_who_acts() {
    let ann = || given([person("ann"), person("gone"), offboard("gone")]);
    ann()
        .when(leave("ann", "ann"))
        .then_rejected("bad_value", "name another");
    ann()
        .when(leave("ann", "gone"))
        .then_rejected("ended", "principal gone");
    ann()
        .when(leave("ann", "nobody"))
        .then_rejected("not_found", "principal nobody");
}

#[test]
fn whom_a_leaver_answered_for_somebody_else_answers_for() {
    let service = json!({ "kind": "service", "title": "Orders", "responsible": "ann" });
    let given_them = || {
        given([
            person("ann"),
            person("bob"),
            principal("register", "orders", service.clone()),
        ])
    };
    let then = given_them()
        .when(leave("ann", "bob"))
        .then(["principal ann offboarded", "principal orders described"]);
    let orders = &then.world.ledger.principal(&name("orders")).unwrap().state;
    assert_eq!(orders.responsible, Some(name("bob")));
    let world = given_them().when(offboard("ann")).given().world();
    let said = remarks(&world, "ann");
    assert!(
        said.contains("nobody answers for now: 1 (orders)"),
        "{said}"
    );
}

#[test]
fn users_that_stand_for_nobody_are_said_to_go_on() {
    let world = given([
        person("ann"),
        issue("unknown", "staff", json!({ "role": "service" })),
    ])
    .when(offboard("ann"))
    .given()
    .world();
    let said = remarks(&world, "ann");
    assert!(
        said.contains("stand for no principal, and go on: 2 (root, unknown)"),
        "{said}"
    );
    assert!(said.contains("no user was issued for it"), "{said}");
}

#[test]
fn the_last_administrator_is_not_offboarded() {
    let (second, first) = (
        issue(
            "ann-pc",
            "staff",
            json!({ "role": "administrator", "principal": "ann" }),
        ),
        revoke_user("root"),
    );
    given([person("ann"), second, first])
        .when(offboard("ann"))
        .then_rejected("in_use", "last administrator");
}

/// More than one decision can hold: what is left of it the service finishes, and its users command nothing meanwhile.
#[test]
fn an_offboarding_of_any_size_comes_to_its_end() {
    let keys = (0..1_500).flat_map(|n| owned(&format!("k{n}"), "ann"));
    let mut world = given([person("ann"), person("bob")].into_iter().chain(keys)).world();
    let written = world.run(&leave("ann", "bob")).unwrap();
    assert_eq!(written.len(), 1_000);
    let left = world.ledger.unfinished_offboardings();
    assert_eq!(left.into_iter().collect::<Vec<_>>(), [name("ann")]);
    let goes_on = Step::Outcome(keyledger_domain::ledger::Outcome::Offboarded(name("ann")));
    assert_eq!(world.run(&goes_on).unwrap().len(), 501);
    assert!(world.ledger.unfinished_offboardings().is_empty());
    assert_eq!(world.run(&goes_on).unwrap(), []);
    assert!((0..1_500).all(|n| world.key(&format!("k{n}")).owner == Some(name("bob"))));
}

#[test]
fn a_leavers_token_counts_no_more() {
    let then = given(provisioned("person")).when(offboard("ann"));
    let world = then.given().world();
    let token = &world.ledger.token(&name("12345678")).unwrap().state;
    assert_eq!(token.phase.as_str(), "quarantined");
    assert_eq!(token.principal, None);
    for on_it in &token.keys {
        let state = world.key(on_it.key.as_str()).state.as_str();
        assert_eq!(state, "deactivated", "{}", on_it.key);
    }
    assert!(!token.keys.is_empty());
    assert!(world.ledger.unfinished_offboardings().is_empty());
    // It is the organisation's: it can be given to another after a reset, and not before.
    let mut world = world;
    let to_bob = json!({ "principal": "bob" });
    let refused = world
        .run(&crate::support::token("assign", to_bob))
        .unwrap_err();
    assert_eq!(refused.reason(), "not_allowed");
}

#[test]
fn a_token_that_was_only_assigned_is_free_again() {
    let world = given(assigned()).when(offboard("ann")).given().world();
    let token = &world.ledger.token(&name("12345678")).unwrap().state;
    assert_eq!(
        (token.phase.as_str(), &token.principal),
        ("enrolled", &None)
    );
}

/// What two administrators publish at the same moment was held against the same certificate: of the second one that is no longer so.
#[test]
fn a_certificate_is_published_after_the_one_it_was_held_against() {
    use keyledger_domain::principal::{Event, OpenpgpPublished, Publish, ReadCertificate};
    let published = |text: &str| OpenpgpPublished {
        fingerprint: "ab".repeat(20).into(),
        certificate: text.into(),
    };
    let read = |text: &str, after: Option<&str>| {
        Some(Box::new(ReadCertificate {
            published: published(text),
            after: after.map(Into::into),
        }))
    };
    let mut world = given([person("ann")]).world();
    let target = history(Aggregate::Principal, "ann");
    let publish = Publish {
        openpgp: "as sent".to_owned(),
        reason: None,
        ticket: None,
    };
    let decide = |world: &World, made| {
        let ledger = &world.ledger;
        ledger
            .decide_verb(&target, &publish, &made, world.now)
            .result
    };
    let first = decide(&world, read("first", None)).unwrap();
    let event = Event::OpenpgpPublished(published("first"));
    assert_eq!(first.events, [(target.clone(), event.into())]);
    let why = keyledger_domain::record::Why::default();
    world.write(first, &stamp(VerifiedBy::RequestInfo), &why);
    let refused = decide(&world, read("second", None)).unwrap_err();
    assert!(
        refused.to_string().contains("published meanwhile"),
        "{refused}"
    );
    let second = decide(&world, read("second", Some("first"))).unwrap();
    assert_eq!(second.events.len(), 1);
}
