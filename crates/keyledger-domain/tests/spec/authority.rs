//! Whom the ledger knows, and what their role may command.

use keyledger_domain::{
    Command, Role,
    ledger::{Claimed, Known},
    name::Aggregate,
};
use nkeys::KeyPairType::{Account, User};
use serde_json::json;

use crate::support::{Step, World, active, authority, given, issue, key_pair, name, revoke_user};

/// Nkeys of the organisation: account `staff`, its administrators' and its services' issuer, and `root`.
struct Nkeys {
    staff: String,
    administrators: String,
    services: String,
    root: String,
}

fn nkeys() -> Nkeys {
    Nkeys {
        staff: key_pair(Account, 24).public_key(),
        administrators: key_pair(Account, 25).public_key(),
        services: key_pair(Account, 26).public_key(),
        root: key_pair(User, 30).public_key(),
    }
}

#[track_caller]
fn refused(world: &World, [account, user, issuer]: [&str; 3], words: &str) {
    let claimed = Claimed {
        account,
        user,
        issuer,
    };
    let no = world
        .ledger
        .reader()
        .identify(claimed, world.now)
        .unwrap_err();
    assert_eq!(no.reason(), "unauthorised");
    assert!(no.to_string().contains(words), "{no}");
}

/// What a program may do with its own keys. Revoking, destroying and recovering are people's.
const SERVICE_VERBS: [&str; 8] = [
    "generate",
    "register",
    "activate",
    "suspend",
    "resume",
    "deactivate",
    "rotate",
    "describe",
];

#[test]
fn a_sender_is_known_by_account_user_and_issuer() {
    let world = World::organisation();
    let n = nkeys();
    let claimed = Claimed {
        account: &n.staff,
        user: &n.root,
        issuer: &n.administrators,
    };
    let known = world.ledger.reader().identify(claimed, world.now).unwrap();
    let (user, role) = (name("root"), Role::Administrator);
    assert_eq!(known, Known { user, role });
}

#[test]
fn a_sender_with_one_strange_nkey_is_refused() {
    let world = World::organisation();
    let n = nkeys();
    let stranger = key_pair(Account, 99).public_key();
    let service = key_pair(Account, 22).public_key();
    refused(
        &world,
        [&stranger, &n.root, &n.administrators],
        "account is not in the ledger",
    );
    refused(
        &world,
        [&n.staff, &stranger, &n.administrators],
        "user is not in the ledger",
    );
    refused(
        &world,
        [&n.staff, &n.root, &stranger],
        "not issued under a role",
    );
    refused(
        &world,
        [&n.staff, &n.root, &n.services],
        "not issued under a role",
    );
    refused(
        &world,
        [&service, &n.root, &n.administrators],
        "may not command",
    );
}

#[test]
fn a_revoked_or_expired_sender_is_refused() {
    let n = nkeys();
    let root = [&*n.staff, &n.root, &n.administrators];
    refused(
        &given([
            issue("second", "staff", json!({ "role": "administrator" })),
            revoke_user("root"),
        ])
        .world(),
        root,
        "revoked or has expired",
    );
    refused(
        &given([Step::Later(365)]).world(),
        root,
        "revoked or has expired",
    );
}

#[test]
fn a_service_commands_its_namesake_and_the_keys_it_was_given() {
    let world = given([issue(
        "orders",
        "staff",
        json!({ "role": "service", "keys": ["shared"] }),
    )])
    .world();
    let service = Known {
        user: name("orders"),
        role: Role::Service,
    };
    let may = |verb: &str, target: &str| {
        let minimal: &[u8] = match verb {
            "generate" => br#"{"algorithm":"ed25519"}"#,
            "register" => br#"{"algorithm":"ed25519","public_key":""}"#,
            "revoke" => br#"{"reason":"r","revocation_reason":"superseded"}"#,
            "note" => br#"{"text":"looked at"}"#,
            "certify" => br#"{"subject":"Orders","days":30}"#,
            "install" => br#"{"certificate":""}"#,
            "revoke-certificate" => {
                br#"{"reason":"r","serial":"1","revocation_reason":"superseded"}"#
            }
            _ => br#"{"reason":"r"}"#,
        };
        let (command, _) = Command::parse(Aggregate::Key, verb, minimal).unwrap();
        world
            .ledger
            .reader()
            .authorise(&service, &name(target), command.any())
            .is_ok()
    };
    for verb in keyledger_domain::key::Command::VERBS.iter().map(|v| v.verb) {
        let expected = SERVICE_VERBS.contains(&verb);
        assert_eq!(may(verb, "orders"), expected, "{verb}");
        assert_eq!(may(verb, "shared"), expected, "{verb}");
        assert!(!may(verb, "other"), "{verb}");
    }
}

#[test]
fn a_service_named_like_a_trust_key_gets_nothing_from_it() {
    for id in ["ledger-signing", "account-staff"] {
        let world = given([issue(id, "staff", json!({ "role": "service" }))]).world();
        let (command, _) = Command::parse(Aggregate::Key, "rotate", b"").unwrap();
        let service = Known {
            user: name(id),
            role: Role::Service,
        };
        assert!(
            world
                .ledger
                .reader()
                .authorise(&service, &name(id), command.any())
                .is_err()
        );
    }
}

#[test]
fn an_authority_is_no_services_to_end() {
    let [root, certified] = authority("root-ca");
    let steps = [
        active("orders"),
        root,
        certified,
        issue(
            "root-ca",
            "staff",
            json!({ "role": "service", "keys": ["orders"] }),
        ),
    ];
    let world = given(steps).world();
    let service = Known {
        user: name("root-ca"),
        role: Role::Service,
    };
    let may = |verb: &str, target: &str| {
        let (command, _) = Command::parse(Aggregate::Key, verb, br#"{"reason":"r"}"#).unwrap();
        world
            .ledger
            .reader()
            .authorise(&service, &name(target), command.any())
            .is_ok()
    };
    for verb in ["suspend", "deactivate"] {
        assert!(may(verb, "orders"), "{verb}");
        assert!(!may(verb, "root-ca"), "{verb}");
    }
}

#[test]
fn each_role_commands_what_is_its_own() {
    let world = World::organisation();
    for role in Role::ALL {
        let known = Known {
            user: name("root"),
            role,
        };
        let (command, _) = Command::parse(Aggregate::User, "revoke", br#"{"reason":"r"}"#).unwrap();
        let allowed = world
            .ledger
            .reader()
            .authorise(&known, &name("orders"), command.any())
            .is_ok();
        assert_eq!(allowed, role == Role::Administrator, "{role}");
    }
}

#[test]
fn what_is_secret_is_an_approvers_to_ask_for() {
    let world = World::organisation();
    let body = br#"{"reason":"r","seal_to":"X"}"#;
    for (aggregate, verb) in [
        (Aggregate::Token, "release"),
        (Aggregate::Principal, "recover-key"),
    ] {
        let (command, _) = Command::parse(aggregate, verb, body).unwrap();
        for role in Role::ALL {
            let known = Known {
                user: name("root"),
                role,
            };
            let allowed = world
                .ledger
                .reader()
                .authorise(&known, &name("ann"), command.any())
                .is_ok();
            assert_eq!(allowed, role == Role::Approver, "{verb} by {role}");
        }
    }
}
