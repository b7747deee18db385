//! Help teaches: every command has an example, and every example is one that this program takes.

use clap::{Command, CommandFactory as _, Parser as _};

use keyledger_testkit::{Named, named_commands};

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

/// A hint that names a command that there is not sends people away.
#[test]
fn every_command_that_a_text_names_is_one() {
    let named = named_commands("keyledger");
    let mut wrong = Vec::new();
    for Named { file, line } in &named {
        if let Err(what) = look_up(line) {
            wrong.push(format!("{}: `{line}`: {what}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(named.len() > 150, "only {} were found", named.len());
}

/// Walks the subcommands of a command line, and looks its options up.
fn look_up(line: &str) -> Result<(), String> {
    let mut command = Cli::command();
    command.build();
    let mut at = &command;
    let mut words = line.split_whitespace().skip(1);
    while let Some(word) = words.next() {
        if let Some(option) = word.strip_prefix("--") {
            let (option, value) = option.split_once('=').unzip();
            let option = option.unwrap_or(&word[2..]);
            let known = at.get_arguments().find(|a| a.get_long() == Some(option));
            let known = known.ok_or_else(|| format!("no option --{option}"))?;
            if value.is_none() && known.get_action().takes_values() {
                words.next();
            }
        } else if word.contains(['…', '{', '<']) && at.has_subcommands() {
            return Ok(()); // any of them
        } else if let Some(sub) = at.find_subcommand(word) {
            at = sub;
        } else if at.has_subcommands() {
            return Err(format!("no command {word}"));
        }
    }
    Ok(())
}
