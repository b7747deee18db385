//! Private keys in every form that the world writes are seen, and what is public is not taken for one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use data_encoding::BASE64;
use keyledger_domain::{
    Aggregate, Command, Name, Rejection,
    private_key::{Found, PrivateKey, find, find_in_payload},
};
use serde_json::{Value, json};

/// The files that `tests/private_keys/make.sh` made.
fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/private_keys")
        .join(folder);
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read(path).unwrap())
    };
    let mut files: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| read(entry.unwrap().path()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_private_key_is_seen_in_whatever_form() {
    let files = files("private");
    assert!(files.len() > 45, "{}", files.len());
    for (name, bytes) in files {
        let form = name.split('.').next().unwrap();
        let found = find(&bytes).map(|what| format!("{what:?}"));
        assert_eq!(found.as_deref(), Some(form), "{name}");
        // As the command line sends what is not text.
        let found = find(BASE64.encode(&bytes).as_bytes());
        assert!(found.is_some(), "{name} in base64");
    }
}

#[test]
fn what_is_public_is_no_private_key() {
    let files = files("public");
    assert!(files.len() > 15, "{}", files.len());
    for (name, bytes) in files {
        assert_eq!(find(&bytes), None, "{name}");
        assert_eq!(find(BASE64.encode(&bytes).as_bytes()), None, "{name}");
    }
}

/// Every text field of every command, and a field that there is not.
#[test]
fn the_service_calls_it_compromised_in_whatever_field_it_comes() {
    for (name, bytes) in files("private") {
        let text = String::from_utf8(bytes.clone()).unwrap_or_else(|_| BASE64.encode(&bytes));
        for field in [
            "public_key",
            "reason",
            "title",
            "algorithm",
            "nkey",
            "no_such_field",
        ] {
            let payload = json!({ "algorithm": "ed25519", field: text }).to_string();
            let refused =
                Command::parse(Aggregate::Key, "register", payload.as_bytes()).unwrap_err();
            let Rejection::Compromised {
                field: named,
                fault,
            } = &refused
            else {
                panic!("{name} in {field}: {refused}");
            };
            assert_eq!(named, field, "{name}");
            assert!(fault.contains("treat it as compromised"), "{fault}");
            assert!(!refused.to_string().contains(&text), "{name}");
            assert_eq!((refused.reason(), refused.code()), ("compromised", 422));
        }
        // Instead of a payload.
        let refused = Command::parse(Aggregate::Key, "register", &bytes).unwrap_err();
        assert_eq!(refused.reason(), "compromised", "{name} alone: {refused}");
    }
}

#[test]
fn the_field_is_named_by_its_path() {
    let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    let path = |payload: Value| find_in_payload(payload.to_string().as_bytes());
    let found = |field: &str| {
        Some(Found {
            field: field.to_owned(),
            what: PrivateKey::Seed,
        })
    };
    assert_eq!(path(json!({ "nkey": seed })), found("nkey"));
    assert_eq!(
        path(json!({ "labels": { "note": seed } })),
        found("labels.note")
    );
    assert_eq!(path(json!({ "keys": ["k", seed] })), found("keys[1]"));
    assert_eq!(path(json!([{ "nkey": seed }])), found("[0].nkey"));
    assert_eq!(
        path(
            json!({ "reason": "the PRIVATE KEY of orders is BEGIN of trouble, as ever and ever" })
        ),
        None
    );
}

#[test]
fn a_seed_in_the_place_of_a_name_is_not_said_back() {
    let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    let refused = Name::new(seed).unwrap_err().to_string();
    assert!(!refused.contains(seed), "{refused}");
}

/// Each `S` could begin a seed: only so many are tried.
#[test]
fn what_only_looks_long_costs_little() {
    let payload = json!({ "public_key": "SU".repeat(30_000) }).to_string();
    assert_eq!(find_in_payload(payload.as_bytes()), None);
}
