//! NATS users.

use keyledger_domain::Aggregate;
use nkeys::KeyPairType;
use serde_json::{Value, json};

use crate::support::{
    BEGINNING, Step, command, create_account, given, issue, key_pair, name, offboard, person,
    revoke_user,
};

fn with_nkey(id: &str, nkey: &str) -> Step {
    let body = json!({ "account": "staff", "role": "service", "nkey": nkey });
    command(Aggregate::User, "issue", id, body)
}

fn service(json: Value) -> Step {
    let mut body = json!({ "role": "service" });
    body.as_object_mut()
        .unwrap()
        .extend(json.as_object().unwrap().clone());
    issue("orders", "staff", body)
}

#[test]
fn a_user_is_issued_with_a_generated_nkey_or_its_own() {
    let then = given([])
        .when(service(json!({})))
        .then(["user orders issued"]);
    assert!(
        then.world
            .ledger
            .user(&name("orders"))
            .unwrap()
            .state
            .generated
    );
    let own = key_pair(KeyPairType::User, 77).public_key();
    let then = given([])
        .when(with_nkey("orders", &own))
        .then(["user orders issued"]);
    assert_eq!(then.world.ledger.user_of_nkey(&own), Some(&name("orders")));
}

#[test]
fn a_user_has_either_its_own_nkey_or_a_generated_one() {
    let body = json!({ "account": "staff", "role": "service" });
    given([])
        .when(command(Aggregate::User, "issue", "orders", body))
        .then_rejected("bad_value", "either `nkey`, or `seal_to`");
}

#[test]
fn an_nkey_belongs_to_one_user_for_ever() {
    let nkey = key_pair(KeyPairType::User, 77).public_key();
    given([with_nkey("a", &nkey), revoke_user("a")])
        .when(with_nkey("b", &nkey))
        .then_rejected("bad_value", "user a's already");
    given([with_nkey("a", &nkey)])
        .when(with_nkey("a", &nkey))
        .then_rejected("name_taken", "user a");
}

#[test]
fn a_seed_is_refused_and_called_compromised() {
    let seed = key_pair(KeyPairType::User, 77).seed().unwrap();
    let then = given([])
        .when(with_nkey("a", &seed))
        .then_rejected("compromised", "SEED");
    drop(then);
    for wrong in ["", "U", &key_pair(KeyPairType::Account, 1).public_key()] {
        given([])
            .when(with_nkey("a", wrong))
            .then_rejected("bad_value", "public user nkey");
    }
}

#[test]
fn a_role_must_be_one_of_the_account() {
    given([])
        .when(issue("a", "staff", json!({ "role": "auditor" })))
        .then_rejected("bad_value", "has no role auditor");
    given([])
        .when(issue("a", "staff", json!({})))
        .then_rejected("bad_value", "needs a role");
    given([])
        .when(issue("a", "nowhere", json!({})))
        .then_rejected("not_found", "account nowhere");
}

#[test]
fn nobody_is_issued_into_the_accounts_of_the_service_itself() {
    for account in ["sys", "keys"] {
        given([])
            .when(issue("a", account, json!({})))
            .then_rejected("bad_value", "this service's own");
    }
}

#[test]
fn a_role_has_its_own_permissions() {
    given([])
        .when(service(json!({ "publish": ["a.>"] })))
        .then_rejected("bad_value", "a role has its own permissions");
    given([])
        .when(issue(
            "a",
            "staff",
            json!({ "role": "administrator", "keys": ["k"] }),
        ))
        .then_rejected("bad_value", "only a user of role `service`");
    given([])
        .when(service(json!({ "keys": ["k", "l"] })))
        .then(["user orders issued"]);
    let many: Vec<_> = (0..65).map(|n| format!("k{n}")).collect();
    given([])
        .when(service(json!({ "keys": many })))
        .then_rejected("limit_reached", "64");
}

#[test]
fn permissions_are_subjects_and_an_empty_list_is_not_everything() {
    let plain = |json| given([create_account("plain")]).when(issue("a", "plain", json));
    plain(json!({ "publish": ["orders.>"], "subscribe": ["_INBOX.>"] })).then(["user a issued"]);
    plain(json!({ "publish": [] })).then_rejected("bad_value", "at least one subject");
    for wrong in ["", "a..b", "a b", "a.{{name()}}", ">.a"] {
        plain(json!({ "subscribe": [wrong] })).then_rejected("bad_value", "not a NATS subject");
    }
    let many = vec!["a"; 65];
    plain(json!({ "publish": many })).then_rejected("limit_reached", "64");
}

#[test]
fn a_user_expires_within_a_year() {
    for days in [0, 366] {
        given([])
            .when(service(json!({ "expires_days": days })))
            .then_rejected("out_of_range", "1 to 365");
    }
    let then = given([]).when(service(json!({})));
    let user = &then.world.ledger.user(&name("orders")).unwrap().state;
    assert_eq!(user.expires_at - user.issued_at, 90 * 86_400);
}

#[test]
fn a_user_expires_at_a_moment_that_is_named() {
    let at = |moment: keyledger_domain::Timestamp| service(json!({ "expires_at": moment }));
    for moment in [
        BEGINNING.plus_days(1),
        BEGINNING.plus_days(365),
        BEGINNING.plus_ms(61_000),
    ] {
        let then = given([]).when(at(moment)).then(["user orders issued"]);
        let user = &then.world.ledger.user(&name("orders")).unwrap().state;
        assert_eq!(user.expires_at, moment.seconds());
    }
    for (moment, words) in [
        (BEGINNING.plus_ms(59_000), "a minute away"),
        (BEGINNING.plus_days(-1), "a minute away"),
        (BEGINNING.plus_days(366), "365 days"),
    ] {
        given([]).when(at(moment)).then_rejected("bad_date", words);
    }
    let both = json!({ "expires_at": BEGINNING.plus_days(9), "expires_days": 9 });
    given([])
        .when(service(both))
        .then_rejected("bad_value", "not both");
    given([])
        .when(service(json!({ "expires_at": "soon" })))
        .then_rejected("malformed", "expires_at");
}

#[test]
fn a_user_stands_for_a_principal_that_still_acts() {
    let of_ann = service(json!({ "principal": "ann" }));
    given([])
        .when(of_ann.clone())
        .then_rejected("not_found", "principal ann");
    given([person("ann"), offboard("ann")])
        .when(of_ann)
        .then_rejected("ended", "");
}

#[test]
fn a_revoked_user_stands_on_its_accounts_list_under_a_rising_iat() {
    let then = given([service(json!({}))])
        .when(revoke_user("orders"))
        .then(["user orders revoked", "account staff revocation_added"]);
    let staff = &then.world.ledger.account(&name("staff")).unwrap().state;
    assert_eq!(
        staff.issued_at,
        then.world.now.seconds() + 1,
        "within the same second"
    );
    then.given().when(revoke_user("orders")).then_nothing();
    given([])
        .when(revoke_user("nobody"))
        .then_rejected("not_found", "user nobody");
}

#[test]
fn a_revocation_counts_also_for_what_a_clock_ahead_issued() {
    let then =
        given([Step::Later(2), service(json!({})), Step::Later(-2)]).when(revoke_user("orders"));
    let user = &then.world.ledger.user(&name("orders")).unwrap().state;
    let staff = &then.world.ledger.account(&name("staff")).unwrap().state;
    assert!(staff.revocations.refuses(&user.nkey, user.issued_at));
}

#[test]
fn the_last_administrator_is_never_revoked() {
    let second = || issue("second", "staff", json!({ "role": "administrator" }));
    given([])
        .when(revoke_user("root"))
        .then_rejected("in_use", "the last administrator");
    given([second()])
        .when(revoke_user("root"))
        .then(["user root revoked", "account staff revocation_added"]);
    given([second(), revoke_user("root")])
        .when(revoke_user("second"))
        .then_rejected("in_use", "the last administrator");
    // Nor by offboarding the person behind it.
    let body = json!({ "role": "administrator", "principal": "bob" });
    given([
        person("bob"),
        issue("bob-1", "staff", body),
        revoke_user("root"),
    ])
    .when(offboard("bob"))
    .then_rejected("in_use", "the last administrator");
}

#[test]
fn an_administrator_that_ends_in_a_moment_is_nobody_to_command_after_the_last() {
    let passing = json!({ "role": "administrator", "expires_at": "2026-01-01T00:05:00Z" });
    let passing = || issue("passing", "staff", passing.clone());
    given([passing()])
        .when(revoke_user("root"))
        .then_rejected("in_use", "passing ends at 2026-01-01T00:05:00.000Z");
    // The one that ends is not needed.
    given([passing()])
        .when(revoke_user("passing"))
        .then(["user passing revoked", "account staff revocation_added"]);
    // What ends itself as soon needs nobody that lasts longer.
    let shorter = json!({ "role": "administrator", "expires_at": "2026-01-01T00:04:00Z" });
    let days = json!({ "role": "administrator", "expires_days": 2 });
    given([
        issue("days", "staff", days),
        revoke_user("root"),
        Step::Later(1),
        issue(
            "short",
            "staff",
            json!({ "role": "administrator", "expires_at": "2026-01-03T12:00:00Z" }),
        ),
    ])
    .when(revoke_user("days"))
    .then(["user days revoked", "account staff revocation_added"]);
    given([passing(), issue("shorter", "staff", shorter)])
        .when(revoke_user("root"))
        .then_rejected("in_use", "the last administrator that stays");
}

#[test]
fn the_names_of_trust_keys_are_reserved() {
    for name in ["nats-account-apps", "nats-operator-2"] {
        let body = json!({ "algorithm": "ed25519" });
        given([])
            .when(command(Aggregate::Key, "generate", name, body))
            .then_rejected("bad_name", "NATS trust");
    }
}

#[test]
fn a_second_revocation_says_that_there_was_a_first_when_and_why() {
    use keyledger_domain::Command;
    let then = given([service(json!({})), revoke_user("orders")])
        .when(command(
            Aggregate::User,
            "revoke",
            "orders",
            json!({ "reason": "stolen" }),
        ))
        .then_nothing();
    let (again, _) =
        Command::parse(Aggregate::User, "revoke", br#"{ "reason": "stolen" }"#).unwrap();
    let orders = crate::support::history(Aggregate::User, "orders");
    let remarks = |changed| then.world.ledger.remarks(&orders, again.any(), changed);
    assert_eq!(
        remarks(false),
        ["it was revoked before, at 2026-01-01T00:00:00.000Z: because"]
    );
    assert!(
        remarks(true).is_empty(),
        "of the first there is nothing to say"
    );
}
