//! NATS accounts.

use keyledger_domain::{
    account::{Confirmed, DriftRepaired},
    ledger::Outcome,
};
use serde_json::json;

use crate::support::{
    BEGINNING, Given, Step, World, create_account, given, issue, name, revoke_user, upgrade_account,
};

fn issued_at(world: &World) -> i64 {
    world
        .ledger
        .account(&name("staff"))
        .unwrap()
        .state
        .issued_at
}

fn confirmed(issued_at: i64, users: &[&str]) -> Step {
    Step::Outcome(Outcome::Confirmed {
        account: name("staff"),
        confirmed: Confirmed {
            issued_at,
            servers: vec!["n1".into()],
            took_ms: 7,
            confirmed_at: BEGINNING,
        },
        users: users.iter().map(|u| (name(u), 7)).collect(),
    })
}

#[test]
fn an_account_is_created_with_the_keys_behind_it() {
    let then = given([]).when(create_account("plain"));
    assert!(then.world.ledger.account(&name("plain")).is_some());
    let account = &then.world.ledger.account(&name("plain")).unwrap().state;
    assert_eq!(then.world.state(account.key.as_str()).as_str(), "active");
    assert_eq!(
        then.world.ledger.trust_on(&account.key).unwrap().name,
        name("plain")
    );
    let signing = &account.signing_keys[0].key;
    assert_eq!(
        then.world.key(signing.as_str()).parent.as_ref(),
        Some(&account.key)
    );
}

#[test]
fn an_accounts_name_is_never_used_again() {
    given([])
        .when(create_account("staff"))
        .then_rejected("name_taken", "account staff");
}

#[test]
fn a_confirmation_is_recorded_once_and_confirms_the_revocations_in_it() {
    let user = issue("orders", "staff", json!({ "role": "service" }));
    let revoked = given([user, revoke_user("orders")]);
    let iat = issued_at(&revoked.clone().world());
    let then = revoked.when(confirmed(iat, &["orders", "nobody"])).then([
        "account staff confirmed",
        "user orders revocation_confirmed",
    ]);
    let user = &then.world.ledger.user(&name("orders")).unwrap().state;
    assert_eq!(user.revocation_took_ms, Some(7));
    then.given()
        .when(confirmed(iat, &["orders"]))
        .then_nothing();
}

#[test]
fn a_drift_that_was_repaired_is_recorded_each_time() {
    let repaired = |account: &str| {
        Step::Outcome(Outcome::DriftRepaired {
            account: name(account),
            repaired: DriftRepaired {
                server: "n1".into(),
                found: None,
                issued_at: 1,
                times: None,
            },
        })
    };
    given([repaired("staff")])
        .when(repaired("staff"))
        .then(["account staff drift_repaired"]);
    given([]).when(repaired("nowhere")).then_nothing();
}

/// An organisation whose accounts stand on the first version of the templates.
fn made_before() -> Given {
    Given::of(World::organisation_made_before())
}

fn version(world: &World, account: &str) -> u16 {
    let entry = world.ledger.account(&name(account)).unwrap();
    entry.state.intent.template.number()
}

#[test]
fn an_upgraded_account_stands_on_the_version_and_gets_a_new_jwt() {
    let before = made_before().world();
    let iat = issued_at(&before);
    let then = made_before()
        .when(upgrade_account("views", 2))
        .then(["account views template_adopted"])
        .given()
        .when(upgrade_account("keys", 2))
        .then(["account keys template_adopted"])
        .given()
        .when(upgrade_account("staff", 2))
        .then(["account staff template_adopted"]);
    assert_eq!(version(&then.world, "staff"), 2);
    assert!(issued_at(&then.world) > iat);
}

#[test]
fn an_upgrade_of_what_is_upgraded_writes_nothing() {
    given([]).when(upgrade_account("staff", 2)).then_nothing();
}

#[test]
fn there_is_no_way_back_to_an_older_version() {
    given([])
        .when(upgrade_account("staff", 1))
        .then_rejected("bad_value", "no way back to version 1");
}

#[test]
fn a_version_that_does_not_exist_is_refused() {
    made_before()
        .when(upgrade_account("views", 3))
        .then_rejected("malformed", "there is no version 3 of the templates");
}

#[test]
fn what_an_account_imports_from_is_upgraded_first() {
    made_before()
        .when(upgrade_account("keys", 2))
        .then_rejected("bad_value", "account views, which must be upgraded first");
    made_before()
        .when(upgrade_account("staff", 2))
        .then_rejected("bad_value", "it imports from account keys");
    made_before()
        .when(upgrade_account("sys", 2))
        .then(["account sys template_adopted"]);
}

#[test]
fn an_account_that_is_not_there_is_not_upgraded() {
    given([])
        .when(upgrade_account("nobody", 2))
        .then_rejected("not_found", "account nobody");
}

#[test]
fn an_upgrade_keeps_whom_the_account_refuses() {
    let user = issue("orders", "staff", json!({ "role": "service" }));
    let upgrades = ["views", "keys", "staff"].map(|account| upgrade_account(account, 2));
    let mut world = made_before().world();
    for step in [user, revoke_user("orders")] {
        world.run(&step).unwrap();
    }
    let list = |world: &World| {
        let account = world.ledger.account(&name("staff")).unwrap();
        account.state.revocations.clone()
    };
    let before = list(&world);
    assert!(!before.is_empty());
    for step in &upgrades {
        world.run(step).unwrap();
    }
    assert_eq!(list(&world), before);
}
