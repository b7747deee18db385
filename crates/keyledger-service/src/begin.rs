//! How an instance begins: the stream is held against everything that is known of it from elsewhere, then folded.
//!
//! The stream is a witness among others. A snapshot that is authentic and the file of the trust bootstrap know what stood
//! there; where the stream contradicts them, it was rolled back or replaced, and nothing is served.

use keyledger_domain::{
    EventCid,
    operator::{RollbackAccepted, Witness},
};
use keyledger_wire::Prefix;

use crate::{
    handler::{Contradiction, Handler, Known, Live, LoadError, NotHeld, hold},
    snapshot::Snapshot,
    store::{ReadError, Store},
};

/// The trust bootstrap as the organisation's directory knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownGenesis {
    /// The operator's identity (`O…`), which signed it.
    pub operator: String,
    /// The CIDs of its events in their order: all of them, or the first ones.
    pub events: Vec<EventCid>,
}

/// What an instance begins with.
pub struct Beginning<'a> {
    /// Where events are stored.
    pub store: &'a dyn Store,
    /// Under which prefix.
    pub prefix: &'a Prefix,
    /// A snapshot to begin from.
    pub snapshot: Option<&'a Snapshot>,
    /// The trust bootstrap, where it is known.
    pub genesis: Option<&'a KnownGenesis>,
    /// Serve although a witness proves that the ledger was rolled back or replaced.
    pub accept_rollback: bool,
}

impl std::fmt::Debug for Beginning<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Beginning")
            .field("prefix", self.prefix)
            .finish_non_exhaustive()
    }
}

/// The fold to serve with.
#[derive(Debug, Default)]
pub struct Begun {
    /// The fold.
    pub live: Live,
    /// What is to be recorded before anything is served: rollbacks that were accepted now.
    pub accepted: Vec<RollbackAccepted>,
}

/// What a witness knew, and how the stream contradicts it.
struct Contradicted {
    witness: Witness,
    known: Known,
    contradiction: Contradiction,
}

impl Beginning<'_> {
    /// Folds the whole ledger.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if the store cannot be read, what it holds is not a ledger, or a witness proves it another one.
    pub async fn begin(self) -> Result<Begun, LoadError> {
        let mut contradicted = Vec::new();
        let saved = self.snapshot.and_then(Snapshot::read);
        let live = match saved {
            None => Live::default(),
            Some(saved) => match self.holds(Witness::Snapshot, saved.known()).await? {
                None => saved.live(),
                Some(contradiction) => {
                    contradicted.push(contradiction);
                    Live::default()
                }
            },
        };
        let genesis = self.genesis.map(|genesis| &genesis.events[..]);
        contradicted.extend(self.holds_genesis(genesis.unwrap_or_default()).await?);
        let operator = self.genesis.map(|genesis| genesis.operator.as_str());
        Handler::fold(self.store, self.prefix, operator, &live).await?;
        let mut accepted = Vec::new();
        for contradicted in contradicted {
            accepted.extend(self.judge(&contradicted, &live)?);
        }
        Ok(Begun { live, accepted })
    }

    /// Whether the stream holds what a witness knows; how it contradicts, if not.
    async fn holds(
        &self,
        witness: Witness,
        known: Known,
    ) -> Result<Option<Contradicted>, LoadError> {
        let held = hold(self.store, known, |doubt| {
            tracing::warn!(?witness, %doubt, "the stream contradicts; asking again");
        });
        match held.await {
            Ok(_) => Ok(None),
            Err(error @ (NotHeld::Unavailable(_) | NotHeld::Apart(_))) => {
                Err(ReadError::Unavailable(error.to_string()).into())
            }
            Err(NotHeld::Contradicted(contradiction)) => Ok(Some(Contradicted {
                witness,
                known,
                contradiction,
            })),
        }
    }

    /// The same for the trust bootstrap. A stream that holds nothing at all was not set up yet.
    async fn holds_genesis(&self, events: &[EventCid]) -> Result<Option<Contradicted>, LoadError> {
        let stored = self.store.read(0, events.len()).await?;
        if stored.is_empty() {
            return Ok(None);
        }
        let end = events.len() as u64;
        for (sequence, cid) in (1..).zip(events) {
            let at = stored.iter().find(|event| event.sequence == sequence);
            if at.is_some_and(|event| EventCid::of(&event.payload) == *cid) {
                continue;
            }
            let known = Known {
                sequence,
                cid: Some(*cid),
                end,
            };
            return self.holds(Witness::GenesisFile, known).await;
        }
        Ok(None)
    }

    /// Whether the ledger is served all the same: because that was accepted before, or is now, which is to be recorded.
    fn judge(
        &self,
        contradicted: &Contradicted,
        live: &Live,
    ) -> Result<Option<RollbackAccepted>, LoadError> {
        let Contradicted {
            witness,
            known,
            contradiction,
        } = contradicted;
        let refused = LoadError::RolledBack {
            witness: name(*witness),
            contradiction: *contradiction,
        };
        let (Some(expected), ledger) = (known.cid, live.ledger.read()) else {
            return Err(refused);
        };
        let rollback = RollbackAccepted {
            witness: *witness,
            sequence: known.sequence,
            expected,
            known_end: known.end,
            end: live.position().sequence,
        };
        let Some((_, operator)) = ledger.operator() else {
            return Err(refused);
        };
        if operator.state.accepts(&rollback) {
            tracing::warn!(%refused, "it was accepted before");
            return Ok(None);
        }
        if self.accept_rollback {
            tracing::error!(%refused, "it is accepted, and recorded as an event");
            return Ok(Some(rollback));
        }
        Err(refused)
    }
}

/// A witness in words.
const fn name(witness: Witness) -> &'static str {
    match witness {
        Witness::Snapshot => "the snapshot",
        Witness::GenesisFile => "the file of the trust bootstrap",
    }
}
