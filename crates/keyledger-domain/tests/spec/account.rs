//! NATS accounts.

use keyledger_domain::{
    account::{Confirmed, DriftRepaired},
    ledger::Outcome,
};
use serde_json::json;

use crate::support::{BEGINNING, Step, World, create_account, given, issue, name, revoke_user};

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
