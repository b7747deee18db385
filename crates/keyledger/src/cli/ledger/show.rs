//! One event, exactly as it is stored; and the signed head.

use keyledger_domain::{
    EventCid,
    verify::{
        StoredEvent,
        export::{Line, parse_line},
        header,
    },
};
use serde_json::{Value, json};

use super::{indent::indented, pages};
use crate::{
    exit::{Exit, Failure},
    output::{Output, faint},
    session::Session,
    table::{Cell, Table},
};

/// Show an event exactly as it is stored: subject, headers, payload
///
/// Exits with 5 if its bytes do not match its CID.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  keyledger ledger show 23")]
pub(super) struct Show {
    /// Its sequence in the stream
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    sequence: u64,
}

/// Show the signed head: how many events there are, and the digest over all of them
///
/// Keep a copy of it to show later that history was not rewritten.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  keyledger ledger head")]
pub(super) struct Head {}

impl Show {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let lines = pages::lines(session, self.sequence - 1, 1).await?;
        let stored = lines.first().map(|line| parse_line(line)).transpose()?;
        let Some(Line::Event(stored)) = stored.filter(|line| is_at(line, self.sequence)) else {
            let problem = format!("there is no event at sequence {}", self.sequence);
            return Err(Failure::new(Exit::Rejected, problem)
                .remedy("`keyledger ledger head` shows the last one")
                .into());
        };
        print(&stored, out)?;
        check(&stored)
    }
}

impl Head {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let head = pages::head(session).await?;
        out.json(&head)?; // people keep it in this form too
        Ok(())
    }
}

fn is_at(line: &Line, sequence: u64) -> bool {
    matches!(line, Line::Event(stored) if stored.sequence == sequence)
}

fn print(stored: &StoredEvent, out: &mut Output<'_>) -> anyhow::Result<()> {
    if out.is_json() {
        let payload = serde_json::from_slice::<Value>(&stored.payload);
        let payload = payload.unwrap_or_else(|_| json!(String::from_utf8_lossy(&stored.payload)));
        out.json(&json!({
            "sequence": stored.sequence, "subject": stored.subject,
            "headers": stored.headers, "payload": payload,
        }))?;
        return Ok(());
    }
    let mut table = Table::new(&["", ""]);
    let mut line = |what: &str, text: String| table.row([Cell::styled(what, faint()), text.into()]);
    line("sequence", stored.sequence.to_string());
    line("subject", stored.subject.clone());
    for (name, value) in &stored.headers {
        line(name, value.clone());
    }
    out.table(&table)?;
    out.line(indented(&String::from_utf8_lossy(&stored.payload)))?;
    Ok(())
}

fn check(stored: &StoredEvent) -> anyhow::Result<()> {
    let cid = EventCid::of(&stored.payload).to_string();
    if stored.headers.get(header::CID) == Some(&cid) {
        return Ok(());
    }
    let problem = format!(
        "sequence {}: its bytes have CID {cid}, but its header names another",
        stored.sequence
    );
    Err(Failure::new(Exit::Unverified, problem)
        .remedy("`keyledger ledger verify` checks the whole ledger")
        .into())
}
