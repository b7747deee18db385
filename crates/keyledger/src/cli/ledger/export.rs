//! Exporting the ledger into a file that anyone can keep and verify.

use std::{
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use keyledger_custody::{Existing, OutputFile, Readers};
use keyledger_domain::verify::export::{Line, write_line};
use serde_json::json;

use super::{
    pages::{self, Lines},
    progress::Progress,
};
use crate::{
    cli::openpgp::files,
    connect::Connection,
    exit::{Exit, Failure},
    output::Output,
    session::Session,
};

/// Export the whole ledger, with its signed head, as JSON lines
///
/// `keyledger ledger verify FILE` verifies it anywhere, without this service or its server.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger ledger export --out ledger.jsonl
  keyledger ledger export | zstd > ledger.jsonl.zst")]
pub(super) struct Export {
    /// The file to write; it must not exist [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Export {
    pub(super) async fn run(
        self,
        connection: &Connection,
        out: &mut Output<'_>,
    ) -> anyhow::Result<()> {
        let Some(path) = self.out else {
            let session = connection.open().await?;
            let mut whole = Vec::new();
            return stream(&session, |line| {
                whole.clear();
                writeln!(whole, "{line}")?;
                Ok(out.raw(&whole)?)
            })
            .await
            .map(drop);
        };
        files::check_absent(&path)?;
        let session = connection.open().await?;
        let events = to_file(&session, &path).await?;
        if out.is_json() {
            out.json(&json!({ "file": path, "events": events }))?;
        } else {
            out.line(format!("exported {events} events to {}", path.display()))?;
        }
        Ok(())
    }
}

/// Writes the export under another name until it is complete, so that a file called `path` is always complete.
async fn to_file(session: &Session, path: &Path) -> anyhow::Result<u64> {
    let refused = |error| files::unwritten(path, error);
    let failed = || format!("writing {}", path.display());
    let output = OutputFile::begin(path, Readers::Owner, Existing::Kept).map_err(refused)?;
    let mut output = BufWriter::new(output);
    let events = stream(session, |line| {
        writeln!(output, "{line}").with_context(failed)
    })
    .await?;
    let output = output
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)
        .with_context(failed)?;
    output.finish().map_err(refused)?;
    Ok(events)
}

/// Passes every line of the export to `write`; returns the number of events.
async fn stream(
    session: &Session,
    mut write: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let head = pages::head(session).await?;
    let mut progress = Progress::new("exported", Some(head.events));
    write(&write_line(&Line::Header {
        prefix: head.prefix.clone(),
    }))?;
    let mut lines = Lines::covered_by(&head, session);
    let mut events = 0;
    while let Some(line) = lines.next().await.map_err(unreadable)? {
        write(&line)?;
        progress.step();
        events += 1;
    }
    let expected = head.events;
    write(&write_line(&Line::Head(head)))?;
    drop(progress);
    if events < expected {
        let problem =
            format!("the ledger has {events} events, and its signed head covers {expected}");
        return Err(Failure::new(Exit::Unverified, problem)
            .remedy("events are missing at the end; `keyledger ledger verify` says more")
            .into());
    }
    Ok(events)
}

/// An event that the service itself cannot read: the ledger is broken there.
fn unreadable(error: anyhow::Error) -> anyhow::Error {
    let Some(said) = pages::broken(&error) else {
        return error;
    };
    Failure::new(Exit::Unverified, format!("the ledger is broken: {said}"))
        .remedy("`keyledger ledger verify` says where")
        .into()
}
