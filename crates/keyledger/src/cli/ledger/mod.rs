//! `keyledger ledger`: the events themselves.

mod export;
mod indent;
mod pages;
mod progress;
mod show;
mod tail;
mod verify;

use crate::{connect::Connection, output::Output};

/// Export and verify the ledger, and look at its events.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger ledger export --out ledger.jsonl
  keyledger ledger verify ledger.jsonl
  keyledger ledger tail")]
pub(crate) struct Ledger {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Export(export::Export),
    Verify(verify::Verify),
    Show(show::Show),
    Head(show::Head),
    Tail(tail::Tail),
}

impl Ledger {
    pub(crate) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        match self.verb {
            Verb::Export(export) => export.run(&self.connection, out).await,
            Verb::Verify(verify) => verify.run(&self.connection, out).await,
            Verb::Show(show) => show.run(&self.connection.open().await?, out).await,
            Verb::Head(head) => head.run(&self.connection.open().await?, out).await,
            Verb::Tail(tail) => tail.run(&self.connection.open().await?, out).await,
        }
    }
}
