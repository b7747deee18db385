//! Exporting the ledger into a file that anyone can keep and verify.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use keyledger_domain::verify::export::{Line, write_line};
use serde_json::json;

use super::{
    pages::{self, Lines},
    progress::Progress,
};
use crate::{
    connect::Connection,
    exit::{Exit, Failure},
    output::Output,
    session::Session,
};

/// Export the whole ledger, with a signed head, as JSON lines
///
/// `keyledger ledger verify FILE` verifies it anywhere, without this service or its server.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger ledger export --out ledger.jsonl
  keyledger ledger export | zstd > ledger.jsonl.zst")]
pub(super) struct Export {
    /// The file to write; it must not exist. Standard output unless given
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
        if path.exists() {
            let problem = format!("{} exists already", path.display());
            return Err(Failure::new(Exit::Usage, problem)
                .remedy("name another file")
                .into());
        }
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

/// Under another name until it is whole: what is called `path` can be trusted to be complete.
async fn to_file(session: &Session, path: &Path) -> anyhow::Result<u64> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let file = File::create(&part).with_context(|| format!("writing {}", part.display()))?;
    let written = write_part(session, file, &part, path).await;
    if written.is_err() {
        drop(std::fs::remove_file(&part)); // half an export is none; the first error counts
    }
    written
}

/// Writes the export to `file`, which is called `part` until it is whole.
async fn write_part(
    session: &Session,
    file: File,
    part: &Path,
    path: &Path,
) -> anyhow::Result<u64> {
    let failed = || format!("writing {}", part.display());
    let mut file = BufWriter::new(file);
    let events = stream(session, |line| {
        writeln!(file, "{line}").with_context(failed)
    })
    .await?;
    let file = file
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)
        .with_context(failed)?;
    file.sync_all().with_context(failed)?;
    std::fs::rename(part, path).with_context(|| format!("naming {}", path.display()))?;
    Ok(events)
}

/// Gives every line of the export to `write`, and how many events there were.
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
    while let Some(line) = lines.next().await? {
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
