//! `keyledger unit`: what systemd starts.

use std::path::PathBuf;

use anyhow::Context as _;
use keyledger_domain::text::systemd_word;

use crate::output::Output;

/// The unit, for a program that is in systemd's path.
const UNIT: &str = include_str!("../../keyledger.service");
/// Where the program stands in it.
const START: &str = "ExecStart=keyledger ";
/// Where the organisation's directory stands in it.
const DIRECTORY: &str = "Environment=\"KEYLEDGER_DIR=/etc/keyledger\"\n";

/// Print a unit with which systemd starts `keyledger serve` of this very program
///
/// Its first lines say what it needs: a user, the organisation's directory, the passphrase of its root key.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger unit > /etc/systemd/system/keyledger.service
  keyledger unit --dir /srv/keyledger > /etc/systemd/system/keyledger.service

Then: `systemctl daemon-reload && systemctl enable --now keyledger`.")]
pub(crate) struct Unit {
    /// The organisation's directory
    #[arg(long, value_name = "DIR", default_value = "/etc/keyledger")]
    dir: PathBuf,
}

impl Unit {
    pub(crate) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let program = std::env::current_exe().context("where this program is")?;
        let program = program
            .to_str()
            .context("the path of this program is no UTF-8 text")?;
        let directory = std::path::absolute(&self.dir)?;
        let directory = directory
            .to_str()
            .context("the path of the directory is no UTF-8 text")?;
        let unit = unit(program, directory);
        if out.is_json() {
            return Ok(out.json(&serde_json::json!({ "unit": unit }))?);
        }
        Ok(out.line(unit.trim_end())?)
    }
}

/// The unit that has the program at `path` serve the organisation in `directory`.
fn unit(path: &str, directory: &str) -> String {
    let directory = systemd_word(&format!("KEYLEDGER_DIR={directory}"));
    UNIT.replace("# The program in /usr/local/bin or /usr/bin.\n", "")
        .replace(START, &format!("ExecStart={} ", systemd_word(path)))
        .replace(DIRECTORY, &format!("Environment={directory}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_names_the_program_and_the_directory_as_systemd_reads_them() {
        assert_eq!(UNIT.matches(START).count(), 1);
        assert_eq!(UNIT.matches(DIRECTORY).count(), 1);
        let unit = unit("/opt/my 100% bin/keyledger", "/srv/a \"b\" \\c");
        for line in [
            "\nExecStart=\"/opt/my 100%% bin/keyledger\" serve ",
            "\nEnvironment=\"KEYLEDGER_DIR=/srv/a \\\"b\\\" \\\\c\"\n",
        ] {
            assert!(unit.contains(line), "{line} in {unit}");
        }
        assert!(!unit.contains("/etc/keyledger"), "{unit}");
    }
}
