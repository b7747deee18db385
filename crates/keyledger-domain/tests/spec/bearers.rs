//! A public key that was compromised stays so, whatever it is called; one that was seen before is named.

use data_encoding::BASE64;
use keyledger_domain::{
    Aggregate, Command, Role,
    ledger::{Claimed, Known},
};
use nkeys::KeyPairType;
use serde_json::{Value, json};

use crate::support::{
    Given, Step, active, command, given, history, issue, key, key_pair, name, please, register,
    revoke, revoke_user, spki,
};

fn registered(id: &str, public_key: &str, more: Value) -> Step {
    let mut body = json!({ "algorithm": "ed25519", "public_key": public_key });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    key("register", id, body)
}

/// An nkey, and the very same key as DER.
fn two_faces(n: u8) -> (String, String) {
    let nkey = key_pair(KeyPairType::User, n).public_key();
    let (_, bare) = nkeys::from_public_key(&nkey).unwrap();
    let mut der = data_encoding::HEXLOWER
        .decode(b"302a300506032b6570032100")
        .unwrap();
    der.extend(bare);
    (nkey, BASE64.encode(&der))
}

fn user(id: &str, nkey: &str) -> Step {
    let body = json!({ "account": "staff", "role": "service", "nkey": nkey });
    command(Aggregate::User, "issue", id, body)
}

#[test]
fn a_compromised_public_key_is_not_registered_again() {
    let lost = [register("k"), revoke("k", "key_compromise")];
    given(lost.clone())
        .when(register("again"))
        .then_rejected("compromised", "as key k");
    let destroyed = lost.into_iter().chain([please("destroy", "k")]);
    given(destroyed)
        .when(register("again"))
        .then_rejected("compromised", "as key k");
}

#[test]
fn a_compromised_public_key_is_no_new_version_of_another() {
    given([
        registered("k", &spki(1), json!({})),
        revoke("k", "ca_compromise"),
        registered("other", &spki(2), json!({ "activate": true })),
    ])
    .when(key("rotate", "other", json!({ "public_key": spki(1) })))
    .then_rejected("compromised", "as key k");
}

#[test]
fn an_older_version_of_a_compromised_key_is_refused_too() {
    given([
        registered("k", &spki(1), json!({ "activate": true })),
        key("rotate", "k", json!({ "public_key": spki(2) })),
        revoke("k", "key_compromise"),
    ])
    .when(registered("again", &spki(1), json!({})))
    .then_rejected("compromised", "as key k");
}

#[test]
fn what_was_revoked_for_another_reason_is_named_and_taken() {
    let world = given([
        registered("k", &spki(1), json!({ "activate": true })),
        revoke("k", "superseded"),
        registered("again", &spki(1), json!({})),
    ])
    .world();
    let again = history(Aggregate::Key, "again");
    let body = json!({ "algorithm": "ed25519", "public_key": spki(1) }).to_string();
    let (command, _) = Command::parse(Aggregate::Key, "register", body.as_bytes()).unwrap();
    assert_eq!(
        world.ledger.remarks(&again, command.any(), true),
        ["the same public key is key k's, which is deactivated"]
    );
}

#[test]
fn all_that_bear_it_are_compromised_together() {
    given([
        registered("k", &spki(1), json!({ "activate": true })),
        registered("twin", &spki(1), json!({ "activate": true })),
        // Through a version of the twin's, and no further.
        key("rotate", "twin", json!({ "public_key": spki(2) })),
        registered("third", &spki(2), json!({})),
        registered("other", &spki(3), json!({})),
    ])
    .when(revoke("k", "key_compromise"))
    .then(["key k revoked", "key twin revoked", "key third revoked"])
    .and_state("twin", "compromised")
    .and_state("third", "compromised")
    .and_state("other", "pre-active");
    // Another reason is this name's alone.
    given([
        registered("k", &spki(1), json!({ "activate": true })),
        registered("twin", &spki(1), json!({ "activate": true })),
    ])
    .when(revoke("k", "superseded"))
    .then(["key k revoked"]);
}

#[test]
fn an_nkey_is_the_key_that_it_writes() {
    let (nkey, der) = two_faces(91);
    let lost = [
        registered("k", &der, json!({})),
        revoke("k", "key_compromise"),
    ];
    given(lost.clone())
        .when(user("orders", &nkey))
        .then_rejected("compromised", "field nkey");
    // The same of an agent, and of a user that had it before.
    let agent = json!({ "account": "agents", "role": "agent", "nkey": nkey });
    given(lost)
        .when(command(Aggregate::User, "issue", "desk", agent))
        .then_rejected("compromised", "field nkey");
    let world = given([
        user("orders", &nkey),
        registered("k", &der, json!({})),
        revoke("k", "key_compromise"),
    ])
    .world();
    let account = &world.ledger.account(&name("staff")).unwrap().state;
    let issuer = &world.ledger.user(&name("orders")).unwrap().state.issuer;
    let claimed = Claimed {
        account: &account.nkey,
        user: &nkey,
        issuer,
    };
    let refused = world
        .ledger
        .reader()
        .identify(claimed, world.now)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("compromised as key k"), "{refused}");
}

#[test]
fn a_revoked_users_nkey_is_named_where_it_comes_as_a_key() {
    let (nkey, der) = two_faces(92);
    let world = given([
        user("orders", &nkey),
        revoke_user("orders"),
        registered("k", &der, json!({})),
    ])
    .world();
    let namesakes = world.ledger.namesakes(&history(Aggregate::Key, "k"));
    assert_eq!(namesakes, [&history(Aggregate::User, "orders")]);
}

#[test]
fn nothing_is_sealed_to_a_compromised_curve_key() {
    let x = crate::support::curve_key();
    let bare = nkeys::from_public_key(&x).unwrap().1;
    let mut der = data_encoding::HEXLOWER
        .decode(b"302a300506032b656e032100")
        .unwrap();
    der.extend(bare);
    let public = BASE64.encode(&der);
    let lost = json!({ "algorithm": "x25519", "public_key": public });
    given([key("register", "x", lost), revoke("x", "key_compromise")])
        .when(issue("orders", "staff", json!({ "role": "service" })))
        .then_rejected("compromised", "field seal_to");
}

/// A key that was made here in 2026 was not compromised in 2020, and is no less compromised for that.
#[test]
fn a_twin_is_compromised_too_if_the_date_cannot_be_its_own() {
    let world = given([active("here")]).world();
    let public = world.key("here").newest().unwrap().public_key.clone();
    let revoke = json!({
        "reason": "because",
        "revocation_reason": "key_compromise",
        "compromise_occurred_at": "2020-01-01T00:00:00Z",
    });
    Given::of(world)
        .and([registered("k", &public.unwrap(), json!({}))])
        .when(key("revoke", "k", revoke))
        .then(["key k revoked", "key here revoked"])
        .and_state("here", "compromised")
        .given()
        .when(please("activate", "here"))
        .then_rejected("compromised", "as key k");
}

#[test]
fn a_key_that_the_ledger_stands_on_gets_no_second_name() {
    let world = given([]).world();
    let signing = world.key("ledger-signing").newest().unwrap();
    let public = signing.public_key.as_deref().unwrap();
    given([])
        .when(registered("k", public, json!({})))
        .then_rejected("bad_value", "NATS trust or the ledger stands on");
}

#[test]
fn a_service_brings_only_new_public_keys_and_owns_as_itself() {
    let service = |kind: &str| json!({ "kind": kind, "title": "Orders", "responsible": "ann" });
    let principal = |id: &str, body: Value| command(Aggregate::Principal, "register", id, body);
    let world = given([
        crate::support::person("ann"),
        principal("orders", service("service")),
        principal("shop", service("service")),
        crate::support::person("mallory"),
        issue("orders", "staff", json!({ "role": "service" })),
        issue(
            "till",
            "staff",
            json!({ "role": "service", "principal": "shop" }),
        ),
        issue("mallory", "staff", json!({ "role": "service" })),
        registered("known", &spki(1), json!({})),
        registered("shops", &spki(3), json!({ "owner": "shop" })),
        active("other"),
    ])
    .world();
    let may = |user: &str, verb: &str, body: Value| {
        let (command, _) =
            Command::parse(Aggregate::Key, verb, body.to_string().as_bytes()).unwrap();
        let known = Known {
            user: name(user),
            role: Role::Service,
        };
        world
            .ledger
            .reader()
            .authorise(&known, &name(user), command.any())
            .is_ok()
    };
    for (user, owner, allowed) in [
        ("orders", "orders", true),
        ("till", "shop", true),
        ("till", "orders", false),
        ("orders", "ann", false),
        // A person of the same name is not the service.
        ("mallory", "mallory", false),
    ] {
        for (verb, mut body) in [
            ("generate", json!({ "algorithm": "ed25519" })),
            (
                "register",
                json!({ "algorithm": "ed25519", "public_key": spki(9) }),
            ),
            ("describe", json!({})),
        ] {
            body["owner"] = json!(owner);
            assert_eq!(may(user, verb, body), allowed, "{user} {verb} for {owner}");
        }
    }
    for (user, parent, allowed) in [
        ("till", "shops", true),
        ("till", "till", true),
        ("orders", "shops", false),
        ("till", "other", false),
        ("till", "nowhere", false),
    ] {
        let generate = json!({ "algorithm": "ed25519", "parent": parent });
        assert_eq!(
            may(user, "generate", generate),
            allowed,
            "{user} below {parent}"
        );
        let register = json!({ "algorithm": "ed25519", "public_key": spki(9), "parent": parent });
        assert_eq!(
            may(user, "register", register),
            allowed,
            "{user} below {parent}"
        );
    }
    let bring = |n| json!({ "algorithm": "ed25519", "public_key": spki(n) });
    assert!(may("orders", "register", bring(2)));
    assert!(!may("orders", "register", bring(1)));
}
