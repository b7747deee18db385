//! The help texts: every command has examples, and this program accepts each of them.

use clap::{CommandFactory as _, Parser as _};

use keyledger_testkit::check_named_commands;

use super::Cli;

/// The words of a command line, up to a pipe or a redirection.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace()
        .take_while(|word| !matches!(*word, "|" | ">"))
}

#[test]
fn every_command_has_examples_that_are_taken() {
    let mut count = 0;
    for command in Cli::command().get_subcommands() {
        let path = format!("keyledger-agent {}", command.get_name());
        let help = command.get_after_help().map(ToString::to_string);
        let help = help.unwrap_or_default();
        assert!(help.contains(&path), "{path} shows no example:\n{help}");
        for line in help.lines().filter(|line| line.starts_with("  ")) {
            let at = line.find("keyledger-agent ").expect("an example runs this");
            if let Err(error) = Cli::try_parse_from(words(&line[at..])) {
                panic!("{path} shows an example that is not taken: {line}\n{error}");
            }
            count += 1;
        }
    }
    assert!(count >= 9, "only {count} examples were found");
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

/// Everybody can read arguments in the list of processes.
#[test]
fn no_secret_is_an_argument() {
    for command in Cli::command().get_subcommands() {
        for argument in command.get_arguments() {
            let name = argument.get_id().as_str();
            let secret = ["pin", "puk", "passphrase", "password", "seed"];
            assert!(!secret.contains(&name), "{name} is on the command line");
        }
    }
}

/// The unit's command line is one that this program accepts.
#[test]
fn the_unit_starts_the_agent() {
    let unit = include_str!("../../keyledger-agent.service");
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let start = start.expect("a unit starts something");
    assert!(Cli::try_parse_from(words(start)).is_ok(), "{start}");
}

/// A hint must not name a command that does not exist.
#[test]
fn every_command_that_a_text_names_is_one() {
    let count = check_named_commands(Cli::command());
    assert!(count > 30, "only {count} were found");
}
