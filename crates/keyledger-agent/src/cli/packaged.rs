//! What a package has beside the program: completions and manual pages.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::CommandFactory as _;

use super::Cli;
use crate::output::Output;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger-agent completions bash > ~/.local/share/bash-completion/completions/keyledger-agent")]
pub(crate) struct PrintCompletions {
    /// The shell
    shell: clap_complete::Shell,
}

impl PrintCompletions {
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let mut script = Vec::new();
        let name = "keyledger-agent";
        clap_complete::generate(self.shell, &mut Cli::command(), name, &mut script);
        Ok(out.line(String::from_utf8(script)?.trim_end())?)
    }
}

/// Write the manual pages, one for each command, into a directory
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  mkdir -p ~/.local/share/man/man1 && keyledger-agent man ~/.local/share/man/man1")]
pub(crate) struct WriteManual {
    /// The directory; it must exist
    directory: PathBuf,
}

impl WriteManual {
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        clap_mangen::generate_to(Cli::command(), &self.directory)
            .with_context(|| format!("writing manual pages into {}", self.directory.display()))?;
        if out.is_json() {
            let directory = self.directory.display().to_string();
            out.json(&serde_json::json!({ "directory": directory }))?;
        }
        Ok(())
    }
}
