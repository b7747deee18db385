//! Commands signed by a key on a person's token: whose they are, and how long a signature counts.

use keyledger_domain::{
    Aggregate, Rejection, Role,
    ledger::Known,
    signed::{RequiredSignatures, check_age, command_statement},
    token::Step as Stage,
};
use serde_json::json;
use uuid::Uuid;

use crate::support::{
    Say, Step, World, given, issue, key, name, please, provision, provisioned, register, revoke,
    say, then, token,
};

/// ann, with a provisioned token of a shipped profile, and her user; bob with a user of his own.
fn people() -> Vec<Step> {
    let administrator = |principal| json!({ "role": "administrator", "principal": principal });
    let users = [
        issue("ann-desk", "staff", administrator("ann")),
        issue("bob-desk", "staff", administrator("bob")),
        issue("nobody", "staff", json!({ "role": "administrator" })),
    ];
    then(provisioned("service"), users)
}

fn known(user: &str) -> Known {
    let (user, role) = (name(user), Role::Administrator);
    Known { user, role }
}

fn refusal(world: &World, user: &str, key: &str) -> String {
    let signer = world
        .ledger
        .reader()
        .token_signer(&known(user), &name(key), world.now);
    let no = signer.unwrap_err();
    assert_eq!(no.reason(), "bad_signature");
    no.to_string()
}

#[track_caller]
fn refused(more: impl IntoIterator<Item = Step>, [user, key]: [&str; 2], words: &str) {
    let world = given(then(people(), more)).world();
    let said = refusal(&world, user, key);
    assert!(said.contains(words), "{said}");
}

const NINE_C: &str = "12345678-9c-2";

#[test]
fn the_keys_in_9c_and_9a_of_ones_own_provisioned_token_sign() {
    let world = given(people()).world();
    for slot in ["9a-1", "9c-2"] {
        let key = name(&format!("12345678-{slot}"));
        let signer = world
            .ledger
            .reader()
            .token_signer(&known("ann-desk"), &key, world.now)
            .unwrap();
        assert_eq!(signer.key, key);
        assert_eq!(signer.token, name("12345678"));
        let of_ledger = world.ledger.key(&key).unwrap().state.newest().unwrap();
        assert_eq!(Some(&signer.public_key), of_ledger.public_key.as_ref());
    }
    let said = refusal(&world, "ann-desk", "12345678-9d-3");
    assert!(said.contains("piv.9d"), "{said}");
}

#[test]
fn nobody_signs_with_what_is_not_theirs() {
    refused([], ["bob-desk", NINE_C], "is not bob's");
    refused([], ["nobody", NINE_C], "stands for no principal");
    refused([], ["ann-desk", "12345678-9c-9"], "there is no key");
    let own = key("describe", "k", json!({ "owner": "ann" }));
    refused(
        [register("k"), please("activate", "k"), own],
        ["ann-desk", "k"],
        "lies on no token",
    );
}

#[test]
fn a_key_that_is_no_longer_active_signs_nothing() {
    for (step, words) in [
        (revoke(NINE_C, "key_compromise"), "is compromised"),
        (please("suspend", NINE_C), "is suspended"),
        (please("deactivate", NINE_C), "is deactivated"),
        (token("lose", json!({})), "is compromised"),
        (Step::Later(366), "no longer signs"),
    ] {
        refused([step], ["ann-desk", NINE_C], words);
    }
}

#[test]
fn a_token_that_is_another_s_or_in_doubt_signs_nothing() {
    let given_away = || key("describe", NINE_C, json!({ "owner": "bob" }));
    refused([given_away()], ["ann-desk", NINE_C], "is not ann's");
    refused(
        [given_away()],
        ["bob-desk", NINE_C],
        "12345678 is not bob's",
    );
    refused(
        [provision("service")],
        ["ann-desk", NINE_C],
        "12345678 is provisioning",
    );
    refused(
        [
            provision("service"),
            say(Say::Begin(Stage::Taken)),
            say(Say::Begin(Stage::Reset)),
            say(Say::Begin(Stage::Secrets)),
        ],
        ["ann-desk", NINE_C],
        NINE_C,
    );
}

#[test]
fn a_statement_names_everything_that_it_is_about() {
    let id = Uuid::parse_str("01997c00-0000-7000-8000-000000000001").unwrap();
    let said = command_statement("keys.commands.key.revoke.k", id, "UANN", &[0xab; 32]);
    let expected = format!(
        "keyledger signed command v1\nkeys.commands.key.revoke.k\n{id}\nUANN\n{}\n",
        "ab".repeat(32)
    );
    assert_eq!(String::from_utf8(said).unwrap(), expected);
}

#[test]
fn a_signature_counts_for_ten_minutes() {
    let world = given([]).world();
    let now = world.now;
    let at = |ms: i64| {
        let ms = u64::try_from(now.ms() + ms).unwrap();
        check_age(
            uuid::Builder::from_unix_timestamp_millis(ms, &[7; 10]).into_uuid(),
            now,
        )
    };
    for ms in [0, -599_000, 59_000] {
        at(ms).unwrap();
    }
    for (ms, words) in [(-601_000, "10 minutes ago"), (61_000, "in the future")] {
        let no = at(ms).unwrap_err();
        assert!(no.to_string().contains(words), "{no}");
    }
    for id in [Uuid::nil(), Uuid::max(), Uuid::from_u128(4 << 76 | 2 << 62)] {
        let no = check_age(id, now).unwrap_err();
        assert!(matches!(no, Rejection::BadSignature { .. }), "{id}: {no}");
    }
}

#[test]
fn what_must_be_signed_is_said_in_verbs() {
    let required: RequiredSignatures = "token.release, administrator:key.destroy,".parse().unwrap();
    assert_eq!(
        required.to_string(),
        "administrator:key.destroy,token.release"
    );
    for (role, aggregate, verb, must) in [
        (Role::Administrator, Aggregate::Token, "release", true),
        (Role::Approver, Aggregate::Token, "release", true),
        (Role::Administrator, Aggregate::Key, "destroy", true),
        (Role::Service, Aggregate::Key, "destroy", false),
        (Role::Administrator, Aggregate::Key, "revoke", false),
    ] {
        assert_eq!(
            required.requires(role, aggregate, verb),
            must,
            "{role} {aggregate}.{verb}"
        );
    }
    assert!("".parse::<RequiredSignatures>().unwrap().is_empty());
    for wrong in [
        "release",
        "token.frobnicate",
        "king:key.destroy",
        "key.*",
        "agent:key.destroy",
    ] {
        let no = wrong.parse::<RequiredSignatures>().unwrap_err();
        assert!(no.to_string().contains(wrong), "{no}");
    }
}
