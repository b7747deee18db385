//! What is wrong with a command line is said before anything is asked of anybody: exit code 2.

use crate::support::Shell;

fn refused(line: &str, because: &str) {
    let run = Shell::new().line(line);
    assert_eq!(run.code, 2, "{line}: {}", run.stderr);
    assert!(run.stderr.contains(because), "{line}: {}", run.stderr);
    assert_eq!(run.stdout, "", "{line}");
}

#[test]
fn bad_names_are_refused_with_the_rule() {
    for name in ["Orders", "orders.db", "a>", "*", "-x", "ä", &"x".repeat(64)] {
        let run = Shell::new().run(["key", "activate", "--", name]);
        assert_eq!(run.code, 2, "{name}");
        assert!(
            run.stderr.contains("use 1 to 63 of a-z, 0-9"),
            "{name}: {}",
            run.stderr
        );
    }
}

#[test]
fn a_reason_is_required_where_it_matters() {
    refused("key suspend orders-db", "--reason <TEXT>");
    refused("key destroy orders-db --yes", "--reason <TEXT>");
    refused("key recover orders-db", "--reason <TEXT>");
    refused("key revoke orders-db --reason x", "--revocation-reason");
    refused("principal offboard ada", "--reason <TEXT>");
    refused("principal recover-key ada --out x", "--reason <TEXT>");
    refused("user revoke ada", "--reason <TEXT>");
}

#[test]
fn words_of_a_vocabulary_are_listed() {
    refused("key generate x --algorithm rsa-1024", "rsa-3072");
    refused(
        "key revoke x --reason y --revocation-reason lost",
        "key_compromise",
    );
    refused("inventory --state dead", "destroyed-compromised");
    refused(
        "user issue x --account a --role root --out f",
        "administrator",
    );
    refused("principal register x --kind robot --title X", "workstation");
    refused("inventory --sort colour", "rotation_due_at");
}

#[test]
fn numbers_and_dates_are_checked() {
    refused("inventory --expiring soon", "like 30d");
    refused("inventory --limit 501", "501");
    refused("inventory --at yesterday", "2026-11-22T10:00:00Z");
    refused(
        "key schedule x --protect-stop-at 2026-02-30",
        "2026-11-22T10:00:00Z",
    );
    refused("ledger show 0", "0");
    refused("ledger show 5 --timeout never", "like 10s");
    refused("up --port 0", "is not in 1..=65535");
}

#[test]
fn where_clients_connect_is_a_servers_url() {
    let shell = Shell::new();
    for (url, because) in [
        ("garbage", "write it like nats://host:4222"),
        ("nats://", "write it like nats://host:4222"),
        ("nats://ada:hunter2@host", "creds file"),
    ] {
        let run = shell.line(&format!(
            "init --organisation A --insecure-local-root-key --url {url}"
        ));
        assert_eq!(run.code, 2, "{url}: {}", run.stderr);
        assert!(run.stderr.contains(because), "{url}: {}", run.stderr);
        assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
    }
    assert!(!shell.home.path().join(".keyledger").exists());
}

#[test]
fn what_excludes_each_other_is_said() {
    refused("inventory --at -1d --watch", "cannot be used with");
    refused("inventory --all --limit 5", "cannot be used with");
    refused(
        "key generate x --algorithm ed25519 --activate --activation-at +1d",
        "cannot be used with",
    );
    refused("user issue x --account a", "--out <FILE>");
}

#[test]
fn a_destruction_that_nobody_confirms_is_none() {
    refused(
        "key destroy orders-db --reason x",
        "there is no terminal to confirm it on",
    );
}

#[test]
fn no_file_is_written_over() {
    let shell = Shell::new();
    std::fs::write(shell.home.path().join("a.creds"), "precious").unwrap();
    for line in [
        "user issue x --account a --out a.creds",
        "ledger export --out a.creds",
    ] {
        let run = shell.line(line);
        assert_eq!(run.code, 2, "{line}: {}", run.stderr);
        assert!(
            run.stderr.contains("exists already"),
            "{line}: {}",
            run.stderr
        );
    }
    assert_eq!(
        std::fs::read(shell.home.path().join("a.creds")).unwrap(),
        b"precious"
    );
    let run = shell.line("user issue x --account a --out no/where.creds");
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("there is no directory no"),
        "{}",
        run.stderr
    );
}

/// Where even root makes no file.
#[cfg(target_os = "linux")]
#[test]
fn a_directory_that_takes_no_file_is_found_before_anything_is_issued() {
    let fake = crate::fake::Fake::mute();
    let run = Shell::new().line(&format!(
        "user issue x --account a --out /proc/x.creds --timeout 1s --server {}",
        fake.url
    ));
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("nothing was issued"), "{}", run.stderr);
    assert!(fake.asked().is_empty());
}

#[test]
fn what_is_only_for_the_program_itself_is_not_listed() {
    for line in ["--json", "become", "become-guard", "help become-guarded"] {
        let run = Shell::new().line(line);
        assert_eq!(run.code, 2, "{line}");
        let said = run.stderr.replace("'become-guarded'", "");
        assert!(!said.contains("become-guarded"), "{line}: {}", run.stderr);
    }
}

#[test]
fn nothing_asked_is_answered_with_help() {
    let run = Shell::new().line("");
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("Usage: keyledger"), "{}", run.stderr);
}

/// An option that would do nothing is refused.
#[test]
fn options_that_do_nothing_together_are_refused() {
    let shell = Shell::new();
    for line in [
        "ca crl ca --days 30d --out ca.crl",
        "ca crl ca --days 30d",
        "inventory --columns name,owner --json",
        "init --organisation A --insecure-local-root-key --passphrase-file pass",
        "history --event revokd",
    ] {
        let run = shell.line(line);
        assert_eq!(run.code, 2, "{line}: {}{}", run.stdout, run.stderr);
    }
    let run = shell.line("history --event revokd");
    assert!(run.stderr.contains("'revoked'"), "{}", run.stderr);
}
