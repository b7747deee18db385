//! Watching the inventory: each change as it happens.

use std::time::Duration;

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
    exit::{Exit, Failure},
    output::{self, Output},
    session::Session,
    when,
};

/// A change of a key that matches the conditions.
#[derive(Debug, Serialize)]
struct KeyChange {
    at: Timestamp,
    name: Name,
    revision: u32,
    event: &'static str,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The key as it was read after the change, perhaps at a later revision; absent if it no longer matches.
    key: Option<InventoryRow>,
}

/// Prints the keys, then each change, until it is interrupted.
pub(super) async fn run(
    session: &Session,
    out: &mut Output<'_>,
    query: InventoryQuery,
    columns: &[rows::Column],
) -> anyhow::Result<()> {
    // Listening begins before the question is asked, so that no change is missed.
    let mut events = session.events(session.client().prefix().events()).await?;
    let page = locate(session, query.clone(), true).await?;
    let mut known: Vec<Name> = page.rows.iter().map(|row| row.name.clone()).collect();
    if out.is_json() {
        out.json_line(&page)?
    } else {
        rows::print(&page, columns, out)?
    }
    loop {
        let record = tokio::select! {
            heard = events.next() => heard?.ok_or_else(lost)?.record,
            denied = session.denied() => return Err(Failure::from(denied).into()),
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
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

/// Ends the watch when the connection was lost: events in between would be missed, so it must not continue silently.
fn lost() -> Failure {
    Failure::new(Exit::Unreachable, "the connection was lost")
        .remedy("watch again: it first prints the current keys")
}

/// The key after the revision `at`, if it matches the conditions.
async fn now_of(
    session: &Session,
    query: &InventoryQuery,
    name: &Name,
    at: u32,
) -> anyhow::Result<Option<InventoryRow>> {
    /// The event arrives here while the service is still folding it, which takes a moment.
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

fn change(record: &Record, key: Option<InventoryRow>) -> KeyChange {
    KeyChange {
        at: record.occurred_at,
        name: record.history.name.clone(),
        revision: record.revision,
        event: record.event.past(),
        by: history::who(&record.principal),
        reason: record.why.reason.as_ref().map(ToString::to_string),
        key,
    }
}

fn print(change: &KeyChange, out: &mut Output<'_>) -> std::io::Result<()> {
    let KeyChange {
        at,
        name,
        revision,
        event,
        by,
        reason,
        key,
    } = change;
    let state = match key {
        None => " → no longer among these".to_owned(),
        Some(key) if key.revision == *revision => format!(" → {}", key.state),
        // More has happened since then, so the state in between is not known here.
        Some(key) => format!(" (now {})", key.state),
    };
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
            "{}  {name}  {event}{state}  by {by}{reason}",
            when::moment(*at)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_line() {
        let row = rows::tests::rows().remove(1);
        let change = KeyChange {
            revision: row.revision,
            at: when::parse_moment("2026-11-22T10:00:00Z").unwrap(),
            name: "orders-db".parse().unwrap(),
            event: "revoked",
            by: "alice (administrator)".to_owned(),
            reason: Some("laptop stolen".to_owned()),
            key: Some(row),
        };
        let mut text = Vec::new();
        print(&change, &mut Output::fixed(&mut text, None, change.at)).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "2026-11-22 10:00:00Z  orders-db  revoked → compromised  by alice (administrator): laptop stolen\n"
        );
        // It was read after more events, so its state is not the result of this event.
        let change = KeyChange {
            revision: change.revision - 1,
            event: "suspended",
            reason: None,
            ..change
        };
        let mut text = Vec::new();
        print(&change, &mut Output::fixed(&mut text, None, change.at)).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "2026-11-22 10:00:00Z  orders-db  suspended (now compromised)  by alice (administrator)\n"
        );
    }
}
