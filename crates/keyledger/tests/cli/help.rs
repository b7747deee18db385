//! `--help`, `--version`, completions, the table of subjects.

use crate::support::Shell;

#[test]
fn help_names_every_command_and_every_exit_code() {
    let run = Shell::new().line("--help");
    assert_eq!(run.code, 0);
    for command in [
        "up",
        "key",
        "principal",
        "account",
        "user",
        "inventory",
        "ledger",
        "doctor",
        "openpgp",
        "offline",
        "init",
        "setup",
        "serve",
        "unit",
        "completions",
        "subjects",
    ] {
        assert!(
            run.stdout.contains(&format!("\n  {command} ")),
            "{command}:\n{}",
            run.stdout
        );
    }
    for code in 0..=5 {
        assert!(
            run.stdout.contains(&format!("\n  {code}  ")),
            "{code}:\n{}",
            run.stdout
        );
    }
    assert!(!run.stdout.contains("become-guarded"));
}

#[test]
fn every_subcommand_has_help() {
    let shell = Shell::new();
    for path in [
        "up",
        "init",
        "setup",
        "serve",
        "unit",
        "doctor",
        "completions",
        "subjects",
        "inventory",
        "inventory rebuild",
        "key",
        "key generate",
        "key register",
        "key activate",
        "key suspend",
        "key resume",
        "key deactivate",
        "key revoke",
        "key rotate",
        "key destroy",
        "key archive",
        "key recover",
        "key describe",
        "key schedule",
        "key note",
        "key show",
        "key history",
        "principal",
        "principal register",
        "principal describe",
        "principal offboard",
        "principal recover-key",
        "principal list",
        "principal history",
        "account",
        "account create",
        "account list",
        "account show",
        "user",
        "user issue",
        "user revoke",
        "user list",
        "ledger",
        "ledger export",
        "ledger verify",
        "ledger show",
        "ledger head",
        "ledger tail",
        "openpgp",
        "openpgp init",
        "openpgp show",
        "openpgp bind",
        "openpgp renew",
        "openpgp revoke",
        "openpgp revoke-with",
        "openpgp add-user-id",
        "openpgp escrow",
        "openpgp accept",
        "openpgp change-passphrase",
        "openpgp export",
        "offline",
        "offline show",
        "offline sign",
        "offline ca-init",
        "offline change-passphrase",
        "ca",
        "ca create",
        "ca certify",
        "ca register",
        "ca accept",
        "ca chain",
        "ca crl",
    ] {
        let run = shell.line(&format!("{path} --help"));
        assert_eq!(run.code, 0, "{path}: {}", run.stderr);
        assert!(run.stdout.contains("Example"), "{path}:\n{}", run.stdout);
        assert!(
            run.stdout.contains(&format!("Usage: keyledger {path}")),
            "{path}:\n{}",
            run.stdout
        );
    }
}

#[test]
fn init_explains_its_files() {
    let shell = Shell::new();
    let help = shell.line("init --help").stdout;
    let dir = shell.organisation("acme");
    for entry in dir.read_dir().unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(help.contains(&name), "{name} is not explained:\n{help}");
    }
    for creds in dir.join("creds").read_dir().unwrap() {
        let name = format!(
            "creds/{}",
            creds.unwrap().file_name().into_string().unwrap()
        );
        assert!(help.contains(&name), "{name} is not explained:\n{help}");
    }
}

#[test]
fn the_version_is_the_packages() {
    let run = Shell::new().line("--version");
    assert_eq!(
        run.stdout,
        format!("keyledger {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn shells_are_given_completions() {
    let shell = Shell::new();
    for name in ["bash", "zsh", "fish"] {
        let run = shell.line(&format!("completions {name}"));
        assert_eq!(run.code, 0);
        assert!(run.stdout.contains("revocation-reason"), "{name}");
    }
}

#[test]
fn subjects_are_a_table() {
    let run = Shell::new().line("subjects");
    assert_eq!(run.code, 0);
    assert!(run.stdout.starts_with("# Subjects\n"));
    assert!(run.stdout.contains("`keys.commands.key.revoke.{name}`"));
}
