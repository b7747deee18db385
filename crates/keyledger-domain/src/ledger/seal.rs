//! From a decision to the bytes that are stored: revisions, links, CIDs.

use std::{collections::HashMap, sync::Arc};

use uuid::Uuid;

use super::{Decision, Head, Ledger};
use crate::{
    cid::EventCid,
    name::HistoryId,
    record::{Ids, Record, Why},
    stamp::Stamp,
    time::Timestamp,
};

/// A record with the bytes to store and their CID. Not stored yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Sealed {
    /// The record.
    pub record: Record,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
    /// Their CID.
    pub cid: EventCid,
}

impl Ledger {
    /// Makes records of a decision's events: each follows the one before it in its history.
    ///
    /// `next_id` gives the events' own ids. No record is dated before its predecessor, however the clock jumps.
    pub fn seal(
        &self,
        decision: Decision,
        ids: Ids,
        principal: &Arc<Stamp>,
        why: &Why,
        now: Timestamp,
        mut next_id: impl FnMut() -> Uuid,
    ) -> Vec<Sealed> {
        let mut heads: HashMap<HistoryId, Head> = HashMap::new();
        let mut sealed = Vec::with_capacity(decision.events.len());
        for (history, event) in decision.events {
            let head = heads.get(&history).copied().or_else(|| self.head(&history));
            let record = Record {
                id: next_id(),
                revision: head.map_or(1, |h| h.revision + 1),
                prev: head.map(|h| h.cid),
                occurred_at: head.map_or(now, |h| h.at.max(now)),
                ids,
                principal: Arc::clone(principal),
                why: why.clone(),
                event,
                history,
            };
            let bytes = record.to_bytes();
            let cid = EventCid::of(&bytes);
            let head = Head {
                revision: record.revision,
                cid,
                at: record.occurred_at,
                sequence: 0,
            };
            heads.insert(record.history.clone(), head);
            sealed.push(Sealed { record, bytes, cid });
        }
        sealed
    }
}
