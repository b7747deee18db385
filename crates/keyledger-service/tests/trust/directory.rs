//! The directory that `init` writes, and what the real tools say of it.

use std::{os::unix::fs::PermissionsExt, path::Path, process::Command, time::Instant};

use keyledger_claims::{AccountBody, OperatorBody, decode};
use keyledger_custody::{KdfCost, Passphrase, UnsealError};
use keyledger_domain::verify::export;
use keyledger_service::trust::{InitError, Organisation, Root, RootError, initialise};
use keyledger_testkit::{PATIENCE, run, tools};

use crate::support::{World, options};

fn walk(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut all = vec![directory.to_owned()];
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(walk(&path))
        } else {
            all.push(path)
        }
    }
    all
}

#[test]
fn everything_is_its_owners_alone() {
    let home = tempfile::tempdir().unwrap();
    let organisation = initialise(options(home.path().join("acme"))).unwrap();
    for path in walk(organisation.directory()) {
        let mode = path.metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!(
            mode,
            if path.is_dir() { 0o700 } else { 0o600 },
            "{}",
            path.display()
        );
    }
    assert_eq!(
        Organisation::open(organisation.directory()).unwrap(),
        organisation
    );
    // Nothing but the directory itself was left beside it.
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn nothing_is_written_over_and_nothing_stays_of_a_failure() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("acme");
    let organisation = initialise(options(directory.clone())).unwrap();
    let again = initialise(options(directory.clone()));
    assert!(matches!(again, Err(InitError::Directory(_))));
    assert_eq!(Organisation::open(&directory).unwrap(), organisation);

    let mut bad = options(home.path().join("other"));
    bad.title = " ".to_owned();
    assert!(matches!(initialise(bad), Err(InitError::Title(_))));
    let mut bad = options(home.path().join("other"));
    bad.url = "not a url".to_owned();
    assert!(matches!(initialise(bad), Err(InitError::Url(_))));
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);

    // An empty directory is as good as none.
    let empty = home.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    initialise(options(empty)).unwrap();
}

/// `kill -9` while an organisation is made: its seeds must not lie about for ever, and the next one must not be in its way.
#[test]
fn what_a_killed_init_left_goes_with_the_next_one() {
    let home = tempfile::tempdir().unwrap();
    let beside = |name: &str| home.path().join(name);
    let draft = |digit: &str| beside(&format!(".acme.{}", digit.repeat(32)));
    let (killed, running) = (draft("1"), draft("2"));
    let kept = [
        running.clone(),
        beside(".acme.backup"),
        beside(&format!(".acme-2.{}", "1".repeat(32))),
        beside("elsewhere"),
    ];
    for directory in kept.iter().chain([&killed]) {
        std::fs::create_dir_all(directory.join("creds")).unwrap();
        std::fs::write(directory.join("creds/admin.creds"), "a seed").unwrap();
    }
    let link = draft("3");
    std::os::unix::fs::symlink(beside("elsewhere"), &link).unwrap();
    let lock = std::fs::File::open(&running).unwrap();
    lock.try_lock().unwrap();
    initialise(options(beside("acme"))).unwrap();
    assert!(!killed.exists());
    for directory in kept.iter().chain([&link]) {
        assert!(
            directory.join("creds/admin.creds").exists(),
            "{directory:?}"
        );
    }
    // Nobody writes it any more. A process that another test is starting at this moment holds the lock until it is another program.
    drop(lock);
    let begun = Instant::now();
    while running.exists() {
        assert!(begun.elapsed() < PATIENCE, "{running:?}");
        assert!(initialise(options(beside("acme"))).is_err());
    }
}

#[test]
fn a_passphrase_opens_the_root_key_and_nothing_else_does() {
    let home = tempfile::tempdir().unwrap();
    let phrase = || Passphrase::new("correct horse battery".to_owned()).unwrap();
    let mut sealed = options(home.path().join("acme"));
    sealed.root = Root::Passphrase(phrase(), KdfCost::LEAST);
    let organisation = initialise(sealed).unwrap();
    let custody = organisation.custody(Some(&phrase())).unwrap();
    assert!(!custody.root().to_string().is_empty());
    assert!(matches!(
        organisation.custody(None),
        Err(RootError::NoPassphrase)
    ));
    let wrong = Passphrase::new("correct horse bakery".to_owned()).unwrap();
    assert!(matches!(
        organisation.custody(Some(&wrong)),
        Err(RootError::Unseal(UnsealError::Sealed(_)))
    ));
}

/// Whoever can write into the directory has not the root key: the service must not work with it for a ledger of theirs, nor for a
/// server of theirs, which could say that anybody is the administrator.
#[test]
fn a_changed_organisation_opens_no_custody() {
    let home = tempfile::tempdir().unwrap();
    let phrase = || Passphrase::new("correct horse battery".to_owned()).unwrap();
    let make = |name: &str| {
        let mut sealed = options(home.path().join(name));
        sealed.root = Root::Passphrase(phrase(), KdfCost::LEAST);
        initialise(sealed).unwrap()
    };
    let (ours, theirs) = (make("acme"), make("evil"));
    let path = ours.directory().join("keyledger.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
    let open = || Organisation::open(ours.directory()).unwrap();
    let their_text = std::fs::read_to_string(theirs.directory().join("keyledger.json")).unwrap();
    let mut changed = vec![their_text];
    for (field, value) in [
        ("url", "nats://evil.example:4222"),
        ("operator", &theirs.operator),
        ("genesis", &theirs.genesis),
        ("admin_account", &theirs.admin_account),
        ("prefix", "evil"),
        ("seal", ""),
    ] {
        let mut other = whole.clone();
        other[field] = value.into();
        changed.push(other.to_string());
    }
    // As if it were of an organisation that was made before there were seals.
    let mut stripped = whole.clone();
    stripped.as_object_mut().unwrap().remove("seal");
    changed.push(stripped.to_string());
    stripped["version"] = 1.into();
    changed.push(stripped.to_string());
    for changed in changed {
        std::fs::write(&path, &changed).unwrap();
        let opened = open().custody(Some(&phrase()));
        assert!(
            matches!(opened, Err(RootError::Changed { .. })),
            "{changed}"
        );
    }
    std::fs::write(&path, text).unwrap();
    open().custody(Some(&phrase())).unwrap();
}

#[test]
fn the_genesis_events_are_an_export_that_verifies() {
    let home = tempfile::tempdir().unwrap();
    let organisation = initialise(options(home.path().join("acme"))).unwrap();
    let text = std::fs::read_to_string(organisation.genesis_file()).unwrap();
    let mut reader = export::Reader::new(keyledger_domain::verify::Options {
        prefix: Some("keys".to_owned()),
        expected_operator: Some(organisation.operator.clone()),
        earlier_heads: Vec::new(),
    });
    for line in text.lines() {
        reader.take(line).unwrap();
    }
    let report = reader.finish().unwrap();
    assert!(report.head_verified);
    assert_eq!(
        report.signers.keys().collect::<Vec<_>>(),
        [&organisation.operator]
    );
}

#[test]
fn no_seed_lies_anywhere_but_in_creds() {
    let home = tempfile::tempdir().unwrap();
    let organisation = initialise(options(home.path().join("acme"))).unwrap();
    for path in walk(organisation.directory())
        .iter()
        .filter(|path| path.is_file())
    {
        let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        let seeds = text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| {
                word.len() == 58 && ["SO", "SA", "SU", "SX"].iter().any(|s| word.starts_with(s))
            });
        let expected = usize::from(path.extension().is_some_and(|e| e == "creds"));
        assert_eq!(seeds.count(), expected, "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nsc_takes_operator_and_accounts() {
    let home = tempfile::tempdir().unwrap();
    let organisation = initialise(options(home.path().join("acme"))).unwrap();
    let jwt = |of: &str| organisation.directory().join(format!("jwt/{of}.jwt"));
    let operator = std::fs::read_to_string(jwt("operator")).unwrap();
    assert!(
        decode::<OperatorBody>(&operator)
            .unwrap()
            .nats
            .strict_signing_key_usage
    );
    for account in [
        "sys",
        "keys",
        "views",
        "admin",
        "approvers",
        "auditors",
        "services",
    ] {
        let token = std::fs::read_to_string(jwt(account)).unwrap();
        let claims = decode::<AccountBody>(&token).unwrap();
        assert!(
            claims.validate().is_empty(),
            "{account}: {:?}",
            claims.validate()
        );
    }
    let nsc = |arguments: &[&str]| {
        let mut command = Command::new(tools::nsc());
        command
            .args(arguments)
            .env("HOME", home.path())
            .env("XDG_CONFIG_HOME", home.path().join("config"))
            .env("XDG_DATA_HOME", home.path().join("data"))
            .env("NSC_NO_GIT_IGNORE", "true");
        run(command, b"", PATIENCE)
    };
    let path = |of: &str| jwt(of).display().to_string();
    let _ = nsc(&["add", "operator", "-u", &path("operator")])
        .await
        .expect_success();
    for account in [
        "sys",
        "keys",
        "views",
        "admin",
        "approvers",
        "auditors",
        "services",
    ] {
        let _ = nsc(&["import", "account", "--file", &path(account)])
            .await
            .expect_success();
    }
    let _ = nsc(&["validate", "--all-accounts"]).await.expect_success();
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_runs_twice_and_after_a_crash() {
    let world = World::new().await;
    let first = world.setup().await;
    assert_eq!(
        first.made,
        [
            "KEYS_EVENTS",
            "KV_KEYS_MATERIAL",
            "KEYS_TASKS",
            "KV_KEYS_INVENTORY"
        ]
    );
    assert!(
        first.uploaded > 10 && first.genesis_events > 30,
        "{first:?}"
    );
    let second = world.setup().await;
    assert_eq!(
        (second.made.len(), second.uploaded, second.genesis_events),
        (0, 0, 0)
    );

    // The marker is gone, as if it had been cut off right before.
    std::fs::remove_file(world.organisation.directory().join("set-up.json")).unwrap();
    assert_eq!(world.setup().await, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_refuses_a_ledger_that_is_another_s_or_has_vanished() {
    use keyledger_service::trust::{SetupError, setup};
    let world = World::set_up().await;
    let client = world.connect("setup").await;
    let other = initialise(options(world.scratch())).unwrap();
    let refused = setup(&client, &other, 1).await;
    assert!(
        matches!(refused, Err(SetupError::OtherLedger { .. })),
        "{refused:?}"
    );

    let js = async_nats::jetstream::new(client.clone());
    js.delete_stream("KEYS_EVENTS").await.unwrap();
    let refused = setup(&client, &world.organisation, 1).await;
    assert!(
        matches!(refused, Err(SetupError::Vanished { .. })),
        "{refused:?}"
    );
}
