//! `keyledger subjects`: the table of everything on the wire.

use crate::output::Output;

/// Print every subject, stream, header, rejection and fault, as Markdown; with --json the JSON Schemas of payloads and answers
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  keyledger subjects > subjects.md\n  keyledger subjects --json > schemas.json"
)]
pub(crate) struct Subjects {}

impl Subjects {
    pub(crate) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        if out.is_json() {
            return Ok(out.json(&keyledger_wire::schemas::schemas())?);
        }
        out.raw(keyledger_wire::table::subjects_md().as_bytes())?;
        Ok(())
    }
}
