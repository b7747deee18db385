//! The timeline of one aggregate: who did what, when and why, and what it changed.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{credentials, inventory, principals, tokens};
use crate::{
    cid::EventCid,
    ledger::{ChainBreak, Ledger},
    name::{Aggregate, HistoryId},
    record::Record,
    stamp::Stamp,
    text::{Reason, Ticket},
    time::Timestamp,
};

/// One event of a history, readable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// Its place in the history.
    pub revision: u32,
    /// When it happened.
    pub at: Timestamp,
    /// What happened, in a word: `revoked`.
    pub event: String,
    /// Its versioned type: `key.v1.revoked`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Who did it, and how that is known.
    pub who: Stamp,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The ticket it was done under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Ticket>,
    /// What it changed, by field.
    pub changes: Vec<Change>,
    /// The CID of the stored event.
    pub cid: EventCid,
    /// Its sequence in the stream.
    pub sequence: u64,
    /// The event's own id.
    pub id: Uuid,
    /// The command it came from.
    pub command_id: Uuid,
    /// The conversation it belongs to.
    pub correlation_id: Uuid,
    /// What caused it.
    pub causation_id: Uuid,
}

/// A field that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its name in the view.
    pub field: String,
    /// What it was; nothing if it was not there.
    pub from: Value,
    /// What it became; nothing if it went.
    pub to: Value,
}

/// Fields that every event changes: they say nothing.
const ALWAYS: [&str; 3] = ["revision", "cid", "changed_at"];

/// The timeline of one history, or of several, from all their records in order.
///
/// # Errors
///
/// [`ChainBreak`] if the records are not a whole history from revision 1 on.
pub fn timeline(records: &[(Record, EventCid, u64)]) -> Result<Vec<TimelineEntry>, ChainBreak> {
    let mut ledger = Ledger::new();
    let mut entries = Vec::with_capacity(records.len());
    for (record, cid, sequence) in records {
        // A user's state depends on the time: it is seen as it was then.
        let before = face(&ledger, &record.history, record.occurred_at);
        ledger.apply(record, *cid, *sequence)?;
        let after = face(&ledger, &record.history, record.occurred_at);
        entries.push(TimelineEntry {
            revision: record.revision,
            at: record.occurred_at,
            event: record.event.past().to_owned(),
            type_name: record.event.type_name().to_owned(),
            who: (*record.principal).clone(),
            reason: record.why.reason.clone(),
            ticket: record.why.ticket.clone(),
            changes: changes(&before, &after),
            cid: *cid,
            sequence: *sequence,
            id: record.id,
            command_id: record.ids.command,
            correlation_id: record.ids.correlation,
            causation_id: record.ids.causation,
        });
    }
    Ok(entries)
}

/// An aggregate's row as JSON; empty if it does not exist.
fn face(ledger: &Ledger, history: &HistoryId, at: Timestamp) -> Map<String, Value> {
    fn json<T: Serialize>(row: Option<T>) -> Option<Value> {
        row.map(|row| serde_json::to_value(row).expect("a row has only text keys"))
    }
    let name = &history.name;
    let value = match history.aggregate {
        Aggregate::Key => json(inventory::row(ledger, name)),
        Aggregate::Principal => json(principals::principal(ledger, name)),
        Aggregate::Operator => json(credentials::operator(ledger).filter(|o| o.name == *name)),
        Aggregate::Account => json(credentials::account(ledger, name)),
        Aggregate::User => json(credentials::user(ledger, name, at)),
        Aggregate::Token => json(tokens::token(ledger, name)),
    };
    match value {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

fn changes(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Change> {
    let value = |fields: &Map<String, Value>, name: &str| fields.get(name).cloned();
    let went = before.keys().filter(|name| !after.contains_key(*name));
    after
        .keys()
        .chain(went)
        .filter(|name| !ALWAYS.contains(&name.as_str()))
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| Change {
            field: name.clone(),
            from: value(before, name).unwrap_or_default(),
            to: value(after, name).unwrap_or_default(),
        })
        .collect()
}
