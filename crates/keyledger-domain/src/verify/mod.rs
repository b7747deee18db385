//! Verifying a ledger offline, without trusting the service, its server or whoever made the export.
//!
//! What is checked of every stored event, in this order:
//!
//! 1. its sequence follows the one before it, counted from 1: nothing was removed or reordered;
//! 2. `Keyledger-Cid` is the CID of its exact bytes: nothing was altered;
//! 3. it reads as a record; its subject, `Nats-Msg-Id` and `CIM-*` headers say what the record says, every one of
//!    them is there, and there is no other: an export leaves out what nats-server keeps of an append;
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
//! A service that starts or runs asks the same of every event, by the same code ([`Intact`], [`Signatures`], [`Gate`]):
//! what is refused here is refused there. It only does not keep every event's id, so point 4 is to it what the chain says.
//!
//! Events cut off at the end, and histories left out whole with everything renumbered, show only against a
//! [`SignedHead`]: its digest runs over the CIDs of all events in their order.

mod broken;
pub mod export;
mod gate;
mod head;
mod intact;
mod signers;

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use uuid::Uuid;

pub use broken::{Broken, Fault};
pub use gate::{Gate, tells_who_signs};
pub use head::{HeadDigest, SignedHead};
pub use intact::Intact;
pub use signers::{Claim, Signatures};

use crate::{cid::EventCid, ledger::Ledger, time::Timestamp};

/// The headers that a stored event bears, and no others.
pub mod header {
    use data_encoding::BASE64URL_NOPAD;

    use crate::{cid::EventCid, record::Record};

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

    /// What nats-server keeps of how an event was appended. It says nothing of the event, and nobody signed it: an export leaves it out, and
    /// one that has it is refused.
    pub const OF_THE_APPEND: [&str; 6] = [
        "Nats-Expected-Last-Sequence",
        "Nats-Expected-Last-Subject-Sequence",
        "Nats-Expected-Last-Subject-Sequence-Subject",
        "Nats-Batch-Id",
        "Nats-Batch-Sequence",
        "Nats-Batch-Commit",
    ];

    /// What every stored event bears, in the order of [`of_event`].
    pub const OF_THE_EVENT: [&str; 9] = [
        NATS_MSG_ID,
        CORRELATION_ID,
        CAUSATION_ID,
        EVENT_TYPE,
        AGGREGATE_ID,
        SCHEMA_VERSION,
        CID,
        SIGNATURE,
        SIGNER,
    ];

    /// The headers that repeat what a record says, for consumers that do not read it.
    #[must_use]
    pub fn of_record(record: &Record) -> [(&'static str, String); 6] {
        [
            (NATS_MSG_ID, record.id.to_string()),
            (CORRELATION_ID, record.ids.correlation.to_string()),
            (CAUSATION_ID, record.ids.causation.to_string()),
            (EVENT_TYPE, record.event.type_name().to_owned()),
            (AGGREGATE_ID, record.history.name.to_string()),
            (SCHEMA_VERSION, SCHEMA_VERSION_NOW.to_owned()),
        ]
    }

    /// All headers of a stored event. `cid` is that of the record's bytes, `signature` an Ed25519 signature over its 36 bytes, and
    /// `signer` the public nkey that made it.
    #[must_use]
    pub fn of_event(
        record: &Record,
        cid: &EventCid,
        signature: &[u8],
        signer: &str,
    ) -> [(&'static str, String); 9] {
        let [id, correlation, causation, event_type, name, version] = of_record(record);
        [
            id,
            correlation,
            causation,
            event_type,
            name,
            version,
            (CID, cid.to_string()),
            (SIGNATURE, BASE64URL_NOPAD.encode(signature)),
            (SIGNER, signer.to_owned()),
        ]
    }
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
    gate: Gate,
    signatures: Signatures,
    /// How many events each signed.
    signers: BTreeMap<String, u64>,
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
            gate: Gate::new(options.expected_operator),
            signatures: Signatures::default(),
            signers: BTreeMap::new(),
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
        self.check(stored).map_err(|fault| Broken {
            sequence: stored.sequence,
            subject: stored.subject.as_str().into(),
            cid: Some(EventCid::of(&stored.payload)),
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
        let operator = self.gate.operator(&self.ledger).map_err(broken)?.to_owned();
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
                self.gate.check_head(head, &self.ledger).map_err(broken)?;
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
            signers: self.signers,
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

    fn check(&mut self, stored: &StoredEvent) -> Result<(), Fault> {
        self.check_sequence(stored.sequence)?;
        let mut of_the_append = header::OF_THE_APPEND.iter();
        if let Some(name) = of_the_append.find(|name| stored.headers.contains_key(**name)) {
            let fault =
                format!("it has the header {name}, which nobody signed: an export leaves it out");
            return Err(Fault::Malformed(fault));
        }
        let headers = stored.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
        let prefix = self.prefix.as_deref();
        let event = Intact::read(&stored.subject, headers, &stored.payload, prefix)?;
        let record = &event.record;
        if let Some(first) = self.seen.insert(record.id, stored.sequence) {
            return Err(Fault::Reinserted { first });
        }
        let is_first = self.ledger.head(&record.history).is_none();
        self.gate.judge(&event, &self.ledger)?;
        self.signatures
            .check(&event.signer, event.cid, &event.signature)?;
        self.gate.fold(&event, stored.sequence, &mut self.ledger)?;
        if self.prefix.is_none() {
            self.prefix = event.prefix(&stored.subject).map(str::to_owned);
        }
        self.histories += usize::from(is_first);
        self.sequence = stored.sequence;
        self.first_at.get_or_insert(record.occurred_at);
        self.last_at = self.last_at.max(Some(record.occurred_at));
        self.last_subject.clone_from(&stored.subject);
        self.digest.push(&event.cid);
        *self.signers.entry(event.signer.into()).or_default() += 1;
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

    /// Holds a head against the events taken so far, which are exactly as many as it covers.
    fn check_head(&self, head: &SignedHead) -> Result<(), Fault> {
        self.gate.check_head(head, &self.ledger)?;
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
                "one of the first {} events was changed, moved or left out: their digest is {digest}, and the head names {}",
                head.events, head.digest
            );
            return Err(Fault::OtherHead(fault));
        }
        Ok(())
    }
}
