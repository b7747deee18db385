//! `keyledger subjects`: the table of everything on the wire.

use crate::output::Output;

/// Print every subject, stream, header, rejection and fault, as Markdown
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  keyledger subjects > subjects.md")]
pub(crate) struct Subjects {}

impl Subjects {
    pub(crate) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        out.raw(keyledger_wire::table::subjects_md().as_bytes())?;
        Ok(())
    }
}
