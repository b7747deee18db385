//! Printing events as they happen.

use std::collections::HashSet;

use anyhow::Context as _;
use keyledger_domain::{
    Record,
    verify::export::{Line, parse_line},
};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::pages;
use crate::{
    cli::history,
    exit::Failure,
    output::Output,
    session::{self, Session},
    when,
};

/// Print events as they happen, until interrupted
///
/// Each is verified by its CID and its signature. Other messages on the same subjects are skipped, and counted at the end.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger ledger tail
  keyledger ledger tail --last 100 --json | jq .type")]
pub(super) struct Tail {
    /// Begin with this many of the newest stored events
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=500))]
    last: u16,
}

impl Tail {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        // Listening begins first, so that no event is missed. Events that arrive twice are printed once.
        let mut events = session.events(session.client().prefix().events()).await?;
        let mut printed = HashSet::new();
        if self.last > 0 {
            let head = pages::head(session).await?;
            let after = head.sequence.saturating_sub(self.last.into());
            for line in pages::lines(session, after, self.last).await? {
                if let Line::Event(stored) = parse_line(&line)? {
                    printed.insert(print(&stored.payload, out)?);
                }
            }
        }
        loop {
            let heard = tokio::select! {
                heard = events.next() => heard?.ok_or_else(session::lost)?,
                denied = session.denied() => return Err(Failure::from(denied).into()),
                _ = tokio::signal::ctrl_c() => return Ok(()),
            };
            if !printed.remove(&heard.record.id) {
                print(&heard.payload, out)?;
            }
        }
    }
}

/// Prints an event on one line, and gives its id.
fn print(payload: &[u8], out: &mut Output<'_>) -> anyhow::Result<Uuid> {
    let record = Record::read(payload).context("an event cannot be read by this version")?;
    if out.is_json() {
        let exact: &RawValue = serde_json::from_slice(payload)?;
        out.json_line(&exact)?;
        return Ok(record.id);
    }
    let reason = record
        .why
        .reason
        .as_ref()
        .map(|reason| format!(": {reason}"))
        .unwrap_or_default();
    let ticket = record
        .why
        .ticket
        .as_ref()
        .map(|ticket| format!(" [{ticket}]"))
        .unwrap_or_default();
    let (at, past) = (when::moment(record.occurred_at), record.event.past());
    let (history, revision) = (&record.history, record.revision);
    let who = history::who(&record.principal);
    out.line(format!(
        "{at}  {history}  {past} (revision {revision})  by {who}{reason}{ticket}"
    ))?;
    Ok(record.id)
}
