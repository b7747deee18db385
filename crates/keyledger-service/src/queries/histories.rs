//! Timelines of one history, and events of all of them.

use keyledger_domain::{
    EventCid, Name, Record, Timestamp,
    name::HistoryId,
    views::{HistoryQuery, Search, SearchPage, SearchQuery, TimelineEntry},
};
use keyledger_wire::questions::{History, HistorySearch};

use super::{Answering, Asking, history};
use crate::{
    lanes::Family,
    refused::{Refused, broken},
    shared::Shared,
};

impl Answering for History {
    fn family(_payload: &[u8]) -> Family {
        Family::Reading
    }

    async fn answer(
        on: Asking<'_>,
        id: HistoryId,
        query: HistoryQuery,
    ) -> Result<Vec<TimelineEntry>, Refused> {
        history::page(on.shared, &id, &query).await
    }
}

impl Answering for HistorySearch {
    fn family(_payload: &[u8]) -> Family {
        Family::Reading
    }

    async fn answer(on: Asking<'_>, (): (), query: SearchQuery) -> Result<SearchPage, Refused> {
        search(on.shared, &query).await
    }
}

/// Events of all histories that fit a question. A request reads a bounded number of events. Where little is found, its answer
/// says from where to go on.
async fn search(shared: &Shared, query: &SearchQuery) -> Result<SearchPage, Refused> {
    const AT_ONCE: usize = 1_000;
    const READINGS: usize = 10;
    let users = {
        let ledger = shared.live.ledger.read();
        let of = |principal: &Name| {
            let users = ledger.users();
            let users = users.filter(|(_, u)| u.state.principal.as_ref() == Some(principal));
            users.map(|(_, u)| u.state.nkey.clone()).collect()
        };
        query.principal.as_ref().map(of).unwrap_or_default()
    };
    let mut search = Search::new(query, users, shared.budget())?;
    let last = shared.live.position().sequence;
    let mut after = match (query.after, query.since) {
        (Some(after), _) => after,
        (None, Some(since)) => first_near(shared, since, last).await?,
        (None, None) => 0,
    };
    for _ in 0..READINGS {
        let events = shared.store.read(after, AT_ONCE).await?;
        let Some(newest) = events.last() else {
            return Ok(search.finish(true));
        };
        after = newest.sequence;
        for event in events {
            let record = Record::read(&event.payload).map_err(broken)?;
            if !search.take(&record, EventCid::of(&event.payload), event.sequence) {
                return Ok(search.finish(false));
            }
        }
        if after >= last {
            return Ok(search.finish(true));
        }
    }
    Ok(search.finish(false))
}

/// A sequence behind which all is that happened since a moment: found by halving, since the stream is in the order of time but for
/// what clocks differ.
async fn first_near(shared: &Shared, since: Timestamp, last: u64) -> Result<u64, Refused> {
    const CLOCKS_DIFFER_MS: i64 = 300_000;
    let since = since.plus_ms(-CLOCKS_DIFFER_MS);
    let (mut before, mut behind) = (0, last);
    while behind - before > 64 {
        let middle = before + (behind - before) / 2;
        let event = shared.store.read(middle, 1).await?;
        let Some(event) = event.first() else { break };
        let record = Record::read(&event.payload).map_err(broken)?;
        if record.occurred_at < since {
            before = middle;
        } else {
            behind = middle;
        }
    }
    Ok(before)
}
