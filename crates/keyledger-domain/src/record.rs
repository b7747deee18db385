//! The stored form of an event: one JSON object, written once and hashed as it is written.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use crate::why::Why;
use crate::{
    cid::EventCid,
    event::Event,
    name::{Aggregate, HistoryId, Name},
    stamp::Stamp,
    text::{Reason, Ticket},
    time::Timestamp,
};

/// The ids of a command, as its headers carry them (all `UUIDv7` unless the sender chose otherwise).
///
/// In a root message all three are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ids {
    /// The command's own id: a second command with the same id is the same command.
    pub command: Uuid,
    /// The conversation it belongs to.
    pub correlation: Uuid,
    /// What caused it.
    pub causation: Uuid,
}

impl Ids {
    /// The ids of a message that nothing caused.
    #[must_use]
    pub const fn root(id: Uuid) -> Self {
        Self {
            command: id,
            correlation: id,
            causation: id,
        }
    }
}

/// An event with everything that is stored of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The event's own id.
    pub id: Uuid,
    /// The history it belongs to.
    pub history: HistoryId,
    /// Its place in the history, counted from 1.
    pub revision: u32,
    /// The CID of revision − 1; none at revision 1.
    pub prev: Option<EventCid>,
    /// When it was decided; never before its predecessor's.
    pub occurred_at: Timestamp,
    /// The command it came from.
    pub ids: Ids,
    /// Who commanded it.
    pub principal: Arc<Stamp>,
    /// Why.
    pub why: Why,
    /// What happened.
    pub event: Event,
}

/// The JSON of [`Record`], field by field, in the order in which it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stored<'a, D> {
    pub(crate) id: Uuid,
    #[serde(rename = "type", borrow)]
    pub(crate) type_name: Cow<'a, str>,
    pub(crate) aggregate: Aggregate,
    pub(crate) aggregate_id: Name,
    pub(crate) revision: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) prev: Option<EventCid>,
    pub(crate) occurred_at: Timestamp,
    pub(crate) command_id: Uuid,
    pub(crate) correlation_id: Uuid,
    pub(crate) causation_id: Uuid,
    pub(crate) principal: Arc<Stamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Reason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ticket: Option<Ticket>,
    pub(crate) data: D,
}

impl Record {
    /// The bytes to store. They are never written a second time: their CID is the event's name.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1024);
        let stored = Stored {
            id: self.id,
            type_name: Cow::Borrowed(self.event.type_name()),
            aggregate: self.history.aggregate,
            aggregate_id: self.history.name.clone(),
            revision: self.revision,
            prev: self.prev,
            occurred_at: self.occurred_at,
            command_id: self.ids.command,
            correlation_id: self.ids.correlation,
            causation_id: self.ids.causation,
            principal: Arc::clone(&self.principal),
            reason: self.why.reason.clone(),
            ticket: self.why.ticket.clone(),
            data: &self.event,
        };
        serde_json::to_writer(&mut bytes, &stored).expect("a record has only text keys");
        bytes
    }
}
