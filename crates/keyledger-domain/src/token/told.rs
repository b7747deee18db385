//! What an agent's report and the service's own doing add to a token's history.

use uuid::Uuid;

use super::{
    Announced, Announcement, Event, SecretsErased, Step, TaskFailed, TaskProgressed, Token,
};
use crate::{name::Name, time::Timestamp};

/// What an announcement adds: nothing if the token shows what it showed, at the same place.
#[must_use]
pub fn announce(token: Option<&Token>, workstation: &Name, shown: &Announcement) -> Vec<Event> {
    let known = token.is_some_and(|t| {
        t.shown.as_deref() == Some(shown) && t.workstation.as_ref() == Some(workstation)
    });
    if known {
        vec![]
    } else {
        vec![Event::Announced(Announced {
            workstation: workstation.clone(),
            shown: shown.clone(),
        })]
    }
}

/// What progress adds: nothing if the task was as far before.
#[must_use]
pub fn progress(token: &Token, task: Uuid, step: Step) -> Vec<Event> {
    let reached = token.task.as_ref().and_then(|task| task.step);
    if reached.is_some_and(|reached| reached >= step) {
        vec![]
    } else {
        vec![Event::TaskProgressed(TaskProgressed { task, step })]
    }
}

/// What a failure adds.
#[must_use]
pub fn fail(task: Uuid, failure: &super::Failure) -> Event {
    Event::TaskFailed(TaskFailed {
        task,
        code: failure.code,
        detail: failure.detail.clone(),
    })
}

/// The outcome of erasing secrets that open a token no more; nothing if none of `entries` is among them.
#[must_use]
pub fn erased(token: &Token, entries: &[Box<str>], now: Timestamp) -> Option<Event> {
    let superseded = &token.superseded_entries;
    let entries: Vec<_> = superseded
        .iter()
        .filter(|entry| entries.contains(entry))
        .cloned()
        .collect();
    (!entries.is_empty()).then_some(Event::SecretsErased(SecretsErased {
        entries,
        erased_at: now,
    }))
}
