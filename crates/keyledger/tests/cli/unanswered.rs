//! Answers that do not come: how long they are waited for, and what is said then.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{fake::Fake, support::Shell};

#[test]
fn a_question_is_waited_for_as_long_as_was_asked_for() {
    let fake = Fake::mute();
    let begun = Instant::now();
    let run = Shell::new().line(&format!("ledger verify --timeout 6s --server {}", fake.url));
    assert_eq!(run.code, 4, "{}", run.stderr);
    assert!(run.stderr.contains("no answer on"), "{}", run.stderr);
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(6), "{took:?}");
    assert_eq!(fake.asked(), ["keys.queries.ledger.head"]);
}

#[test]
fn a_command_without_an_answer_may_be_repeated() {
    let fake = Fake::mute();
    let run = Shell::new().line(&format!(
        "key activate x --timeout 300ms --server {}",
        fake.url
    ));
    assert_eq!(run.code, 4, "{}", run.stderr);
    assert!(run.stderr.contains("--message-id"), "{}", run.stderr);
}

#[test]
fn an_export_that_fails_leaves_nothing_behind() {
    let shell = Shell::new();
    let fake = Fake::mute();
    let run = shell.line(&format!(
        "ledger export --out x.jsonl --timeout 300ms --server {}",
        fake.url
    ));
    assert_eq!(run.code, 4, "{}", run.stderr);
    assert_eq!(shell.home.path().read_dir().unwrap().count(), 0);
}

/// Only the run that asked can open the creds: repeating it would find them sealed to a key that is gone.
#[test]
fn an_issue_without_an_answer_may_not_be_repeated() {
    let shell = Shell::new();
    let fake = Fake::mute();
    let end = format!("--timeout 300ms --server {}", fake.url);
    let run = shell.line(&format!("user issue x --account a --out x.creds {end}"));
    assert_eq!(run.code, 4, "{}", run.stderr);
    assert!(!run.stderr.contains("--message-id"), "{}", run.stderr);
    assert!(
        run.stderr.contains("`keyledger user revoke x "),
        "{}",
        run.stderr
    );
    assert!(!shell.home.path().join("x.creds").exists());
    // Where the seed is the caller's own, nothing is lost.
    let run = shell.line(&format!("user issue x --account a --nkey UABC {end}"));
    assert!(run.stderr.contains("--message-id"), "{}", run.stderr);
}

/// A revocation of the user `admin`, sent as `admin`.
fn revoked(shell: &Shell, fake: &Fake, options: &str) -> crate::support::Run {
    shell.line(&format!(
        "user revoke admin --reason left --creds acme/creds/admin.creds --server {} {options}",
        fake.url
    ))
}

#[test]
fn whoever_revokes_itself_is_cut_off_and_told_so() {
    let shell = Shell::new();
    shell.organisation("acme");
    for options in ["", "--wait"] {
        let fake = Fake::that_cuts("User Authentication Revoked");
        let run = revoked(&shell, &fake, options);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(run.stdout.contains("revoked admin: "), "{}", run.stdout);
        assert!(run.stdout.contains("in force"), "{}", run.stdout);
    }
    let fake = Fake::that_cuts("User Authentication Revoked");
    let run = revoked(&shell, &fake, "--json");
    assert_eq!(run.code, 0, "{}", run.stderr);
    let said: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&said["id"], &said["acknowledged"]),
        (&"admin".into(), &false.into())
    );
}

/// The server's word is lost with the connection now and then.
#[test]
fn whoever_revokes_itself_and_is_cut_off_without_a_word_is_told_what_is_known() {
    let shell = Shell::new();
    shell.organisation("acme");
    for options in ["", "--wait"] {
        let fake = Fake::that_cuts("");
        let run = revoked(&shell, &fake, options);
        assert_eq!(run.code, 3, "{}", run.stderr);
        for said in [
            "was not answered",
            "no longer accepts these creds",
            "`keyledger user show admin`",
        ] {
            assert!(run.stderr.contains(said), "{}", run.stderr);
        }
        assert!(run.stdout.is_empty(), "{}", run.stdout);
    }
}

#[test]
fn whoever_is_cut_off_while_revoking_another_has_revoked_nobody_for_sure() {
    let shell = Shell::new();
    shell.organisation("acme");
    let fake = Fake::that_cuts("User Authentication Revoked");
    let run = shell.line(&format!(
        "user revoke ada --reason left --creds acme/creds/admin.creds --server {}",
        fake.url
    ));
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(
        run.stderr.contains("these creds were revoked"),
        "{}",
        run.stderr
    );
}

#[test]
fn whoever_may_not_revoke_is_told_so() {
    let shell = Shell::new();
    shell.organisation("acme");
    let fake =
        Fake::that_cuts("Permissions Violation for Publish to \"keys.commands.user.revoke.admin\"");
    let run = revoked(&shell, &fake, "");
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(
        run.stderr.contains("use creds of a user who may"),
        "{}",
        run.stderr
    );
}
