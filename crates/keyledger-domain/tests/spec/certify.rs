//! Certificates over keys: who may sign them, over what.

use serde_json::{Value, json};

use crate::support::{
    BEGINNING, Step, World, active, authority, generate, given, key, name, please, provisioned,
    revoke,
};

fn certify(id: &str, more: Value) -> Step {
    let mut body = json!({ "subject": "Acme", "days": 365 });
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    key("certify", id, body)
}

/// A key that could certify, once it is certified itself.
fn candidate(id: &str, json: Value) -> Step {
    let mut body = json!({ "algorithm": "p-256", "purposes": ["certify"], "activate": true });
    let more = json.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    key("generate", id, body)
}

#[test]
fn a_root_certifies_itself_and_others() {
    let root = candidate("root-ca", json!({ "algorithm": "p-384" }));
    let then = given([root, active("orders")])
        .when(certify("root-ca", json!({ "path_length": 1 })))
        .then(["key root-ca certified"])
        .given()
        .when(certify("orders", json!({ "issuer": "root-ca" })))
        .then(["key orders certified"]);
    let ledger = &then.world.ledger;
    let certified = then.world.key("orders").certificates().next().unwrap();
    assert_eq!(certified.issuer, name("root-ca"));
    let issuer = &certified.issuer;
    assert_eq!(
        ledger.certified(issuer, &certified.serial),
        Some(&name("orders"))
    );
    assert!(then.world.key("root-ca").is_authority());
    assert!(!then.world.key("orders").is_authority());
}

#[test]
fn only_an_active_key_in_custody_that_certifies_is_a_root() {
    for root in [
        candidate("k", json!({ "activate": false })),
        candidate("k", json!({ "algorithm": "ed25519" })),
        candidate("k", json!({ "purposes": ["sign"] })),
        crate::support::register("k"),
    ] {
        given([root])
            .when(certify("k", json!({})))
            .then_rejected("bad_value", "must be active, in custody, p-256 or p-384");
    }
}

#[test]
fn only_an_authority_certifies_others() {
    let orders = || [active("orders"), candidate("ca2", json!({}))];
    given(orders())
        .when(certify("orders", json!({ "issuer": "ca2" })))
        .then_rejected("bad_value", "it is no authority");
    given(orders())
        .when(certify("orders", json!({ "issuer": "nowhere" })))
        .then_rejected("not_found", "nowhere");
    // Neither a certificate without authority, nor an authority that was revoked.
    let leaf = certify("ca2", json!({ "issuer": "ca" }));
    given(authority("ca").into_iter().chain(orders()).chain([leaf]))
        .when(certify("orders", json!({ "issuer": "ca2" })))
        .then_rejected("bad_value", "it is no authority");
    let gone = authority("ca")
        .into_iter()
        .chain([revoke("ca", "ca_compromise")]);
    given(orders().into_iter().chain(gone))
        .when(certify("orders", json!({ "issuer": "ca" })))
        .then_rejected("bad_value", "it is no authority");
}

#[test]
fn an_authority_is_a_key_that_certifies() {
    given(authority("ca").into_iter().chain([active("orders")]))
        .when(certify(
            "orders",
            json!({ "issuer": "ca", "path_length": 0 }),
        ))
        .then_rejected("bad_value", "only a key of purpose certify");
}

#[test]
fn each_number_and_list_has_its_range() {
    let world = || given(authority("ca").into_iter().chain([generate("orders")]));
    for (more, reason, words) in [
        (json!({ "days": 0 }), "out_of_range", "1 to 7300"),
        (json!({ "days": 7_301 }), "out_of_range", "1 to 7300"),
        (
            json!({ "usages": vec!["client_auth"; 7] }),
            "limit_reached",
            "usages",
        ),
        (
            json!({ "dns_names": vec!["a.example"; 17] }),
            "limit_reached",
            "names",
        ),
        (
            json!({ "emails": vec!["a@a.example"; 17] }),
            "limit_reached",
            "names",
        ),
    ] {
        let mut body = more;
        body["issuer"] = json!("ca");
        world()
            .when(certify("orders", body))
            .then_rejected(reason, words);
    }
    world()
        .when(certify("ca", json!({ "path_length": 5 })))
        .then_rejected("out_of_range", "0 to 4");
    let many = (0..64).map(|_| certify("orders", json!({ "issuer": "ca" })));
    given(
        authority("ca")
            .into_iter()
            .chain([generate("orders")])
            .chain(many),
    )
    .when(certify("orders", json!({ "issuer": "ca" })))
    .then_rejected("limit_reached", "certificates over a key");
}

#[test]
fn an_authority_that_has_expired_certifies_nothing() {
    let later = [active("orders"), Step::Later(3_651)];
    let world = given(authority("ca").into_iter().chain(later));
    let then = world
        .when(certify("orders", json!({ "issuer": "ca" })))
        .then_rejected("bad_value", "or no more");
    let World { ledger, now, .. } = then.world;
    for named in [Some(name("ca")), None] {
        assert!(ledger.reader().authority_for(named.as_ref(), now).is_err());
        assert!(
            ledger
                .reader()
                .authority_for(named.as_ref(), BEGINNING)
                .is_ok()
        );
    }
}

#[test]
fn what_the_ledger_stands_on_has_no_certificate() {
    for id in ["ledger-signing", "account-staff"] {
        given(authority("ca"))
            .when(certify(id, json!({ "issuer": "ca" })))
            .then_rejected("in_use", id);
    }
}

#[test]
fn a_key_on_a_token_is_certified_by_hand() {
    let then = given(provisioned("administrator"))
        .when(certify(
            "12345678-82-1",
            json!({ "issuer": "ca", "path_length": 0 }),
        ))
        .then(["key 12345678-82-1 certified"]);
    // It lies on the token: nothing here can sign with it.
    then.given()
        .when(certify(
            "12345678-9a-2",
            json!({ "issuer": "12345678-82-1" }),
        ))
        .then_rejected("bad_value", "its secret half is kept elsewhere");
}

#[test]
fn what_is_only_on_a_token_is_not_moved_by_hand() {
    for verb in ["activate", "rotate", "destroy"] {
        given(provisioned("service"))
            .when(please(verb, "12345678-9a-1"))
            .then_rejected("no_material", "provision or reset the token instead");
    }
    given(provisioned("service"))
        .when(please("suspend", "12345678-9a-1"))
        .then(["key 12345678-9a-1 suspended"]);
}
