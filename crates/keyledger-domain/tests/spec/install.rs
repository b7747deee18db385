//! Certificates that were signed elsewhere: by whom, over what, and what is believed of them.

use serde_json::{Value, json};

use crate::support::{
    BEGINNING, Step, active, authority, far_authority, far_key, given, install, key, name, please,
    revoke,
};

/// A key in custody that could issue below an authority elsewhere.
fn issuing() -> Step {
    let body = json!({ "algorithm": "p-384", "purposes": ["certify"], "activate": true });
    key("generate", "issuing-ca", body)
}

fn below_far_root(steps: impl IntoIterator<Item = Step>) -> Vec<Step> {
    far_authority("far-ca").into_iter().chain(steps).collect()
}

fn certify(id: &str, issuer: &str) -> Step {
    let body = json!({ "issuer": issuer, "subject": "Orders", "days": 30 });
    key("certify", id, body)
}

/// Over `orders`, by the authority elsewhere.
fn over_orders(said: Value) -> Step {
    let mut leaf = json!({ "authority": false });
    leaf.as_object_mut()
        .unwrap()
        .extend(said.as_object().unwrap().clone());
    install("orders", Some("far-ca"), leaf)
}

#[test]
fn a_root_elsewhere_vouches_for_an_authority_in_custody_which_certifies() {
    let then = given([far_key("far-ca"), issuing(), active("orders")])
        .when(install("far-ca", None, json!({ "serial": "1" })))
        .then(["key far-ca certified"])
        .given()
        .when(install("issuing-ca", Some("far-ca"), json!({})))
        .then(["key issuing-ca certified"])
        .given()
        .when(certify("orders", "issuing-ca"))
        .then(["key orders certified"]);
    let ledger = &then.world.ledger;
    let (root, below) = (name("far-ca"), name("issuing-ca"));
    assert_eq!(
        then.world
            .key("issuing-ca")
            .authority_at(BEGINNING)
            .unwrap()
            .issuer,
        root
    );
    // Tokens are certified by what is in custody, and by nothing else.
    assert!(ledger.reader().certifies(&below, BEGINNING));
    assert!(!ledger.reader().certifies(&root, BEGINNING));
    assert_eq!(
        ledger.reader().authority_for(None, BEGINNING).unwrap(),
        below
    );
}

#[test]
fn what_a_root_elsewhere_vouches_for_ends_with_it() {
    let install = install("issuing-ca", Some("far-ca"), json!({}));
    let gone = below_far_root([issuing(), install, revoke("far-ca", "key_compromise")]);
    given(gone.into_iter().chain([active("orders")]))
        .when(certify("orders", "issuing-ca"))
        .then_rejected("bad_value", "it is no authority, or no more");
}

#[test]
fn nobody_signs_here_for_a_root_that_is_elsewhere() {
    given(below_far_root([active("orders")]))
        .when(certify("orders", "far-ca"))
        .then_rejected("bad_value", "write a request with `--request FILE`");
}

#[test]
fn nothing_is_installed_that_a_key_in_custody_should_have_signed() {
    let both = || {
        authority("ca")
            .into_iter()
            .chain([active("orders"), issuing()])
    };
    for step in [
        install("orders", Some("ca"), json!({ "authority": false })),
        install("issuing-ca", None, json!({})),
    ] {
        given(both())
            .when(step)
            .then_rejected("bad_value", "in custody here: use `certify`");
    }
}

#[test]
fn only_an_active_authority_elsewhere_is_an_issuer() {
    let leaf = |issuer| install("orders", Some(issuer), json!({ "authority": false }));
    given([active("orders")])
        .when(leaf("nowhere"))
        .then_rejected("not_found", "nowhere");
    given([active("orders"), far_key("far-ca")])
        .when(leaf("far-ca"))
        .then_rejected("bad_value", "it is no authority");
    for end in [please("suspend", "far-ca"), revoke("far-ca", "superseded")] {
        given(below_far_root([active("orders"), end]))
            .when(leaf("far-ca"))
            .then_rejected("bad_value", "it is no authority, or no more");
    }
    given(below_far_root([active("orders"), Step::Later(3_651)]))
        .when(leaf("far-ca"))
        .then_rejected("bad_value", "it is no authority, or no more");
}

#[test]
fn only_a_key_that_certifies_is_a_root_or_an_authority() {
    given([crate::support::register("k")])
        .when(install("k", None, json!({})))
        .then_rejected("bad_value", "must be active, p-256 or p-384, of purpose");
    given(below_far_root([active("orders")]))
        .when(install("orders", Some("far-ca"), json!({})))
        .then_rejected("bad_value", "only a key of purpose certify");
    given([far_key("far-ca")])
        .when(install("far-ca", None, json!({ "authority": false })))
        .then_rejected("bad_value", "it signs itself, and is no authority's");
}

#[test]
fn a_serial_number_is_used_once() {
    let again = json!({ "until": 364 });
    given(below_far_root([
        active("orders"),
        active("bills"),
        over_orders(json!({})),
    ]))
    .when(install(
        "bills",
        Some("far-ca"),
        json!({ "authority": false }),
    ))
    .then_rejected("bad_value", "was used before, over key orders")
    .given()
    .when(over_orders(again))
    .then_rejected("bad_value", "was used before, over key orders");
}

#[test]
fn the_same_certificate_is_installed_once() {
    given(below_far_root([active("orders"), over_orders(json!({}))]))
        .when(over_orders(json!({})))
        .then([]);
}

#[test]
fn a_certificate_holds_now_and_not_for_ever() {
    let world = || given(below_far_root([active("orders")]));
    for (said, words) in [
        (json!({ "from": -30, "until": 0 }), "it has expired"),
        (json!({ "from": 1 }), "it does not hold yet"),
        (json!({ "until": 7_302 }), "7300 days at most"),
    ] {
        world()
            .when(over_orders(said))
            .then_rejected("bad_date", words);
    }
    world()
        .when(over_orders(json!({ "from": -1, "until": 7_300 })))
        .then(["key orders certified", "key orders scheduled"]);
}

#[test]
fn there_is_room_for_64_certificates() {
    let one = |n: u32| over_orders(json!({ "serial": format!("{n:x}") }));
    let many = (0..64).map(one);
    given(below_far_root([active("orders")].into_iter().chain(many)))
        .when(one(64))
        .then_rejected("limit_reached", "certificates over a key");
}

#[test]
fn what_is_asked_of_an_issuer_elsewhere_is_held_to_the_rules_of_certify() {
    let world = given(
        below_far_root([active("orders")])
            .into_iter()
            .chain(authority("ca")),
    )
    .world();
    let ask = |issuer: &str, more: Value| {
        let mut body = json!({ "issuer": issuer, "subject": "Orders", "days": 30 });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let certify = serde_json::from_value(body).unwrap();
        let ledger = &world.ledger;
        ledger
            .reader()
            .check_certify_elsewhere(&name("orders"), &certify, world.now)
    };
    ask("far-ca", json!({})).unwrap();
    for (issuer, more, words) in [
        ("ca", json!({}), "in custody here"),
        ("far-ca", json!({ "days": 0 }), "1 to 7300"),
        (
            "far-ca",
            json!({ "path_length": 0 }),
            "only a key of purpose certify",
        ),
    ] {
        let said = ask(issuer, more).unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
    }
}
