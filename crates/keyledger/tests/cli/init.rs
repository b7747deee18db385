//! `keyledger init`, which needs no server; and what `serve` and `up` refuse before they need one.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::support::{Shell, ended};

#[test]
fn a_directory_is_made_whole_and_private() {
    let shell = Shell::new();
    let dir = shell.organisation("acme");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("creds/admin.creds")), 0o600);
    let again = shell.line("init --organisation Acme --dir acme --insecure-local-root-key");
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("is not empty"), "{}", again.stderr);
}

#[test]
fn a_root_key_in_clear_is_said_loudly() {
    let run = Shell::new().line("init --organisation Acme --insecure-local-root-key");
    assert!(
        run.stdout
            .contains("DEVELOPMENT ONLY: the root key is stored unsealed in "),
        "{}",
        run.stdout
    );
}

#[test]
fn programs_are_told_what_was_made() {
    let run = Shell::new()
        .line("init --organisation Acme --insecure-local-root-key --prefix acme.keys --json");
    let made: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(made["prefix"], "acme.keys");
    assert!(made["operator"].as_str().unwrap().starts_with('O'));
}

#[test]
fn a_passphrase_comes_from_a_private_file_or_a_terminal() {
    let shell = Shell::new();
    let run = shell.line("init --organisation Acme --dir a");
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(
        run.stderr.contains("there is no terminal"),
        "{}",
        run.stderr
    );

    let file = shell.home.path().join("passphrase");
    fs::write(&file, "correct horse battery staple\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let run = shell.line("init --organisation Acme --dir a --passphrase-file passphrase");
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("chmod 600"), "{}", run.stderr);
    assert!(!run.stderr.contains("correct horse"), "{}", run.stderr);

    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let run = shell.line("init --organisation Acme --dir a --passphrase-file passphrase");
    assert_eq!(run.code, 0, "{}", run.stderr);
    let run = shell.line("serve --dir a");
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(
        run.stderr.contains("KEYLEDGER_PASSPHRASE_FILE"),
        "{}",
        run.stderr
    );

    fs::write(&file, "another passphrase\n").unwrap();
    let run = ended(
        shell
            .command(["serve", "--dir", "a"])
            .env("KEYLEDGER_PASSPHRASE_FILE", &file)
            .output()
            .unwrap(),
    );
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(
        run.stderr.contains("the passphrase is wrong"),
        "{}",
        run.stderr
    );
}

#[test]
fn without_a_nats_server_up_says_how_to_get_one() {
    let shell = Shell::new();
    let run = ended(
        shell
            .command(["up"])
            .env("KEYLEDGER_NATS_SERVER", "/nowhere/nats-server")
            .output()
            .unwrap(),
    );
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("is no nats-server"), "{}", run.stderr);
    assert!(
        !shell.home.path().join(".keyledger").exists(),
        "nothing was made"
    );
}

#[test]
fn nothing_is_served_with_secrets_that_others_can_read() {
    let shell = Shell::new();
    let dir = shell.organisation("acme");
    for (path, open, private) in [
        ("creds/service.creds", 0o644, 0o600),
        ("creds/admin.creds", 0o640, 0o600),
        ("creds", 0o755, 0o700),
        (".", 0o755, 0o700),
        ("sealed/root.key", 0o644, 0o600),
    ] {
        let mode = |mode| {
            fs::set_permissions(dir.join(path), fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(open);
        for line in ["serve --dir acme --url nats://127.0.0.1:1", "up --dir acme"] {
            let run = ended(
                shell
                    .command(line.split_whitespace())
                    .env("KEYLEDGER_NATS_SERVER", a_nats_server(&shell))
                    .output()
                    .unwrap(),
            );
            assert_eq!(run.code, 1, "{path}, {line}: {}", run.stderr);
            let remedy = format!("`chmod {private:o} ");
            assert!(
                run.stderr.contains(&remedy),
                "{path}, {line}: {}",
                run.stderr
            );
        }
        mode(private);
    }
    // Taken elsewhere, they are nobody's business here.
    fs::remove_dir_all(dir.join("creds")).unwrap();
    let run = shell.line("serve --dir acme --url nats://127.0.0.1:1");
    assert!(!run.stderr.contains("chmod"), "{}", run.stderr);
}

/// A program that says it is a nats-server, and is none.
fn a_nats_server(shell: &Shell) -> std::path::PathBuf {
    a_nats_server_of(shell, "2.15.1")
}

fn a_nats_server_of(shell: &Shell, version: &str) -> std::path::PathBuf {
    let program = shell.home.path().join(format!("nats-server-{version}"));
    if !program.exists() {
        fs::write(
            &program,
            format!("#!/bin/sh\necho nats-server: v{version}\n"),
        )
        .unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    program
}

#[test]
fn up_starts_no_nats_server_that_is_too_old() {
    let shell = Shell::new();
    let run = ended(
        shell
            .command(["up", "--dir", "acme"])
            .env("KEYLEDGER_NATS_SERVER", a_nats_server_of(&shell, "2.15.0"))
            .output()
            .unwrap(),
    );
    assert_eq!(run.code, 2, "{}", run.stderr);
    for part in ["which is 2.15.0", "2.15.1 or later", "name a later one"] {
        assert!(run.stderr.contains(part), "{}", run.stderr);
    }
    assert!(!shell.home.path().join("acme").exists());
}

#[test]
fn a_port_that_is_taken_is_no_organisations() {
    let shell = Shell::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let run = ended(
        shell
            .command(["up", "--dir", "acme", "--port", &port])
            .env("KEYLEDGER_NATS_SERVER", a_nats_server(&shell))
            .output()
            .unwrap(),
    );
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("nothing was made"), "{}", run.stderr);
    assert!(!shell.home.path().join("acme").exists());
}

#[test]
fn serve_without_a_server_is_unreachable() {
    let shell = Shell::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    drop(listener);
    shell.organisation("acme");
    let run = shell.line(&format!("serve --dir acme --url {url}"));
    assert_eq!(run.code, 4, "{}", run.stderr);
    assert!(run.stderr.contains(&url), "{}", run.stderr);
}
