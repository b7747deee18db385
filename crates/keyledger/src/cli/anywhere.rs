//! Connection flags may be given anywhere: before, within or after the command.

use std::{collections::HashMap, ffi::OsString};

use clap::CommandFactory as _;

use super::Cli;

/// The command line, with the connection flags before the command moved behind its first word, where clap accepts them.
pub(crate) fn arranged(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let flags = connection_flags();
    let mut args = args.into_iter();
    let mut before: Vec<OsString> = args.next().into_iter().collect();
    let mut moved = Vec::new();
    while let Some(arg) = args.next() {
        let text = arg.to_string_lossy();
        let Some(flag) = text.strip_prefix("--").filter(|flag| !flag.is_empty()) else {
            let is_command = !text.starts_with('-');
            before.push(arg);
            if is_command {
                before.append(&mut moved);
                break;
            }
            continue;
        };
        let (name, with_value) = flag
            .split_once('=')
            .map_or((flag, false), |(name, _)| (name, true));
        match flags.get(name) {
            Some(takes_value) => {
                let next = (*takes_value && !with_value).then(|| args.next());
                moved.push(arg);
                moved.extend(next.flatten());
            }
            None => before.push(arg),
        }
    }
    // Without a command nothing needs a connection. clap reports what is wrong.
    before.append(&mut moved);
    before.extend(args);
    before
}

/// The names of the connection flags, and whether each takes a value.
fn connection_flags() -> HashMap<String, bool> {
    let cli = Cli::command();
    let group = cli.find_subcommand("key").into_iter();
    group
        .flat_map(|group| group.get_arguments())
        .filter(|arg| arg.is_global_set())
        .filter_map(|arg| Some((arg.get_long()?.to_owned(), arg.get_action().takes_values())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrange(line: &str) -> String {
        let args = arranged(line.split(' ').map(OsString::from));
        let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
        args.join(" ")
    }

    #[test]
    fn connection_flags_may_stand_anywhere() {
        for (typed, meant) in [
            (
                "keyledger --context x key show k",
                "keyledger key --context x show k",
            ),
            (
                "keyledger --json --server=nats://a user list",
                "keyledger --json user --server=nats://a list",
            ),
            (
                "keyledger --dir d --timeout 3s inventory k",
                "keyledger inventory --dir d --timeout 3s k",
            ),
            (
                "keyledger key --context x show k",
                "keyledger key --context x show k",
            ),
            (
                "keyledger key show k --context x",
                "keyledger key show k --context x",
            ),
            ("keyledger --help", "keyledger --help"),
            ("keyledger --context", "keyledger --context"),
        ] {
            assert_eq!(arrange(typed), meant);
        }
    }

    #[test]
    fn what_is_arranged_is_taken() {
        use clap::Parser as _;
        for line in [
            "keyledger --creds c --server nats://a:4222 key show k",
            "keyledger --dir d inventory",
            "keyledger --dir d up",
            "keyledger --sign-with piv:9c --token 1000001 key revoke k --reason r --revocation-reason superseded",
        ] {
            let args = arranged(line.split(' ').map(OsString::from));
            Cli::try_parse_from(args).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }
}
