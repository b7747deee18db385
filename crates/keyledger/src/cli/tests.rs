//! Every command has an example in its help, and this program accepts every example.

use clap::{Command, CommandFactory as _, Parser as _};

use keyledger_testkit::check_named_commands;

use super::Cli;

/// Every command that does something, with its path: `keyledger key revoke`.
fn commands() -> Vec<(String, Command)> {
    fn collect(path: &str, command: &Command, found: &mut Vec<(String, Command)>) {
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            let path = format!("{path} {}", sub.get_name());
            found.push((path.clone(), sub.clone()));
            collect(&path, sub, found);
        }
    }
    let mut found = Vec::new();
    collect("keyledger", &Cli::command(), &mut found);
    found
}

/// The words of a command line, as a shell would make them, up to a pipe or a redirection.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut quoted, mut begun) = (false, false);
    for letter in line.chars() {
        match letter {
            '\'' => {
                quoted = !quoted;
                begun = true;
            }
            '|' | '>' if !quoted => break,
            ' ' if !quoted => {
                if begun {
                    words.push(String::new());
                }
                begun = false;
            }
            letter => {
                words.last_mut().expect("there is one").push(letter);
                begun = true;
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_command_has_an_example_of_itself() {
    for (path, command) in commands() {
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(help.contains(&path), "{path} shows no example:\n{help}");
    }
}

#[test]
fn every_example_is_taken() {
    let mut count = 0;
    for (path, command) in commands() {
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        for line in help.lines().filter(|line| line.starts_with("  ")) {
            let Some(at) = line
                .rfind("keyledger ")
                .filter(|_| line.contains("  keyledger ") || line.contains("| keyledger "))
            else {
                continue;
            };
            let at = line
                .find("| keyledger ")
                .map_or(line.find("keyledger ").unwrap_or(at), |pipe| pipe + 2);
            let words = words(&line[at..]);
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{path} shows an example that is not taken: {line}\n{error}");
            }
            count += 1;
        }
    }
    assert!(count > 60, "only {count} examples were found");
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn no_secret_is_an_argument() {
    for (path, command) in commands() {
        for argument in command.get_arguments() {
            let name = argument.get_id().as_str();
            let secret = ["passphrase", "password", "seed", "token"];
            assert!(
                !secret.contains(&name),
                "{path} takes {name} on the command line"
            );
        }
    }
}

/// A hint must not name a command that does not exist.
#[test]
fn every_command_that_a_text_names_is_one() {
    let count = check_named_commands(Cli::command());
    assert!(count > 150, "only {count} were found");
}
