//! `keyledger-agent unit`: prints the unit with which systemd starts the agent.

use anyhow::Context as _;
use keyledger_domain::text::systemd_word;

use crate::output::Output;

/// The unit for a program in systemd's path.
const UNIT: &str = include_str!("../../keyledger-agent.service");
/// The text in front of the program's arguments.
const START: &str = "ExecStart=keyledger-agent ";

/// Print a unit with which systemd starts this program when you log in
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger-agent unit > ~/.config/systemd/user/keyledger-agent.service

Then: `systemctl --user daemon-reload && systemctl --user enable --now keyledger-agent`.")]
pub(crate) struct PrintUnit {}

impl PrintUnit {
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let program =
            std::env::current_exe().context("the path of this program cannot be found out")?;
        let program = program
            .to_str()
            .context("the path of this program is not text")?;
        let unit = unit(program);
        if out.is_json() {
            return Ok(out.json(&serde_json::json!({ "unit": unit }))?);
        }
        Ok(out.line(unit.trim_end())?)
    }
}

/// The unit that starts the program at `path`.
fn unit(path: &str) -> String {
    UNIT.replace("# The program in /usr/local/bin or /usr/bin.\n", "")
        .replace(START, &format!("ExecStart={} ", systemd_word(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_starts_the_program_where_it_is() {
        assert_eq!(UNIT.matches(START).count(), 1);
        let unit = unit("/home/ada/my 100% bin/keyledger-agent");
        let line = "\nExecStart=\"/home/ada/my 100%% bin/keyledger-agent\" run\n";
        assert!(unit.contains(line), "{unit}");
    }
}
