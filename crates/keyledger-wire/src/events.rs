//! Events as they are heard on `keys.events.>`, each verified.
//!
//! A subject proves nothing. In the account that imports them anybody who may ask a question may have its answer published
//! there: nats-server checks what a user publishes on, and not the subject on which it wants the answer. So an event counts for
//! its signature; what has none of the ledger's is skipped, and counted.

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

/// How often it is asked who signs for the ledger, at most: whoever floods the subject decides how often a signer is unknown.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How often it is asked in a row while nobody is known yet to sign: the service may just be starting.
const FIRST_TRIES: u32 = 10;

/// An event of the ledger: its bytes are those of its CID, and a key signed that which signs for the ledger.
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
    /// It lacks a header that every event has, or what stands in it is none.
    #[error("it lacks the header {0}, or what stands in it is none")]
    Header(&'static str),
    /// Its bytes are not those of its CID.
    #[error("its bytes are not those of its CID")]
    Changed,
    /// Nobody signed it who is known to sign for the ledger.
    #[error("{0} does not sign for the ledger")]
    UnknownSigner(String),
    /// The signature is not by whom it says.
    #[error("its signature is not by {0}")]
    BadSignature(String),
    /// It is another event than its subject says.
    #[error("it is another event than its subject says")]
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
    /// Taken from the subscription, and not yet given: so that nothing is lost where waiting is cut off.
    pending: Option<Message>,
    skipped: u64,
}

impl Events {
    /// Verifies what `subscriber` hears, by the keys of which the service says that they sign for the ledger.
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

    /// Waits for the next event of the ledger; nothing once the connection is gone. May be cut off: nothing is lost by it.
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

    /// Asks who signs for the ledger now. While nobody is known yet, an event waits for the service to say so.
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

    /// Asks who signs for the ledger now, if that was not asked a moment ago; true if it was told.
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
        // Former ones stay: two instances learn of a rotation one after the other.
        nkey.is_some_and(|nkey| {
            self.signers.known.insert(nkey);
            true
        })
    }
}
