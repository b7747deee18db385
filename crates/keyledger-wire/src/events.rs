//! Events that arrive on `keys.events.>`, each of them verified.
//!
//! The subject of a message proves nothing. In an account that imports the events, every user who may ask a question can have the
//! answer published on an event's subject: nats-server checks the subject that a user publishes on, and not the subject on which
//! the user wants the answer. So only a message with a signature of the ledger counts as an event; others are skipped and counted.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures::StreamExt as _;
use keyledger_domain::{
    EventCid, LEDGER_SIGNING_KEY, Record, verify::Signatures, views::InventoryRow,
};

use crate::{Client, Prefix, header, query::Nothing};

/// The shortest time between two questions about who signs for the ledger. Somebody who floods the subject decides how often a
/// signer is unknown.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How many times in a row the service is asked while no signer is known: it may just be starting.
const FIRST_TRIES: u32 = 10;

/// An event of the ledger: its bytes match its CID, and a key that signs for the ledger signed it.
#[derive(Debug)]
pub struct Heard {
    /// What it says.
    pub record: Record,
    /// Its exact bytes.
    pub payload: Bytes,
}

/// An event of the ledger that this version cannot read: a newer one wrote it. Upgrade.
#[derive(Debug, thiserror::Error)]
#[error("an event of the ledger cannot be read by this version: {0}")]
pub struct Unreadable(String);

/// Why a message is no event of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAnEvent {
    /// A header that every event has is missing or malformed.
    #[error("its header {0} is missing or malformed")]
    Header(&'static str),
    /// Its bytes do not match its CID.
    #[error("its bytes do not match its CID")]
    Changed,
    /// The key that signed it is not known to sign for the ledger.
    #[error("{0} does not sign for the ledger")]
    UnknownSigner(String),
    /// The key that it names did not make its signature.
    #[error("{0} did not make its signature")]
    BadSignature(String),
    /// Its subject belongs to another event.
    #[error("its subject belongs to another event")]
    OtherSubject,
}

/// Who signs for the ledger, as far as the service said.
#[derive(Debug, Default)]
pub struct Signers {
    known: BTreeSet<String>,
    signatures: Signatures,
}

impl Signers {
    /// Knows these public nkeys.
    pub fn of(known: impl IntoIterator<Item = String>) -> Self {
        Self {
            known: known.into_iter().collect(),
            signatures: Signatures::default(),
        }
    }

    /// Verifies a message that came on an event's subject.
    ///
    /// # Errors
    ///
    /// [`NotAnEvent`]; an inner error for an event that is the ledger's and cannot be read.
    pub fn check(
        &mut self,
        prefix: &Prefix,
        message: &Message,
    ) -> Result<Result<Record, Unreadable>, NotAnEvent> {
        let header = |name: &'static str| {
            let headers = message.headers.as_ref();
            let value = headers.and_then(|headers| headers.get(name));
            value
                .map(|value| value.as_str())
                .ok_or(NotAnEvent::Header(name))
        };
        let cid: EventCid = header(header::CID)?
            .parse()
            .map_err(|_| NotAnEvent::Header(header::CID))?;
        if EventCid::of(&message.payload) != cid {
            return Err(NotAnEvent::Changed);
        }
        let signer = header(header::SIGNER)?;
        let shown = || signer.chars().take(64).collect::<String>();
        if !self.known.contains(signer) {
            return Err(NotAnEvent::UnknownSigner(shown()));
        }
        self.signatures
            .check(signer, cid, header(header::SIGNATURE)?)
            .map_err(|_| NotAnEvent::BadSignature(shown()))?;
        let record = match Record::read(&message.payload) {
            Ok(record) => record,
            Err(error) => return Ok(Err(Unreadable(error.to_string()))),
        };
        if prefix.event(&record.history, record.event.past()) != message.subject.as_str() {
            return Err(NotAnEvent::OtherSubject);
        }
        Ok(Ok(record))
    }
}

/// Events of a subscription, verified.
#[derive(Debug)]
pub struct Events {
    client: Client,
    subscriber: Subscriber,
    signers: Signers,
    asked: Option<Instant>,
    /// Taken from the subscription and not yet returned. It is kept here so that nothing is lost when waiting is cancelled.
    pending: Option<Message>,
    skipped: u64,
}

impl Events {
    /// Verifies what `subscriber` receives, with the keys that sign for the ledger as the service tells them.
    #[must_use]
    pub fn new(client: Client, subscriber: Subscriber) -> Self {
        Self {
            client,
            subscriber,
            signers: Signers::default(),
            asked: None,
            pending: None,
            skipped: 0,
        }
    }

    /// Waits for the next event of the ledger; `None` once the connection is gone. Cancelling it loses nothing.
    ///
    /// # Errors
    ///
    /// [`Unreadable`].
    pub async fn next(&mut self) -> Option<Result<Heard, Unreadable>> {
        loop {
            if self.pending.is_none() {
                self.pending = Some(self.subscriber.next().await?);
            }
            let message = self.pending.as_ref()?;
            let mut checked = self.signers.check(self.client.prefix(), message);
            if matches!(checked, Err(NotAnEvent::UnknownSigner(_))) && self.learn_or_wait().await {
                let message = self.pending.as_ref()?;
                checked = self.signers.check(self.client.prefix(), message);
            }
            let message = self.pending.take()?;
            match checked {
                Ok(read) => {
                    return Some(read.map(|record| Heard {
                        record,
                        payload: message.payload,
                    }));
                }
                Err(_) => self.skipped += 1,
            }
        }
    }

    /// How many messages were skipped because they are no events of the ledger.
    #[must_use]
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Asks who signs for the ledger now. As long as no signer is known, an event waits for the service's answer.
    async fn learn_or_wait(&mut self) -> bool {
        let mut tries = FIRST_TRIES;
        loop {
            if self.learn().await {
                return true;
            }
            tries -= 1;
            if !self.signers.known.is_empty() || tries == 0 {
                return false;
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// Asks who signs for the ledger now, unless it asked a moment ago; true if the service answered.
    async fn learn(&mut self) -> bool {
        if self.asked.is_some_and(|at| at.elapsed() < ASK_EVERY) {
            return false;
        }
        let tail = format!("inventory.show.{LEDGER_SIGNING_KEY}");
        let row = self
            .client
            .query::<_, InventoryRow>(&tail, &Nothing {})
            .await;
        self.asked = Some(Instant::now());
        let nkey = row.ok().and_then(|row| row.nkey);
        // Former signers stay known: two instances learn of a rotation one after the other.
        nkey.is_some_and(|nkey| {
            self.signers.known.insert(nkey);
            true
        })
    }
}
