//! The timeline of one aggregate: who did what, when and why, and what it changed.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    credentials, inventory,
    page::{self, Budget, Filling},
    principals, tokens,
};
use crate::{
    cid::EventCid,
    ledger::{ChainBreak, Ledger},
    name::{Aggregate, HistoryId, Name},
    record::Record,
    rejection::Rejection,
    stamp::Stamp,
    text::{Reason, Ticket},
    time::Timestamp,
};

/// One event of a history, readable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
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
    #[schemars(with = "String")]
    pub id: Uuid,
    /// The command it came from.
    #[schemars(with = "String")]
    pub command_id: Uuid,
    /// The conversation it belongs to.
    #[schemars(with = "String")]
    pub correlation_id: Uuid,
    /// What caused it.
    #[schemars(with = "String")]
    pub causation_id: Uuid,
}

/// Asks for a part of a history, in the order of its revisions. After the last there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryQuery {
    /// At most so many, 1 to 500; as many as fit an answer if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// Only what comes after this revision: the last of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u32>,
}

impl HistoryQuery {
    /// The last revision that the page can have.
    ///
    /// # Errors
    ///
    /// [`Rejection::OutOfRange`] if the limit is.
    pub fn until(&self) -> Result<u32, Rejection> {
        let after = self.after.unwrap_or_default();
        let most = self.limit.unwrap_or(page::MAX_PAGE);
        let most = page::limit(Some(most))?;
        Ok(after.saturating_add(u32::try_from(most).unwrap_or(u32::MAX)))
    }
}

/// A field that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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
    let mut past = HistoryFold::default();
    let entries = records.iter();
    let entries = entries.map(|(record, cid, sequence)| past.entry(record, *cid, *sequence));
    entries.collect()
}

/// A history folded so far: where a page begins. It knows the state, and nothing of how it came to be, so that it is small however long
/// the history.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HistoryFold(Ledger);

impl HistoryFold {
    /// Folds the next record of the history.
    ///
    /// # Errors
    ///
    /// [`ChainBreak`] if it does not follow.
    pub fn fold(
        &mut self,
        record: &Record,
        cid: EventCid,
        sequence: u64,
    ) -> Result<(), ChainBreak> {
        self.0.apply(record, cid, sequence)?;
        self.0.forget_commands();
        Ok(())
    }

    /// How many bytes it has as JSON: some measure of what it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        page::json_bytes(&self.0)
    }

    /// Folds the next record and says what it changed.
    fn entry(
        &mut self,
        record: &Record,
        cid: EventCid,
        sequence: u64,
    ) -> Result<TimelineEntry, ChainBreak> {
        // A user's state depends on the time: it is seen as it was then.
        let before = face(&self.0, &record.history, record.occurred_at);
        self.fold(record, cid, sequence)?;
        let after = face(&self.0, &record.history, record.occurred_at);
        Ok(TimelineEntry {
            revision: record.revision,
            at: record.occurred_at,
            event: record.event.past().to_owned(),
            type_name: record.event.type_name().to_owned(),
            who: (*record.principal).clone(),
            reason: record.why.reason.clone(),
            ticket: record.why.ticket.clone(),
            changes: changes(&before, &after),
            cid,
            sequence,
            id: record.id,
            command_id: record.ids.command,
            correlation_id: record.ids.correlation,
            causation_id: record.ids.causation,
        })
    }
}

/// A page of the timeline of one history while it is filled: as much as fits a message.
#[derive(Debug, Clone)]
pub struct TimelinePage {
    fold: HistoryFold,
    entries: Filling<TimelineEntry>,
}

impl TimelinePage {
    /// Begins a page behind what was folded.
    #[must_use]
    pub fn behind(fold: HistoryFold, budget: Budget) -> Self {
        Self {
            fold,
            entries: Filling::of(budget),
        }
    }

    /// Adds the next record. False if the page is full: the record is on the next one.
    ///
    /// # Errors
    ///
    /// [`ChainBreak`] if it does not follow the one before it.
    pub fn add(
        &mut self,
        record: &Record,
        cid: EventCid,
        sequence: u64,
    ) -> Result<bool, ChainBreak> {
        let entry = self.fold.entry(record, cid, sequence)?;
        Ok(self.entries.add(entry))
    }

    /// What was folded: everything up to the last record that it was given.
    #[must_use]
    pub const fn fold(&self) -> &HistoryFold {
        &self.fold
    }

    /// The page.
    #[must_use]
    pub fn finish(self) -> Vec<TimelineEntry> {
        self.entries.rows
    }
}

/// How an aggregate is shown: as its row in a view.
type Face = fn(&Ledger, &Name, Timestamp) -> Option<Value>;

/// Of which aggregates there are views; any other is shown as its state is.
const FACES: [(Aggregate, Face); 6] = [
    (Aggregate::Key, |ledger, name, _| {
        json(inventory::row(ledger, name))
    }),
    (Aggregate::Principal, |ledger, name, _| {
        json(principals::principal(ledger, name))
    }),
    (Aggregate::Operator, |ledger, name, _| {
        json(credentials::operator(ledger).filter(|o| o.name == *name))
    }),
    (Aggregate::Account, |ledger, name, _| {
        json(credentials::account(ledger, name))
    }),
    (Aggregate::User, |ledger, name, at| {
        json(credentials::user(ledger, name, at))
    }),
    (Aggregate::Token, |ledger, name, _| {
        json(tokens::token(ledger, name))
    }),
];

fn json<T: Serialize>(row: Option<T>) -> Option<Value> {
    row.map(|row| serde_json::to_value(row).expect("a row has only text keys"))
}

/// An aggregate as JSON; empty if it does not exist.
fn face(ledger: &Ledger, history: &HistoryId, at: Timestamp) -> Map<String, Value> {
    let of_view = FACES.iter().find(|(kind, _)| *kind == history.aggregate);
    let value = match of_view {
        Some((_, face)) => face(ledger, &history.name, at),
        None => ledger.face(history),
    };
    let fields = value.and_then(|value| match value {
        Value::Object(fields) => Some(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            None
        }
    });
    fields.unwrap_or_default()
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
