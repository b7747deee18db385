//! Who cannot be reached, and contexts that do not fit.

use std::fs;

use crate::support::Shell;

/// A port of this machine where nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("nats://{}", listener.local_addr().unwrap())
}

#[test]
fn a_server_that_is_not_there_is_unreachable() {
    let shell = Shell::new();
    let url = nobody();
    for line in [
        "inventory",
        "key activate x",
        "ledger verify",
        "user list --account a",
    ] {
        let run = shell.line(&format!("{line} --server {url}"));
        assert_eq!(run.code, 4, "{line}: {}", run.stderr);
        assert!(
            run.stderr.contains("cannot be reached"),
            "{line}: {}",
            run.stderr
        );
        assert!(run.stderr.contains(" help: "), "{line}: {}", run.stderr);
    }
}

/// A queue is opened only once somebody writes to it: the command would wait without end.
#[test]
fn a_queue_in_the_place_of_a_file_is_refused_and_not_waited_for() {
    let shell = Shell::new();
    let context = r#"{"url":"nats://127.0.0.1:1","nkey":"queue"}"#;
    fs::write(shell.home.path().join("nkey.json"), context).unwrap();
    let queue = shell.home.path().join("queue");
    let made = std::process::Command::new("mkfifo").arg(&queue).status();
    assert!(made.unwrap().success());
    for options in [
        "--creds queue --server nats://127.0.0.1:1",
        "--context ./queue",
        "--context ./nkey.json",
        "--tlsca queue --server nats://127.0.0.1:1",
        "--tlscert queue --tlskey queue --server nats://127.0.0.1:1",
    ] {
        let run = shell.line(&format!("inventory {options}"));
        assert!([1, 2].contains(&run.code), "{options}: {}", run.stderr);
        assert!(
            run.stderr.contains("it is no ordinary file"),
            "{options}: {}",
            run.stderr
        );
    }
    let run = shell.line("contexts --creds queue --out made.json --server nats://127.0.0.1:1");
    assert!(
        run.stderr.contains("it is no ordinary file"),
        "{}",
        run.stderr
    );
    // The context that was chosen, and an empty one chosen by a queue is none.
    fs::create_dir_all(shell.home.path().join(".config/nats")).unwrap();
    fs::rename(&queue, shell.home.path().join(".config/nats/context.txt")).unwrap();
    assert_eq!(shell.line("inventory --timeout 1s").code, 4);
}

#[test]
fn doctor_says_so_too_and_fails() {
    let run = Shell::new().line(&format!("doctor --server {}", nobody()));
    assert_eq!(run.code, 1);
    assert!(
        run.stdout.starts_with("fail  connection: "),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("\n      → "), "{}", run.stdout);
}

#[test]
fn contexts_are_found_by_name_by_file_and_by_selection() {
    let shell = Shell::new();
    let contexts = shell.home.path().join(".config/nats/context");
    fs::create_dir_all(&contexts).unwrap();
    let (by_name, selected, by_file) = (nobody(), nobody(), nobody());
    let write = |path: &std::path::Path, url: &str| {
        fs::write(path, format!(r#"{{"url":"{url}"}}"#)).unwrap()
    };
    write(&contexts.join("acme.json"), &by_name);
    write(&contexts.join("chosen.json"), &selected);
    write(&shell.home.path().join("here.json"), &by_file);
    fs::write(
        shell.home.path().join(".config/nats/context.txt"),
        "chosen\n",
    )
    .unwrap();
    for (options, url) in [
        ("", &selected),
        ("--context acme", &by_name),
        ("--context ./here.json", &by_file),
    ] {
        let run = shell.line(&format!("inventory {options}"));
        assert_eq!(run.code, 4, "{options}: {}", run.stderr);
        assert!(run.stderr.contains(url), "{options}: {}", run.stderr);
    }
    let run = shell.line("inventory --context nobody");
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("nobody.json cannot be read"),
        "{}",
        run.stderr
    );
}

#[test]
fn the_directory_beside_is_taken_by_itself() {
    let shell = Shell::new();
    let url = nobody();
    let run = shell.line(&format!(
        "init --organisation A --insecure-local-root-key --url {url}"
    ));
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(shell.line("inventory").stderr.contains(&url));
    // A server that is named counts for more than what happens to lie here.
    let other = nobody();
    assert!(
        shell
            .line(&format!("inventory --server {other}"))
            .stderr
            .contains(&other)
    );
}

#[test]
fn a_directory_that_is_none_says_what_makes_one() {
    let run = Shell::new().line("inventory --dir nowhere");
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("`keyledger init` makes one"),
        "{}",
        run.stderr
    );
}

#[test]
fn an_address_that_is_none_is_refused() {
    let run = Shell::new().line("inventory --server nats://:::");
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("is no server's URL"), "{}", run.stderr);
}

#[test]
fn creds_are_used_on_the_server_of_the_directory_around() {
    let shell = Shell::new();
    let url = nobody();
    let run = shell.line(&format!(
        "init --organisation A --insecure-local-root-key --url {url}"
    ));
    assert_eq!(run.code, 0, "{}", run.stderr);
    let creds = shell.home.path().join("own.creds");
    fs::copy(
        shell.home.path().join(".keyledger/creds/admin.creds"),
        &creds,
    )
    .unwrap();
    let run = shell.line("inventory --creds own.creds");
    assert!(run.stderr.contains(&url), "{}", run.stderr);
    // Also where the administrator's context went to its user.
    fs::remove_dir_all(shell.home.path().join(".keyledger/contexts")).unwrap();
    let run = shell.line("inventory --creds own.creds");
    assert!(run.stderr.contains(&url), "{}", run.stderr);
}

#[test]
fn creds_that_others_can_read_are_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let shell = Shell::new();
    shell.organisation("acme");
    let creds = shell.home.path().join("acme/creds/admin.creds");
    let warned = |mode: u32| {
        fs::set_permissions(&creds, fs::Permissions::from_mode(mode)).unwrap();
        let run = shell.line(&format!("inventory --dir acme --server {}", nobody()));
        run.stderr.contains("can be read by others than its owner")
    };
    assert!(warned(0o644));
    assert!(!warned(0o600));
}

#[test]
fn a_context_for_keyledger_says_what_subjects_begin_with() {
    let (shell, fake) = (Shell::new(), crate::fake::Fake::mute());
    let context =
        serde_json::json!({ "url": fake.url, "jetstream_api_prefix": "$JS.acme.keys.API" });
    fs::write(shell.home.path().join("acme.json"), context.to_string()).unwrap();
    let run = shell.line("inventory --context ./acme.json --timeout 1s");
    assert_eq!(run.code, 4, "{}", run.stderr);
    assert_eq!(fake.asked(), ["acme.keys.queries.inventory.locate"]);
}

#[test]
fn setup_names_its_own_options() {
    let shell = Shell::new();
    shell.organisation("acme");
    let run = shell.line(&format!("setup --dir acme --url {} --timeout 1s", nobody()));
    assert_eq!(run.code, 4, "{}", run.stderr);
    assert!(
        run.stderr.contains("--url names another") && !run.stderr.contains("--server"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_server_that_is_too_old_is_refused_with_the_reason_and_the_remedy() {
    let (shell, fake) = (Shell::new(), crate::fake::Fake::mute());
    shell.organisation("acme");
    for command in ["serve", "setup"] {
        let run = shell.line(&format!("{command} --dir acme --url {}", fake.url));
        assert_eq!(run.code, 1, "{command}: {}", run.stderr);
        for part in [
            "nats-server fake has version \"2.12.0\"",
            "2.15.1 or later",
            "sync_interval: always",
            "upgrade every server",
        ] {
            assert!(run.stderr.contains(part), "{command}: {}", run.stderr);
        }
    }
    assert_eq!(fake.asked(), Vec::<String>::new());
}
