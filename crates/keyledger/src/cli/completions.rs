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

/// What has the shell offer names too: it asks the service, in a moment or not at all.
fn with_names(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => BASH,
        Shell::Zsh => ZSH,
        Shell::Fish => FISH,
        // Of others the commands and flags.
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
    /// Prints a name a line; nothing where nobody answers at once, since a person waits with a finger on the key.
    pub(crate) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        const AT_ONCE: Duration = Duration::from_secs(2);
        let tail = match self.group.as_str() {
            "key" | "ca" | "inventory" => "inventory.locate",
            "principal" => "principals",
            "account" => "accounts",
            "user" | "agent" => "users",
            "token" => "tokens",
            _ => return Ok(()),
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

/// Of a row its name.
#[derive(Deserialize)]
struct Named {
    name: Name,
}
