//! The ledger itself: its signed head, and its events as they are stored.

use std::collections::BTreeMap;

use keyledger_domain::{
    Rejection, Timestamp,
    verify::{SignedHead, StoredEvent as Exported, export, header::OF_THE_APPEND},
    views::Filling,
};
use keyledger_wire::{
    query::{EventsPage, EventsQuery, Nothing},
    questions::{LedgerEvents, LedgerHead},
};

use super::{Answering, Asking};
use crate::{
    lanes::Family,
    refused::Refused,
    shared::Shared,
    store::{ReadError, StoredEvent},
};

/// Events of a page if the question does not say, and at most.
const EVENTS_PAGE: (u16, u16) = (200, 500);
/// Events that are read at once for a page.
const EVENTS_AT_ONCE: usize = 128;

impl Answering for LedgerHead {
    fn family(_payload: &[u8]) -> Family {
        Family::Reading
    }

    async fn answer(on: Asking<'_>, (): (), _: Nothing) -> Result<SignedHead, Refused> {
        // It covers everything that any instance acknowledged before the question came.
        on.shared.handler.catch_up().await?;
        head(on.shared, on.now).await
    }
}

impl Answering for LedgerEvents {
    fn family(_payload: &[u8]) -> Family {
        Family::Reading
    }

    async fn answer(on: Asking<'_>, (): (), query: EventsQuery) -> Result<EventsPage, Refused> {
        events(on.shared, query).await
    }
}

async fn head(shared: &Shared, now: Timestamp) -> Result<SignedHead, Refused> {
    let position = shared.live.position();
    let signer = shared.ledger_signer.current();
    let head = SignedHead::unsigned(
        shared.prefix.as_str(),
        &position.digest,
        position.sequence,
        now,
        signer.nkey(),
    );
    let signature = signer.sign(&head.message()).await?;
    Ok(head.with_signature(&signature))
}

/// Stored events, exactly as they are, in lines of the export's form.
async fn events(shared: &Shared, query: EventsQuery) -> Result<EventsPage, Refused> {
    let (usual, most) = EVENTS_PAGE;
    let limit = query.limit.unwrap_or(usual);
    if !(1..=most).contains(&limit) {
        return Err(Rejection::OutOfRange {
            field: "limit",
            value: i64::from(limit),
            min: 1,
            max: i64::from(most),
        }
        .into());
    }
    let mut lines = Filling::of(shared.budget());
    let (mut after, mut left) = (query.after, usize::from(limit));
    while left > 0 {
        // As many as may fit, and no more in memory than a few pages of the largest.
        let events = read(shared, after, left.min(EVENTS_AT_ONCE)).await?;
        if events.is_empty() {
            break;
        }
        for event in events {
            after = event.sequence;
            left -= 1;
            if !lines.add(export::write_line(&export::Line::Event(exported(event)))) {
                return Ok(EventsPage { lines: lines.rows });
            }
        }
    }
    Ok(EventsPage { lines: lines.rows })
}

/// Up to `limit` stored events. What is folded is known to be stored, so it can be read while the cluster elects a leader.
async fn read(shared: &Shared, after: u64, limit: usize) -> Result<Vec<StoredEvent>, ReadError> {
    let folded = shared.live.position().sequence.saturating_sub(after);
    let folded = usize::try_from(folded).unwrap_or(usize::MAX);
    if folded >= limit {
        return shared.store.known(after, limit).await;
    }
    match shared.store.read(after, limit).await {
        Err(ReadError::Unavailable(_)) if folded > 0 => shared.store.known(after, folded).await,
        read => read,
    }
}

fn exported(event: StoredEvent) -> Exported {
    let mut headers = BTreeMap::<String, String>::new();
    let unsigned = |name: &str| OF_THE_APPEND.contains(&name);
    for (name, value) in event
        .headers
        .into_iter()
        .filter(|(name, _)| !unsigned(name))
    {
        // A header that stands twice is shown with both values: a verifier finds that they differ from the bytes.
        headers
            .entry(name)
            .and_modify(|first| *first = format!("{first}, {value}"))
            .or_insert(value);
    }
    Exported {
        sequence: event.sequence,
        subject: event.subject,
        headers,
        payload: event.payload.to_vec(),
    }
}
