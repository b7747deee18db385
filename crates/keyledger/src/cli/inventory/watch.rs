//! Watching the inventory: each change as it happens.

use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt as _;
use keyledger_domain::{
    Name, Record, Timestamp,
    name::Aggregate,
    views::{InventoryPage, InventoryQuery, InventoryRow},
};
use keyledger_wire::query::Nothing;
use serde::Serialize;

use super::{locate, rows};
use crate::{
    cli::history,
    output::{self, Output},
    session::{self, Session},
    when,
};

/// A change of a key that was asked for.
#[derive(Debug, Serialize)]
struct Change {
    at: Timestamp,
    name: Name,
    event: &'static str,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The key afterwards; nothing if it is none of those asked for any more.
    key: Option<InventoryRow>,
}

/// Prints what there is, then each change, until it is interrupted.
pub(super) async fn run(
    session: &Session,
    out: &mut Output<'_>,
    query: InventoryQuery,
) -> anyhow::Result<()> {
    // Listening begins before the question is asked, so that nothing falls between the two.
    let mut events = session
        .subscribe(session.client().prefix().events())
        .await?;
    let page = locate(session, query.clone(), true).await?;
    let mut known: Vec<Name> = page.rows.iter().map(|row| row.name.clone()).collect();
    if out.is_json() {
        out.json_line(&page)?
    } else {
        rows::print(&page, out)?
    }
    loop {
        let message = tokio::select! {
            message = events.next() => message.context("the connection was lost")?,
            said = session.denied() => return Err(session::denied(&said).into()),
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        let record =
            Record::read(&message.payload).context("an event cannot be read by this version")?;
        if record.history.aggregate != Aggregate::Key
            || query
                .name
                .as_ref()
                .is_some_and(|asked| *asked != record.history.name)
        {
            continue;
        }
        let name = record.history.name.clone();
        let key = now_of(session, &query, &name, record.revision).await?;
        if key.is_none() && !known.contains(&name) {
            continue;
        }
        known.retain(|known| *known != name);
        known.extend(key.is_some().then_some(name));
        let change = change(&record, key);
        if out.is_json() {
            out.json_line(&change)?
        } else {
            print(&change, out)?
        }
    }
}

/// The key as it is after the revision `at`, if it is one of those asked for.
async fn now_of(
    session: &Session,
    query: &InventoryQuery,
    name: &Name,
    at: u32,
) -> anyhow::Result<Option<InventoryRow>> {
    /// The event comes here while the service is still folding it: that takes it a moment.
    const TRIES: u32 = 50;
    const PAUSE: Duration = Duration::from_millis(20);
    for _ in 0..TRIES {
        let tail = format!("inventory.show.{name}");
        let row = session.query::<_, InventoryRow>(&tail, &Nothing {}).await;
        if row.is_ok_and(|row| row.revision >= at) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let query = InventoryQuery {
        name: Some(name.clone()),
        limit: Some(1),
        ..query.clone()
    };
    let page: InventoryPage = session.query("inventory.locate", &query).await?;
    Ok(page.rows.into_iter().next())
}

fn change(record: &Record, key: Option<InventoryRow>) -> Change {
    Change {
        at: record.occurred_at,
        name: record.history.name.clone(),
        event: record.event.past(),
        by: history::who(&record.principal),
        reason: record.why.reason.as_ref().map(ToString::to_string),
        key,
    }
}

fn print(change: &Change, out: &mut Output<'_>) -> std::io::Result<()> {
    let Change {
        at,
        name,
        event,
        by,
        reason,
        key,
    } = change;
    let state = key
        .as_ref()
        .map_or("no longer among these".to_owned(), |key| {
            key.state.to_string()
        });
    let style = key
        .as_ref()
        .map_or(output::faint(), |key| output::state(key.state));
    let reason = reason
        .as_ref()
        .map(|reason| format!(": {reason}"))
        .unwrap_or_default();
    out.styled(
        style,
        &format!(
            "{}  {name}  {event} → {state}  by {by}{reason}",
            when::moment(*at)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_line() {
        let change = Change {
            at: when::parse_moment("2026-11-22T10:00:00Z").unwrap(),
            name: "orders-db".parse().unwrap(),
            event: "revoked",
            by: "alice (administrator)".to_owned(),
            reason: Some("laptop stolen".to_owned()),
            key: Some(rows::tests::rows().remove(1)),
        };
        let mut text = Vec::new();
        print(&change, &mut Output::fixed(&mut text, None, change.at)).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "2026-11-22 10:00:00Z  orders-db  revoked → compromised  by alice (administrator): laptop stolen\n"
        );
    }
}
