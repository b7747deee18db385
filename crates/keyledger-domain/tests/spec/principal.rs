//! People, services, workstations, units.

use keyledger_domain::Aggregate;
use serde_json::{Value, json};

use crate::support::{
    Step, active, command, given, issue, key, offboard, person, please, revoke_user,
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
    let staff = &then
        .world
        .ledger
        .account(&crate::support::name("staff"))
        .unwrap()
        .state;
    assert_eq!(staff.revocations.len(), 3);
}

#[test]
fn who_owns_keys_in_use_hands_them_over_first() {
    let mine = key("describe", "k", json!({ "owner": "ann" }));
    given([person("ann"), active("k"), mine.clone()])
        .when(offboard("ann"))
        .then_rejected("in_use", "1 key it owns (k)");
    given([person("ann"), active("k"), mine, please("deactivate", "k")])
        .when(offboard("ann"))
        .then(["principal ann offboarded"]);
}
