//! `keyledger completions`: for the shell.

use std::time::Duration;

use clap::CommandFactory as _;
use clap_complete::Shell;
use keyledger_domain::{Name, views::Page};
use serde::Deserialize;
use serde_json::json;

use crate::{cli::Cli, connect::Connection, output::Output};

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger completions bash > ~/.local/share/bash-completion/completions/keyledger
  keyledger completions zsh > ~/.zfunc/_keyledger
  keyledger completions fish > ~/.config/fish/completions/keyledger.fish")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "keyledger", &mut script);
        script.extend_from_slice(with_names(self.shell).as_bytes());
        out.raw(&script)?;
        Ok(())
    }
}

/// The part that lets the shell offer names too: it asks the service, which must answer at once.
fn with_names(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => BASH,
        Shell::Zsh => ZSH,
        Shell::Fish => FISH,
        // Other shells get the commands and flags.
        _ => "",
    }
}

const BASH: &str = r#"
# Names of keys, principals and the like, where no flag is begun and nothing else fits.
_keyledger_named() {
    _keyledger "$@"
    local word="${COMP_WORDS[COMP_CWORD]}" group="${COMP_WORDS[1]}"
    case "$word" in -*) return 0 ;; esac
    [ "$COMP_CWORD" -ge 3 ] || return 0
    COMPREPLY+=($(compgen -W "$(keyledger names "$group" 2>/dev/null)" -- "$word"))
}
complete -F _keyledger_named -o nosort -o bashdefault -o default keyledger 2>/dev/null ||
    complete -F _keyledger_named -o bashdefault -o default keyledger
"#;

const ZSH: &str = r#"
# Names of keys, principals and the like, where no flag is begun.
_keyledger_named() {
    _keyledger "$@"
    if (( CURRENT > 3 )) && [[ "${words[CURRENT]}" != -* ]]; then
        compadd -- ${(f)"$(keyledger names "${words[2]}" 2>/dev/null)"}
    fi
}
compdef _keyledger_named keyledger
"#;

const FISH: &str = r#"
# Names of keys, principals and the like.
for group in key principal account user agent token ca
    complete -c keyledger -n "__fish_seen_subcommand_from $group" -f -a "(keyledger names $group 2>/dev/null)"
end
"#;

/// Print names, for completions: of a group of commands, such as `key`
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(crate) struct Names {
    /// The group
    group: String,
    #[command(flatten)]
    connection: Connection,
}

impl Names {
    /// Prints one name a line. It prints nothing if the service does not answer at once, because a person is waiting.
    pub(crate) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        const AT_ONCE: Duration = Duration::from_secs(2);
        let Some(tail) = asked_of(&self.group) else {
            return Ok(());
        };
        let asked = async {
            let session = self.connection.open().await?;
            let limit = json!({ "limit": keyledger_domain::views::page::MAX_PAGE });
            session.query::<_, Page<Named>>(tail, &limit).await
        };
        if let Ok(Ok(page)) = tokio::time::timeout(AT_ONCE, asked).await {
            for row in page.rows {
                out.line(row.name.as_str())?;
            }
        }
        Ok(())
    }
}

/// The question that gives the names for a group of commands.
fn asked_of(group: &str) -> Option<&'static str> {
    Some(match group {
        "key" | "ca" | "inventory" => "inventory.locate",
        "principal" => "principals",
        "account" => "accounts",
        "user" | "agent" => "users",
        "token" => "tokens",
        _ => return None,
    })
}

/// The name of a row.
#[derive(Deserialize)]
struct Named {
    name: Name,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finds what a shell would reject: quotes, brackets and blocks that do not end.
    fn assert_whole(script: &str) {
        for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
            let count = |wanted| script.chars().filter(|c| *c == wanted).count();
            // Each pattern of a `case` has only a closing bracket.
            let patterns = script.matches(") return 0 ;;").count();
            let patterns = if open == '(' { patterns } else { 0 };
            assert_eq!(
                count(open) + patterns,
                count(close),
                "{open}{close} in {script}"
            );
        }
        assert_eq!(script.matches('"').count() % 2, 0, "{script}");
    }

    #[test]
    fn every_group_that_a_script_asks_the_names_of_is_a_command_with_names() {
        let groups = FISH.split_once("for group in ").unwrap().1;
        let groups: Vec<_> = groups.lines().next().unwrap().split(' ').collect();
        assert!(groups.len() > 5, "{groups:?}");
        let command = Cli::command();
        for group in groups {
            assert!(asked_of(group).is_some(), "{group}");
            assert!(command.find_subcommand(group).is_some(), "{group}");
        }
        assert_eq!(asked_of("doctor"), None);
    }

    #[test]
    fn each_script_defines_what_it_registers_and_is_whole() {
        for (shell, own, registers) in [
            (Shell::Bash, BASH, "complete -F _keyledger_named"),
            (Shell::Zsh, ZSH, "compdef _keyledger_named keyledger"),
            (Shell::Fish, FISH, "complete -c keyledger -n"),
        ] {
            let mut script = Vec::new();
            let mut out = Output::fixed(&mut script, None, keyledger_domain::Timestamp::from_ms(0));
            Completions { shell }.run(&mut out).unwrap();
            let script = String::from_utf8(script).unwrap();
            assert!(script.ends_with(own) && own.contains(registers), "{shell}");
            assert!(own.contains("keyledger names "), "{shell}");
            assert_whole(own);
            // The script of clap defines the function that our script calls, so it comes first.
            let calls = own.contains("_keyledger \"$@\"");
            assert!(!calls || script.contains("_keyledger() {"), "{shell}");
            for command in ["offboard", "certificates", "history"] {
                assert!(script.contains(command), "{shell} knows no {command}");
            }
        }
    }
}
