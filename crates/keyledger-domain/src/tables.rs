//! What is read from the tables of all aggregates: which events there are, and what stored bytes say.

use serde_json::value::RawValue;

use crate::{
    event::{Event, Unreadable},
    name::{Aggregate, HistoryId},
    record::{Ids, Record, Stored, Why},
};

macro_rules! read_from {
    ($( $(#[doc = $doc:literal])* $name:ident: $module:ident, $all:ident, $example:literal; )+) => {
        impl Event {
            /// Every type that can be written, of one aggregate after the other, with what it means.
            pub fn types() -> impl Iterator<Item = (&'static str, &'static str)> {
                [$( crate::$module::Event::TYPES, crate::$module::VerbEvents::TYPES, )+].into_iter().flatten().copied()
            }

            /// Reads an event's body, lifting every older form to the newest.
            ///
            /// # Errors
            ///
            /// [`Unreadable`] if the type is unknown or the body does not fit it.
            pub fn read(type_name: &str, body: &[u8]) -> Result<Self, Unreadable> {
                let unknown = || Unreadable::Type(type_name.chars().take(80).collect());
                let (aggregate, _) = type_name.split_once('.').ok_or_else(unknown)?;
                match Aggregate::parse(aggregate).ok_or_else(unknown)? {
                    $( Aggregate::$name => crate::$module::Event::read(type_name, body)
                        .or_else(|| crate::$module::VerbEvents::read(type_name, body))
                        .ok_or_else(unknown)?
                        .map(Self::$name), )+
                }
            }
        }
    };
}

aggregates! { read_from }

impl Record {
    /// Reads stored bytes, lifting older forms of the event to the newest.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if they are no record, or its event type is unknown or does not fit. A reader stops there:
    /// skipping a fact would make the state wrong.
    pub fn read(stored: &[u8]) -> Result<Self, Unreadable> {
        let stored: Stored<'_, &RawValue> =
            serde_json::from_slice(stored).map_err(|e| Unreadable::Record(e.to_string()))?;
        let event = Event::read(&stored.type_name, stored.data.get().as_bytes())?;
        if event.aggregate() != stored.aggregate {
            let (type_name, aggregate) = (event.type_name(), stored.aggregate);
            let fault = format!("{type_name} cannot happen to a thing of kind {aggregate}");
            return Err(Unreadable::Record(fault));
        }
        Ok(Self {
            event,
            id: stored.id,
            history: HistoryId::new(stored.aggregate, stored.aggregate_id),
            revision: stored.revision,
            prev: stored.prev,
            occurred_at: stored.occurred_at,
            ids: Ids {
                command: stored.command_id,
                correlation: stored.correlation_id,
                causation: stored.causation_id,
            },
            principal: stored.principal,
            why: Why {
                reason: stored.reason,
                ticket: stored.ticket,
            },
        })
    }
}
