//! `keyledger completions`: for the shell.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{cli::Cli, output::Output};

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
        out.raw(&script)?;
        Ok(())
    }
}
