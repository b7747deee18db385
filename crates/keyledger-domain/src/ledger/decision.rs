//! What a command comes to.

use crate::{event::Event, name::HistoryId};

/// What a command comes to: events, the target's own first. None if it changes nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decision {
    /// What is to be written, in order, all or nothing.
    pub events: Vec<(HistoryId, Event)>,
}

/// The most events that one decision may write: what JetStream takes in one atomic batch.
pub const MAX_EVENTS: usize = 1_000;

impl Decision {
    pub(crate) fn add<E: Into<Event>>(
        &mut self,
        target: &HistoryId,
        events: impl IntoIterator<Item = E>,
    ) {
        let events = events
            .into_iter()
            .map(|event| (target.clone(), event.into()));
        self.events.extend(events);
    }
}
