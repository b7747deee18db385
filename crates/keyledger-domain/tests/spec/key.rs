//! The life of a key.

use serde_json::json;

use crate::support::{
    Step, active, erased, generate, given, key, offboard, person, please, register, revoke, spki,
};

#[test]
fn a_key_is_generated_pre_active() {
    given([])
        .when(generate("k"))
        .then(["key k generated"])
        .and_state("k", "pre-active");
}

#[test]
fn a_key_is_activated_at_once_if_that_is_asked() {
    given([])
        .when(active("k"))
        .then(["key k generated", "key k activated"])
        .and_state("k", "active");
}

#[test]
fn a_public_key_is_registered_and_its_secret_half_is_elsewhere() {
    let then = given([]).when(register("k")).then(["key k registered"]);
    let key = then.world.key("k");
    assert_eq!(key.custodian, keyledger_domain::key::Custodian::External);
    assert_eq!(key.entries().count(), 0);
    assert_eq!(
        key.newest().unwrap().public_key.as_deref(),
        Some(&*spki(7_000))
    );
}

#[test]
fn a_name_is_never_used_again_not_even_after_destruction() {
    let gone = [generate("k"), please("destroy", "k"), erased("k")];
    given(gone.clone())
        .when(generate("k"))
        .then_rejected("name_taken", "never used again");
    given(gone)
        .when(register("k"))
        .then_rejected("name_taken", "key k");
}

#[test]
fn a_private_key_is_refused_and_called_compromised() {
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----";
    given([])
        .when(key(
            "register",
            "k",
            json!({ "algorithm": "ed25519", "public_key": pem }),
        ))
        .then_rejected("compromised", "treat it as compromised");
}

#[test]
fn a_key_of_another_algorithm_is_refused() {
    given([])
        .when(key(
            "register",
            "k",
            json!({ "algorithm": "p-256", "public_key": spki(1) }),
        ))
        .then_rejected("bad_value", "p-256");
    given([])
        .when(key(
            "register",
            "k",
            json!({ "algorithm": "aes-256", "public_key": spki(1) }),
        ))
        .then_rejected("bad_value", "symmetric");
}

#[test]
fn a_purpose_must_be_one_the_algorithm_can_serve() {
    let asked = |purposes: &[&str]| {
        key(
            "generate",
            "k",
            json!({ "algorithm": "ed25519", "purposes": purposes }),
        )
    };
    given([])
        .when(asked(&["encrypt"]))
        .then_rejected("purpose_not_possible", "ed25519 cannot encrypt");
    given([])
        .when(asked(&[]))
        .then_rejected("bad_value", "at least one");
    given([])
        .when(asked(&["sign", "certify"]))
        .then(["key k generated"]);
}

#[test]
fn a_parent_must_exist_and_still_be_in_use() {
    let below = |parent: &str| {
        key(
            "generate",
            "child",
            json!({ "algorithm": "aes-256", "parent": parent }),
        )
    };
    given([])
        .when(below("kek"))
        .then_rejected("not_found", "no key kek");
    given([active("kek")])
        .when(below("kek"))
        .then(["key child generated"]);
    given([active("kek"), please("deactivate", "kek")])
        .when(below("kek"))
        .then_rejected("ended", "key kek");
}

#[test]
fn an_owner_must_be_a_principal_that_still_acts() {
    let owned = |owner: &str| key("describe", "k", json!({ "owner": owner }));
    given([active("k")])
        .when(owned("ann"))
        .then_rejected("not_found", "principal ann");
    given([active("k"), person("ann")])
        .when(owned("ann"))
        .then(["key k described"]);
    given([active("k"), person("ann"), offboard("ann")])
        .when(owned("ann"))
        .then_rejected("ended", "principal ann");
}

#[test]
fn describing_what_is_already_so_writes_nothing() {
    let described = key(
        "describe",
        "k",
        json!({ "title": "Orders", "labels": { "env": "prod" } }),
    );
    given([active("k"), described.clone()])
        .when(described)
        .then_nothing();
    given([active("k")])
        .when(key("describe", "k", json!({})))
        .then_rejected("nothing_to_change", "");
}

#[test]
fn a_destroyed_key_is_still_described() {
    given([generate("k"), please("destroy", "k")])
        .when(key("describe", "k", json!({ "disposal": "shredded" })))
        .then(["key k described"]);
}

#[test]
fn a_compromise_makes_a_key_compromised_and_any_other_reason_deactivated() {
    given([active("k")])
        .when(revoke("k", "key_compromise"))
        .and_state("k", "compromised");
    given([active("k")])
        .when(revoke("k", "ca_compromise"))
        .and_state("k", "compromised");
    for reason in [
        "unspecified",
        "affiliation_changed",
        "superseded",
        "cessation_of_operation",
        "privilege_withdrawn",
    ] {
        given([active("k")])
            .when(revoke("k", reason))
            .and_state("k", "deactivated");
    }
}

#[test]
fn a_pre_active_key_is_revoked_for_a_compromise_only() {
    given([generate("k")])
        .when(revoke("k", "superseded"))
        .then_rejected("not_allowed", "pre-active");
    let then = given([generate("k")])
        .when(revoke("k", "key_compromise"))
        .and_state("k", "compromised");
    assert_eq!(
        then.world.key("k").deactivated_at,
        None,
        "it was never active"
    );
}

#[test]
fn a_compromise_found_after_destruction_is_recorded() {
    given([generate("k"), please("destroy", "k")])
        .when(revoke("k", "key_compromise"))
        .then(["key k revoked"])
        .and_state("k", "destroyed-compromised");
    given([generate("k"), please("destroy", "k")])
        .when(revoke("k", "superseded"))
        .then_rejected("not_allowed", "destroyed");
}

#[test]
fn a_compromised_key_is_destroyed_as_compromised() {
    given([active("k"), revoke("k", "key_compromise")])
        .when(please("destroy", "k"))
        .then(["key k destroyed"])
        .and_state("k", "destroyed-compromised");
}

#[test]
fn a_revocation_that_stands_is_accepted_and_another_one_is_not() {
    let compromised = given([active("k"), revoke("k", "key_compromise")]);
    compromised
        .clone()
        .when(revoke("k", "key_compromise"))
        .then_nothing();
    compromised
        .clone()
        .when(revoke("k", "ca_compromise"))
        .then_rejected(
            "not_allowed",
            "key k was revoked before, at 2026-01-01T00:00:00.000Z for key_compromise (because)",
        );
    compromised
        .when(revoke("k", "superseded"))
        .then_rejected("not_allowed", "`keyledger key history k`");
    given([active("k"), revoke("k", "superseded")])
        .when(revoke("k", "cessation_of_operation"))
        .then_rejected("not_allowed", "for superseded (because)");
    // One that was never revoked says what it is.
    given([active("k"), please("deactivate", "k")])
        .when(revoke("k", "superseded"))
        .then_rejected("not_allowed", "a key that is deactivated");
    let deactivated = given([active("k"), revoke("k", "superseded")]);
    deactivated
        .clone()
        .when(revoke("k", "superseded"))
        .then_nothing();
    deactivated
        .when(revoke("k", "key_compromise"))
        .and_state("k", "compromised");
}

#[test]
fn the_day_of_a_compromise_is_kept_apart_from_its_detection() {
    let then = given([active("k"), Step::Later(60)]).when(key(
        "revoke",
        "k",
        json!({
            "reason": "laptop stolen", "revocation_reason": "key_compromise",
            "compromise_occurred_at": "2026-01-24T00:00:00Z",
        }),
    ));
    let revocation = then.world.key("k").revocation.clone().unwrap();
    assert_eq!(
        revocation.compromise_occurred_at,
        Some("2026-01-24T00:00:00Z".parse().unwrap())
    );
    assert_eq!(revocation.compromise_detected_at, Some(then.world.now));
}

#[test]
fn the_dates_of_a_compromise_cannot_contradict_each_other() {
    let revoked = |reason: &str, occurred: &str, detected: &str| {
        let json = json!({
            "reason": "r", "revocation_reason": reason,
            "compromise_occurred_at": occurred, "compromise_detected_at": detected,
        });
        given([active("k"), Step::Later(60)]).when(key("revoke", "k", json))
    };
    let (early, late, future) = (
        "2026-02-01T00:00:00Z",
        "2026-02-02T00:00:00Z",
        "2026-04-01T00:00:00Z",
    );
    revoked("key_compromise", early, late).then(["key k revoked"]);
    revoked("key_compromise", late, early).then_rejected("bad_date", "before it occurred");
    revoked("key_compromise", early, future).then_rejected("bad_date", "future");
    revoked("superseded", early, late).then_rejected("bad_date", "only a revocation");
}

#[test]
fn an_active_key_is_deactivated_before_it_is_destroyed() {
    given([active("k")])
        .when(please("destroy", "k"))
        .then_rejected("not_allowed", "active");
    given([active("k"), please("deactivate", "k")])
        .when(please("destroy", "k"))
        .and_state("k", "destroyed");
}

#[test]
fn destruction_names_every_entry_and_erasure_is_recorded_once() {
    let then = given([
        active("k"),
        please("rotate", "k"),
        please("deactivate", "k"),
    ])
    .when(please("destroy", "k"));
    assert_eq!(then.world.key("k").entries().count(), 2);
    let then = then
        .given()
        .when(erased("k"))
        .then(["key k material_erased"]);
    then.given().when(erased("k")).then_nothing();
    given([active("k")]).when(erased("k")).then_nothing();
}

#[test]
fn a_rotated_key_has_a_new_version_and_keeps_the_old_ones() {
    let then = given([active("k")])
        .when(please("rotate", "k"))
        .then(["key k rotated"]);
    let versions = &then.world.key("k").versions;
    assert_eq!(
        versions.iter().map(|v| v.number).collect::<Vec<_>>(),
        [1, 2]
    );
    assert_ne!(versions[0].public_key, versions[1].public_key);
}

#[test]
fn a_key_kept_elsewhere_is_rotated_to_the_public_key_that_is_sent() {
    let rotated = |public_key: Option<String>| {
        given([register("k"), please("activate", "k")]).when(key(
            "rotate",
            "k",
            json!({ "public_key": public_key }),
        ))
    };
    rotated(Some(spki(8_000))).then(["key k rotated"]);
    rotated(Some(spki(7_000))).then_rejected("bad_value", "already");
    rotated(None).then_rejected("bad_value", "send the new version's public key");
    given([active("k")])
        .when(key("rotate", "k", json!({ "public_key": spki(1) })))
        .then_rejected("bad_value", "leave the field out");
}

#[test]
fn an_archived_key_is_recovered_and_leaves_the_archive_when_it_is_destroyed() {
    let archived = given([
        active("k"),
        please("deactivate", "k"),
        please("archive", "k"),
    ]);
    assert!(archived.clone().world().key("k").archived);
    archived.clone().when(please("archive", "k")).then_nothing();
    archived
        .clone()
        .when(please("recover", "k"))
        .then(["key k recovered"]);
    let then = archived
        .when(please("destroy", "k"))
        .then(["key k destroyed"]);
    assert!(!then.world.key("k").archived);
}

#[test]
fn what_nats_trust_stands_on_is_not_touched_by_commands_for_keys() {
    for verb in ["suspend", "deactivate", "rotate", "destroy", "schedule"] {
        given([])
            .when(please(verb, "account-staff"))
            .then_rejected("in_use", "account staff");
    }
    given([])
        .when(revoke("operator-acme", "key_compromise"))
        .then_rejected("in_use", "operator acme");
    given([])
        .when(key(
            "describe",
            "account-staff",
            json!({ "disposal": "with the account" }),
        ))
        .then(["key account-staff described"]);
}

#[test]
fn the_key_that_signs_the_ledger_can_only_be_rotated() {
    for verb in ["suspend", "deactivate", "destroy", "archive"] {
        given([])
            .when(please(verb, "ledger-signing"))
            .then_rejected("in_use", "rotate it instead");
    }
    given([])
        .when(revoke("ledger-signing", "key_compromise"))
        .then_rejected("in_use", "the ledger");
    given([])
        .when(please("rotate", "ledger-signing"))
        .then(["key ledger-signing rotated"]);
    given([])
        .when(generate("ledger-signing"))
        .then_rejected("name_taken", "");
}

#[test]
fn a_remark_is_noted_with_its_date_and_changes_nothing_about_the_key() {
    let note = |body| key("note", "k", body);
    let then = given([active("k")])
        .when(note(
            json!({ "text": "seen in a backup", "at": "2025-12-24T00:00:00Z" }),
        ))
        .then(["key k noted"])
        .and_state("k", "active");
    let records = then.world.records();
    let data = serde_json::to_value(&records.last().unwrap().0.event).unwrap();
    let at = "2025-12-24T00:00:00.000Z";
    assert_eq!(data, json!({ "text": "seen in a backup", "at": at }));
    // The same once more is a second remark: somebody has seen it twice.
    then.given()
        .when(note(json!({ "text": "seen in a backup" })))
        .then(["key k noted"]);
    // Also on what NATS trust or the ledger stands on.
    given([])
        .when(key("note", "ledger-signing", json!({ "text": "audited" })))
        .then(["key ledger-signing noted"]);
}

#[test]
fn a_remark_is_about_the_past() {
    for (at, words) in [
        ("2026-01-01T00:00:01Z", "future"),
        ("1969-12-31T00:00:00Z", "before 1970"),
    ] {
        given([active("k")])
            .when(key("note", "k", json!({ "text": "t", "at": at })))
            .then_rejected("bad_date", words);
    }
}
