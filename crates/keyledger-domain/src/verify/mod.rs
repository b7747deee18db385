//! Verifying a ledger offline, without trusting the service, its server or whoever made the export.
//!
//! What is checked of every stored event, in this order:
//!
//! 1. its sequence follows the one before it, counted from 1: nothing was removed or reordered;
//! 2. `Keyledger-Cid` is the CID of its exact bytes: nothing was altered;
//! 3. it reads as a record; its subject, `Nats-Msg-Id` and `CIM-*` headers say what the record says, every one of
//!    them is there, and beside them and what nats-server keeps of an append there is no other;
//! 4. its id was not there before: nothing was inserted again;
//! 5. its revision and `prev` follow in its history, and it is not dated before its predecessor;
//! 6. `Keyledger-Signature` is a signature over the CID's 36 bytes by a signer who was entitled then.
//!
//! Who is entitled: the operator's identity for the genesis events, which stand at the beginning and only there;
//! after them any version of the key [`LEDGER_SIGNING_KEY`](crate::LEDGER_SIGNING_KEY) that stands in an earlier
//! event, until that key is compromised. Former versions stay entitled because instances learn of a rotation one
//! after the other; the rotation itself is signed by the version it replaces. The operator's nkey comes from the
//! ledger unless the caller pins it: pin it, or a ledger that somebody made up whole would verify.
//!
//! Events cut off at the end, and histories left out whole with everything renumbered, show only against a
//! [`SignedHead`]: its digest runs over the CIDs of all events in their order.

mod broken;
pub mod export;
mod head;
mod signers;

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use uuid::Uuid;

pub use broken::{Broken, Fault};
pub use head::{HeadDigest, SignedHead};
use signers::Signers;
pub use signers::{Signatures, may_write, signs_ledger};

use crate::{
    cid::EventCid,
    ledger::{Applied, Ledger},
    record::Record,
    time::Timestamp,
};

/// The headers that a stored event bears, and no others.
pub mod header {
    /// The event's id.
    pub const NATS_MSG_ID: &str = "Nats-Msg-Id";
    /// The conversation.
    pub const CORRELATION_ID: &str = "CIM-Correlation-Id";
    /// What caused it.
    pub const CAUSATION_ID: &str = "CIM-Causation-Id";
    /// The versioned type.
    pub const EVENT_TYPE: &str = "CIM-Event-Type";
    /// The aggregate's name.
    pub const AGGREGATE_ID: &str = "CIM-Aggregate-Id";
    /// The version of the record's own form.
    pub const SCHEMA_VERSION: &str = "CIM-Schema-Version";
    /// What [`SCHEMA_VERSION`] says: there is one form so far.
    pub const SCHEMA_VERSION_NOW: &str = "1";
    /// The CID of the exact stored bytes.
    pub const CID: &str = "Keyledger-Cid";
    /// The signature over the CID's 36 bytes, base64url without padding.
    pub const SIGNATURE: &str = "Keyledger-Signature";
    /// The public nkey that signed.
    pub const SIGNER: &str = "Keyledger-Signer";

    /// What nats-server keeps of how an event was appended. It says nothing of the event, so anything may stand in it.
    pub const OF_THE_APPEND: [&str; 6] = [
        "Nats-Expected-Last-Sequence",
        "Nats-Expected-Last-Subject-Sequence",
        "Nats-Expected-Last-Subject-Sequence-Subject",
        "Nats-Batch-Id",
        "Nats-Batch-Sequence",
        "Nats-Batch-Commit",
    ];
}

/// An event exactly as the stream holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its sequence in the stream.
    pub sequence: u64,
    /// Its subject.
    pub subject: String,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// Its exact bytes.
    pub payload: Vec<u8>,
}

/// What the caller knows from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// The prefix of all subjects; learned from the first event if absent.
    pub prefix: Option<String>,
    /// The operator's public nkey (`O…`); learned from the genesis events if absent.
    pub expected_operator: Option<String>,
    /// Heads that were kept from earlier: the ledger must still begin with what they cover.
    pub earlier_heads: Vec<SignedHead>,
}

/// What a verified ledger holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The prefix of all subjects.
    pub prefix: String,
    /// How many events there are.
    pub events: u64,
    /// How many histories they make.
    pub histories: usize,
    /// The sequence of the last event.
    pub sequence: u64,
    /// The digest over the CIDs of all events, in hex.
    pub digest: String,
    /// The operator's public nkey: compare it with the one you know, unless it was pinned.
    pub operator: String,
    /// Every signer with the number of events it signed.
    pub signers: BTreeMap<String, u64>,
    /// When the first event happened.
    pub first_at: Option<Timestamp>,
    /// When the last event happened.
    pub last_at: Option<Timestamp>,
    /// True if a signed head vouches that no event is missing at the end.
    pub head_verified: bool,
}

/// Verifies stored events one after the other, from the first.
#[derive(Debug, Clone)]
pub struct Verifier {
    prefix: Option<String>,
    earlier_heads: Vec<SignedHead>,
    signers: Signers,
    ledger: Ledger,
    /// Event ids to the sequence where each stands.
    seen: HashMap<Uuid, u64>,
    histories: usize,
    digest: HeadDigest,
    sequence: u64,
    first_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    /// The subject of the last event, to name it where the end is wrong.
    last_subject: String,
}

impl Verifier {
    /// A verifier that has seen nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            prefix: options.prefix,
            earlier_heads: options.earlier_heads,
            signers: Signers::new(options.expected_operator),
            ledger: Ledger::new(),
            seen: HashMap::new(),
            histories: 0,
            digest: HeadDigest::new(),
            sequence: 0,
            first_at: None,
            last_at: None,
            last_subject: String::new(),
        }
    }

    /// Takes the next event.
    ///
    /// # Errors
    ///
    /// [`Broken`] names the event and what is wrong. The verifier is of no use after that.
    pub fn take(&mut self, stored: &StoredEvent) -> Result<(), Broken> {
        let cid = EventCid::of(&stored.payload);
        self.check(stored, cid).map_err(|fault| Broken {
            sequence: stored.sequence,
            subject: stored.subject.as_str().into(),
            cid: Some(cid),
            fault,
        })
    }

    /// Ends the verification. `head` is the newest signed head, which must cover exactly the events taken.
    ///
    /// # Errors
    ///
    /// [`Broken`] if there was no event, no operator, or the head is of another ledger or of another length.
    pub fn finish(self, head: Option<&SignedHead>) -> Result<Report, Broken> {
        let broken = |fault| Broken {
            sequence: self.sequence,
            subject: self.last_subject.as_str().into(),
            cid: None,
            fault,
        };
        let operator = self.signers.operator().map_err(broken)?.to_owned();
        // A kept head that is newer than this ledger's own, which covers all there is: the two were given the wrong way round.
        if let Some(own) = head.filter(|own| own.events == self.digest.events()) {
            self.check_head(own).map_err(broken)?;
            let newer = |kept: &&SignedHead| kept.events > own.events && kept.at > own.at;
            if let Some(kept) = self.earlier_heads.iter().find(newer) {
                // Who signed the newer one may not be known yet: it is not believed, and this one is broken in any case.
                return Err(broken(Fault::Swapped {
                    kept: kept.events,
                    kept_at: kept.at,
                    found: own.events,
                    found_at: own.at,
                }));
            }
        }
        // A head of more events than there are: the end was cut off. That goes for kept ones too.
        for head in self.earlier_heads.iter().chain(head) {
            if head.events > self.digest.events() {
                self.signers
                    .check_head(head, &self.ledger)
                    .map_err(broken)?;
                return Err(broken(Fault::Truncated {
                    found: self.digest.events(),
                    expected: head.events,
                }));
            }
        }
        if let Some(head) = head {
            if head.events < self.digest.events() {
                return Err(broken(Fault::BeyondHead {
                    head: head.events,
                    found: self.digest.events(),
                }));
            }
            self.check_head(head).map_err(broken)?;
        }
        Ok(Report {
            prefix: self.prefix.unwrap_or_default(),
            events: self.digest.events(),
            histories: self.histories,
            sequence: self.sequence,
            digest: self.digest.to_string(),
            operator,
            signers: self.signers.into_counts(),
            first_at: self.first_at,
            last_at: self.last_at,
            head_verified: head.is_some(),
        })
    }

    /// The fold of the events taken so far.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn check(&mut self, stored: &StoredEvent, cid: EventCid) -> Result<(), Fault> {
        self.check_sequence(stored.sequence)?;
        let said = required(stored, header::CID)?;
        if said != cid.to_string() {
            let said = said.chars().take(80).collect();
            return Err(Fault::Altered { said });
        }
        let record = Record::read(&stored.payload).map_err(|e| Fault::Malformed(e.to_string()))?;
        self.check_subject(stored, &record)?;
        check_headers(stored, &record)?;
        if let Some(first) = self.seen.insert(record.id, stored.sequence) {
            return Err(Fault::Reinserted { first });
        }
        let head = self.ledger.head(&record.history);
        if let Some(head) = head
            && record.occurred_at < head.at
        {
            return Err(Fault::Backdated { before: head.at });
        }
        let expected = head.map_or(1, |h| h.revision + 1);
        if record.revision != expected {
            let (history, found) = (&record.history, record.revision);
            let fault = format!("{history}: revision {found} came where {expected} was expected");
            return Err(Fault::Reordered(fault));
        }
        self.signers
            .check_event(stored, &record, cid, &self.ledger)?;
        match self.ledger.apply(&record, cid, stored.sequence) {
            Ok(Applied::New) => {}
            // Its revision was looked at above.
            Ok(Applied::Already) => {
                return Err(Fault::Unchained("it was folded before".to_owned()));
            }
            Err(e) => return Err(Fault::Unchained(e.to_string())),
        }
        self.histories += usize::from(head.is_none());
        self.sequence = stored.sequence;
        self.first_at.get_or_insert(record.occurred_at);
        self.last_at = self.last_at.max(Some(record.occurred_at));
        self.last_subject.clone_from(&stored.subject);
        self.digest.push(&cid);
        for head in &self.earlier_heads {
            if head.events == self.digest.events() {
                self.check_head(head)?;
            }
        }
        Ok(())
    }

    fn check_sequence(&self, found: u64) -> Result<(), Fault> {
        let expected = self.sequence + 1;
        match found.cmp(&expected) {
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(Fault::Removed {
                first: expected,
                last: found - 1,
            }),
            std::cmp::Ordering::Less => {
                let fault = format!("sequence {expected} was expected after {}", self.sequence);
                Err(Fault::Reordered(fault))
            }
        }
    }

    fn check_subject(&mut self, stored: &StoredEvent, record: &Record) -> Result<(), Fault> {
        let history = &record.history;
        let past = record.event.past();
        let tail = format!(".events.{}.{}.{past}", history.aggregate, history.name);
        let prefix = stored.subject.strip_suffix(&tail);
        let prefix =
            prefix.filter(|p| !p.is_empty() && self.prefix.as_deref().is_none_or(|q| q == *p));
        match prefix {
            Some(prefix) if self.prefix.is_none() => self.prefix = Some(prefix.to_owned()),
            Some(_) => {}
            None => {
                let prefix = self.prefix.as_deref().unwrap_or("{prefix}");
                return Err(Fault::Misplaced {
                    what: "subject",
                    expected: format!("{prefix}{tail}"),
                });
            }
        }
        Ok(())
    }

    /// Holds a head against the events taken so far, which are exactly as many as it covers.
    fn check_head(&self, head: &SignedHead) -> Result<(), Fault> {
        self.signers.check_head(head, &self.ledger)?;
        let prefix = self.prefix.as_deref().unwrap_or_default();
        if head.prefix != prefix {
            return Err(Fault::OtherHead(format!(
                "it is of prefix {:?}, not {prefix:?}",
                head.prefix
            )));
        }
        let digest = self.digest.to_string();
        if head.digest != digest || head.sequence != self.sequence {
            let fault = format!(
                "the digest of the first {} events is {digest}, not {}",
                head.events, head.digest
            );
            return Err(Fault::OtherHead(fault));
        }
        Ok(())
    }
}

fn required<'a>(stored: &'a StoredEvent, header: &'static str) -> Result<&'a str, Fault> {
    stored
        .headers
        .get(header)
        .map(String::as_str)
        .ok_or_else(|| Fault::Malformed(format!("it has no header {header}")))
}

/// The headers repeat what the record says: consumers go by them, so they must say that, and all of it.
///
/// Any other header is refused: servers, consumers and mirrors act on some (`Nats-Rollup`, `Nats-TTL`), and names that
/// differ only in case are one name to many clients.
fn check_headers(stored: &StoredEvent, record: &Record) -> Result<(), Fault> {
    let said = [
        (header::NATS_MSG_ID, record.id.to_string()),
        (header::CORRELATION_ID, record.ids.correlation.to_string()),
        (header::CAUSATION_ID, record.ids.causation.to_string()),
        (header::EVENT_TYPE, record.event.type_name().to_owned()),
        (header::AGGREGATE_ID, record.history.name.to_string()),
        (
            header::SCHEMA_VERSION,
            header::SCHEMA_VERSION_NOW.to_owned(),
        ),
    ];
    for (what, expected) in &said {
        if required(stored, what)? != expected {
            return Err(Fault::Misplaced {
                what,
                expected: expected.clone(),
            });
        }
    }
    // What these three say is checked where the CID and the signature are.
    let elsewhere = [header::CID, header::SIGNATURE, header::SIGNER];
    for name in stored.headers.keys().map(String::as_str) {
        let is_known = said.iter().any(|(known, _)| *known == name)
            || elsewhere.contains(&name)
            || header::OF_THE_APPEND.contains(&name);
        if !is_known {
            let name: String = name.chars().take(80).collect();
            let fault = format!("it has a header {name:?}, which no event has");
            return Err(Fault::Malformed(fault));
        }
    }
    Ok(())
}
