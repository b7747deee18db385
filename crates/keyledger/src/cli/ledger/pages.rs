//! Reading the whole ledger page by page.

use std::collections::VecDeque;

use anyhow::Context as _;
use keyledger_domain::verify::SignedHead;
use keyledger_wire::query::{EventsPage, EventsQuery, Nothing};

use crate::{exit::refusal, session::Session};

/// The most events that the service returns in a page.
const PAGE: u16 = 500;

/// The signed head: how many events there are now.
pub(super) async fn head(session: &Session) -> anyhow::Result<SignedHead> {
    session
        .query("ledger.head", &Nothing {})
        .await
        .context("asking for the signed head")
}

/// The service's message, if it cannot return an event because the ledger is broken there.
pub(super) fn broken(error: &anyhow::Error) -> Option<&str> {
    let refusal = refusal(error).filter(|refusal| refusal.reason == "ledger_broken")?;
    Some(&refusal.message)
}

/// The lines of the next events after `after`, in the form of an export.
pub(super) async fn lines(
    session: &Session,
    after: u64,
    limit: u16,
) -> anyhow::Result<Vec<String>> {
    let query = EventsQuery {
        after,
        limit: Some(limit),
    };
    let page: EventsPage = session
        .query("ledger.events", &query)
        .await
        .with_context(|| format!("asking for the events after sequence {after}"))?;
    Ok(page.lines)
}

/// The lines of a ledger's events from the first on, one after the other.
pub(super) struct Lines<'a> {
    session: &'a Session,
    waiting: VecDeque<String>,
    after: u64,
    left: u64,
}

impl<'a> Lines<'a> {
    /// As many events as `head` covers; later events are left out.
    pub(super) fn covered_by(head: &SignedHead, session: &'a Session) -> Self {
        Self {
            session,
            waiting: VecDeque::new(),
            after: 0,
            left: head.events,
        }
    }

    /// The next line; `None` at the end, even if events are missing.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<String>> {
        if self.left == 0 {
            return Ok(None);
        }
        if self.waiting.is_empty() {
            self.waiting = lines(self.session, self.after, PAGE).await?.into();
        }
        let Some(line) = self.waiting.pop_front() else {
            return Ok(None);
        };
        if self.waiting.is_empty() {
            self.after = sequence(&line)?;
        }
        self.left -= 1;
        Ok(Some(line))
    }
}

/// The sequence in a line: where the next page begins.
fn sequence(line: &str) -> anyhow::Result<u64> {
    #[derive(serde::Deserialize)]
    struct Line {
        sequence: u64,
    }
    let line: Line = serde_json::from_str(line).context("an event's line cannot be read")?;
    Ok(line.sequence)
}
