//! The commands that texts name: in help, hints, errors and documents.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Command;

/// A command line that a text names.
struct Named {
    /// The file.
    file: PathBuf,
    /// The command line, from the program on, in one line.
    line: String,
}

/// What begins as a command does and is none: the first line of what tokens sign.
const NO_COMMANDS: [&str; 1] = ["keyledger signed command v1"];

/// Checks that every command of a program that the sources of all crates and the documents name is one: in backticks, and in
/// the examples of documents. Gives how many there are.
///
/// # Panics
///
/// With all that are none, or if a file cannot be read.
#[must_use]
pub fn check_named_commands(mut program: Command) -> usize {
    program.build();
    let named = named_commands(program.get_name());
    let wrong = named.iter().filter_map(|Named { file, line }| {
        let what = look_up(&program, line).err()?;
        Some(format!("{}: `{line}`: {what}", file.display()))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    named.len()
}

/// Why a command line is none of a program.
#[derive(Debug, thiserror::Error)]
enum LookUpError {
    #[error("no option --{0}")]
    NoOption(String),
    #[error("no command {0}")]
    NoCommand(String),
}

/// Walks the subcommands of a command line, and looks its options up.
fn look_up(program: &Command, line: &str) -> Result<(), LookUpError> {
    let mut at = program;
    let mut words = line.split_whitespace().skip(1);
    while let Some(word) = words.next() {
        if [">", ">>", "|"].contains(&word) {
            return Ok(()); // the rest is the shell's
        }
        if let Some(option) = word.strip_prefix("--") {
            let (option, value) = option.split_once('=').unzip();
            let option = option.unwrap_or(&word[2..]);
            let known = at.get_arguments().find(|a| a.get_long() == Some(option));
            let known = known.ok_or_else(|| LookUpError::NoOption(option.to_owned()))?;
            if value.is_none() && known.get_action().takes_values() {
                words.next();
            }
        } else if word.contains(['…', '{', '<']) && at.has_subcommands() {
            return Ok(()); // any of them
        } else if let Some(sub) = at.find_subcommand(word) {
            at = sub;
        } else if at.has_subcommands() {
            return Err(LookUpError::NoCommand(word.to_owned()));
        }
    }
    Ok(())
}

fn named_commands(program: &str) -> Vec<Named> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = vec![
        root.join("README.md"),
        root.join("ARCHITECTURE.md"),
        root.join("subjects.md"),
    ];
    files.extend(files_below(&root.join("docs/src"), "md"));
    for entry in fs::read_dir(root.join("crates")).expect("there are crates") {
        let folder = entry.expect("a crate").path();
        if folder
            .file_name()
            .is_some_and(|name| name != "keyledger-testkit")
        {
            files.extend(files_below(&folder.join("src"), "rs"));
        }
    }
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source is text");
        let document = file.extension().is_some_and(|e| e == "md");
        let mut lines = in_backticks(&joined(&text), program);
        if document {
            lines.extend(in_examples(&text, program));
        }
        found.extend(lines.into_iter().map(|line| Named {
            file: file.clone(),
            line,
        }));
    }
    found
}

/// Every file with this extension below a folder, in no order.
///
/// # Panics
///
/// If a folder cannot be read.
#[must_use]
pub fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries {
        let path = entry.expect("a file").path();
        if path.is_dir() {
            files.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            files.push(path);
        }
    }
    files
}

/// A text without the breaks that its source has and its reader does not see: after a backslash, and in doc comments.
fn joined(text: &str) -> String {
    let mut joined = String::new();
    for line in text.lines() {
        let line = line.trim_start();
        let comment = ["///", "//!", "//"]
            .iter()
            .find_map(|c| line.strip_prefix(c));
        joined.push_str(comment.map_or(line, str::trim_start));
        if joined.ends_with('\\') {
            joined.pop();
        } else {
            joined.push(if comment.is_some() { ' ' } else { '\n' });
        }
    }
    joined
}

fn in_backticks(text: &str, program: &str) -> Vec<String> {
    let begins = format!("`{program} ");
    let found = text.match_indices(&begins);
    found
        .filter_map(|(at, _)| {
            let line = &text[at + 1..];
            let line = &line[..line.find('`')?];
            let is_one = !line.contains('\n') && !NO_COMMANDS.contains(&line);
            is_one.then(|| line.to_owned())
        })
        .collect()
}

/// Lines that begin with the program, be it after a comment's sign or a place and a colon.
fn in_examples(text: &str, program: &str) -> Vec<String> {
    let begins = format!("{program} ");
    let lines = text.lines().map(|line| line.trim_start_matches(['#', ' ']));
    let lines = lines.map(|line| line.rsplit_once(": ").map_or(line, |(_, line)| line));
    lines
        .filter(|line| line.starts_with(&begins))
        .flat_map(|line| line.split("&&"))
        .map(|line| line.trim().to_owned())
        .filter(|line| {
            line.starts_with(&begins) && line.is_ascii() && !NO_COMMANDS.contains(&line.as_str())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_over_lines_is_one_command() {
        let text = "/// Ask with `keyledger\n    /// token show`.\nlet a = \"do `keyledger key \\\n     show` now\";\n";
        let found = in_backticks(&joined(text), "keyledger");
        assert_eq!(found, ["keyledger token show", "keyledger key show"]);
        let text = "#   there: keyledger offline sign a && keyledger ca accept b\n";
        let found = in_examples(text, "keyledger");
        assert_eq!(found, ["keyledger offline sign a", "keyledger ca accept b"]);
    }
}
