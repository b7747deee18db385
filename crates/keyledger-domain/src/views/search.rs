//! Searching all histories: by who, when, what.

use serde::{Deserialize, Serialize};

use super::page::{self, Budget, Filling};
use crate::{
    cid::EventCid,
    name::{Aggregate, Name},
    record::Record,
    rejection::Rejection,
    stamp::Stamp,
    text::{Reason, Ticket},
    time::Timestamp,
};

/// Asks for events of all histories, in the order of the stream. Every condition given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SearchQuery {
    /// What this user did: its name or its public nkey.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// What any user did that stands for this principal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<Name>,
    /// From this moment on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Until this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// In histories of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aggregate: Option<Aggregate>,
    /// What happened, in a word: `revoked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Under this ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Ticket>,
    /// At most so many, 1 to 500; 100 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// Only events after this sequence of the stream: the `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

/// An event that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SearchRow {
    /// Its sequence in the stream.
    pub sequence: u64,
    /// When it happened.
    pub at: Timestamp,
    /// The kind of history.
    pub aggregate: Aggregate,
    /// Whose history.
    pub name: Name,
    /// Its place there.
    pub revision: u32,
    /// What happened, in a word: `revoked`.
    pub event: String,
    /// Who did it, and how that is known.
    pub who: Stamp,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The ticket it was done under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Ticket>,
    /// The CID of the stored event.
    pub cid: EventCid,
}

/// A part of what was found. Where little is found much is read: a page may have no rows and a `next`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SearchPage {
    /// The events, in the order of the stream.
    pub rows: Vec<SearchRow>,
    /// What to send as `after` to go on; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// A search that takes event after event until its page is full.
#[derive(Debug)]
pub struct Search<'a> {
    query: &'a SearchQuery,
    /// The users that `principal` names, by public nkey.
    users: Vec<Box<str>>,
    limit: usize,
    found: Filling<SearchRow>,
    next: Option<u64>,
}

impl<'a> Search<'a> {
    /// A search that has found nothing yet. `users` are the public nkeys of all that stand for `principal`.
    ///
    /// # Errors
    ///
    /// [`Rejection::OutOfRange`] if the limit is.
    pub fn new(
        query: &'a SearchQuery,
        users: Vec<Box<str>>,
        budget: Budget,
    ) -> Result<Self, Rejection> {
        Ok(Self {
            limit: page::limit(query.limit)?,
            query,
            users,
            found: Filling::of(budget),
            next: None,
        })
    }

    /// Takes the next event; false once the page is full and nothing more is wanted.
    pub fn take(&mut self, record: &Record, cid: EventCid, sequence: u64) -> bool {
        if self.is_wanted(record) && !self.found.add(row(record, cid, sequence)) {
            return false;
        }
        self.next = Some(sequence);
        self.found.rows.len() < self.limit
    }

    /// What was found; `ended` if there is nothing behind the last event taken.
    #[must_use]
    pub fn finish(self, ended: bool) -> SearchPage {
        SearchPage {
            rows: self.found.rows,
            next: self.next.filter(|_| !ended),
        }
    }

    fn is_wanted(&self, record: &Record) -> bool {
        let SearchQuery {
            who,
            principal,
            since,
            until,
            aggregate,
            event,
            ticket,
            ..
        } = self.query;
        let stamp = &record.principal;
        let by = |who: &String| stamp.name.as_deref() == Some(who.as_str()) || *stamp.user == **who;
        who.as_ref().is_none_or(by)
            && (principal.is_none() || self.users.iter().any(|user| **user == *stamp.user))
            && since.is_none_or(|since| record.occurred_at >= since)
            && until.is_none_or(|until| record.occurred_at <= until)
            && aggregate.is_none_or(|it| record.history.aggregate == it)
            && event.as_ref().is_none_or(|it| record.event.past() == it)
            && (ticket.is_none() || record.why.ticket == *ticket)
    }
}

fn row(record: &Record, cid: EventCid, sequence: u64) -> SearchRow {
    SearchRow {
        sequence,
        at: record.occurred_at,
        aggregate: record.history.aggregate,
        name: record.history.name.clone(),
        revision: record.revision,
        event: record.event.past().to_owned(),
        who: (*record.principal).clone(),
        reason: record.why.reason.clone(),
        ticket: record.why.ticket.clone(),
        cid,
    }
}
