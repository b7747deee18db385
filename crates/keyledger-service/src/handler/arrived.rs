//! Events as they arrive from the store: what each proves by itself is checked before anything is folded, and whether it
//! may follow is judged by the ledger as it stands before it. `keyledger ledger verify` asks the same by the same code.

use keyledger_domain::{
    EventCid, Ledger,
    ledger::Applied,
    verify::{Claim, Fault, Gate, Intact, Signatures},
};

use super::Live;
use crate::store::StoredEvent;

/// What is wrong with what stands at a sequence of the stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerFault {
    /// The event is not one that may stand there, or others before it are gone.
    #[error(transparent)]
    Event(#[from] Fault),
    /// Something else stands where an event of our own was acknowledged.
    #[error("it is not the event that was acknowledged there, {0}")]
    NotOurs(EventCid),
    /// What is stored is whole, and not what was folded.
    #[error("the events up to here are not those that were folded")]
    OtherEvents,
}

/// An event that arrived, or what is wrong with it.
pub(super) struct Arrived {
    pub(super) sequence: u64,
    pub(super) event: Result<Box<Intact>, Fault>,
}

/// Checks events by themselves: bytes, subject, headers, and that whoever is named as the signer did sign. Of those
/// that `is_ours` the signature is known.
pub(super) fn read(
    prefix: &str,
    events: &[StoredEvent],
    signatures: &mut Signatures,
    is_ours: impl Fn(&EventCid) -> bool,
) -> Vec<Arrived> {
    let mut arrived: Vec<_> = events
        .iter()
        .map(|stored| {
            let headers = stored.headers.iter();
            let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
            let event = Intact::read(&stored.subject, headers, &stored.payload, Some(prefix));
            Arrived {
                sequence: stored.sequence,
                event: event.map(Box::new),
            }
        })
        .collect();
    let mut claims: Vec<Claim<'_>> = Vec::with_capacity(arrived.len());
    let mut places = Vec::with_capacity(arrived.len());
    for (place, arrived) in arrived.iter().enumerate() {
        if let Ok(event) = &arrived.event
            && !is_ours(&event.cid)
        {
            claims.push(event.claim());
            places.push(place);
        }
    }
    let checked = signatures.check_all(&claims);
    for (place, checked) in places.into_iter().zip(checked) {
        if let Err(fault) = checked {
            arrived[place].event = Err(fault);
        }
    }
    arrived
}

/// Takes the event that stands next in the stream: folds it if it may follow, and counts it. One of our own was folded when
/// it was acknowledged, and must be the very same.
///
/// # Errors
///
/// What is wrong. Nothing was folded then, and the position is where it was.
pub(super) fn take(
    gate: &mut Gate,
    live: &Live,
    ledger: &mut Ledger,
    sequence: u64,
    event: &Intact,
) -> Result<Applied, LedgerFault> {
    let acknowledged = live.own.lock().get(&sequence).copied();
    let applied = match acknowledged {
        Some(cid) if cid == event.cid => Applied::Already,
        Some(cid) => return Err(LedgerFault::NotOurs(cid)),
        None => {
            let judged = gate.judge(event, ledger);
            judged.and_then(|()| gate.fold(event, sequence, ledger))?;
            Applied::New
        }
    };
    live.own.lock().remove(&sequence);
    live.advance(sequence, &event.cid);
    Ok(applied)
}

/// That events are missing before `found`, behind `after`.
pub(super) fn missing(after: u64, found: u64) -> LedgerFault {
    LedgerFault::Event(Fault::Removed {
        first: after + 1,
        last: found - 1,
    })
}
