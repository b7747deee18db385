//! `keyledger man`: manual pages, for packages.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::CommandFactory as _;
use serde_json::json;

use crate::{cli::Cli, output::Output};

/// Write the manual pages, one for each command, into a directory
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  mkdir -p ~/.local/share/man/man1 && keyledger man ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// The directory; it must exist
    directory: PathBuf,
}

impl Man {
    pub(crate) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        // `keyledger-agent` is the name of another program, which has manual pages of its own.
        let command =
            Cli::command().mut_subcommand("agent", |agent| agent.display_name("keyledger-agents"));
        clap_mangen::generate_to(command, &self.directory)
            .with_context(|| format!("writing manual pages into {}", self.directory.display()))?;
        if out.is_json() {
            out.json(&json!({ "directory": self.directory.display().to_string() }))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use keyledger_domain::Timestamp;

    use super::*;

    #[test]
    fn every_command_has_a_page_of_its_own_name() {
        let directory = tempfile::tempdir().unwrap();
        let mut text = Vec::new();
        let man = Man {
            directory: directory.path().to_owned(),
        };
        man.run(&mut Output::fixed(&mut text, None, Timestamp::from_ms(0)))
            .unwrap();
        let page = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
        assert!(page("keyledger.1").contains("key management service"));
        assert!(page("keyledger-serve.1").contains("\\-\\-accept\\-data\\-loss"));
        assert!(page("keyledger-key-revoke.1").contains("Examples:"));
        assert!(page("keyledger-agents-enrol.1").contains(".TH keyledger-agents-enrol 1"));
        for entry in fs::read_dir(directory.path()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!name.starts_with("keyledger-agent.") && !name.starts_with("keyledger-agent-"));
        }
    }
}
