//! The handler: one task that decides, writes in groups, folds what was written, and answers.
//!
//! Commands in flight together are appended together; a lone one is published plainly. A command waits while
//! an event of a history it would write to is on its way, so every decision is made on settled state. What another
//! instance wrote first shows as a conflict: fold what came, decide again.

mod arrived;
mod audit;
mod batch;
mod engine;
mod fresh;
mod hold;
mod live;
mod load;
mod proof;
mod prove;
mod tail;
mod work;

use std::sync::Arc;

use keyledger_domain::{
    Prepared, Record, Rejection, Stamp, Timestamp,
    command::Target,
    ledger::{Outcome, TokenSigner},
    name::HistoryId,
    record::{Ids, Why},
};
use keyledger_wire::Prefix;
use parking_lot::RwLock;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::{
    appender::MAX_WAITING,
    reserve::Reserve,
    signing::SignerError,
    store::{Pending, ROOM, Store},
};

pub use arrived::LedgerFault;
use engine::Engine;
pub use hold::{Contradiction, Known, NotHeld, hold};
pub use live::{Live, Position};
pub use load::LoadError;
use work::Work;

/// The time, as it is injected.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Signs CIDs with the ledger's signing key.
pub trait Signer: Send + Sync + 'static {
    /// Its public nkey.
    fn nkey(&self) -> &str;
    /// An Ed25519 signature.
    fn sign<'a>(&'a self, message: &'a [u8]) -> Pending<'a, Result<[u8; 64], SignerError>>;
}

/// The signer of now: the ledger's signing key is rotated while the service runs.
pub struct CurrentSigner(RwLock<Arc<dyn Signer>>);

impl std::fmt::Debug for CurrentSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CurrentSigner")
            .field(&self.current().nkey())
            .finish()
    }
}

impl CurrentSigner {
    /// Begins with `signer`.
    #[must_use]
    pub fn new(signer: Arc<dyn Signer>) -> Self {
        Self(RwLock::new(signer))
    }

    /// Who signs now.
    #[must_use]
    pub fn current(&self) -> Arc<dyn Signer> {
        Arc::clone(&self.0.read())
    }

    /// From now on `signer` signs.
    pub fn replace(&self, signer: Arc<dyn Signer>) {
        *self.0.write() = signer;
    }
}

/// A command with everything a decision needs.
#[derive(Debug, Clone)]
pub struct Order {
    /// What it is for.
    pub target: Target,
    /// What is asked, with what custody made for it.
    pub command: Prepared,
    /// Why.
    pub why: Why,
    /// Its ids.
    pub ids: Ids,
    /// Who asks.
    pub principal: Arc<Stamp>,
    /// The key that issued the sender's JWT, by which the ledger is asked once more whether he may, when it is decided.
    /// Nothing where nobody sent it.
    pub issuer: Option<Box<str>>,
    /// The key on the sender's token that signed it: it is looked at once more as well.
    pub signer: Option<TokenSigner>,
}

/// A command was decided and its events are durable.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// What it was for.
    pub history: HistoryId,
    /// The last revision it wrote, or the newest if it changed nothing.
    pub revision: u32,
    /// That revision's CID.
    pub cid: keyledger_domain::EventCid,
    /// The state it left.
    pub state: &'static str,
    /// True if it wrote events now; false if it changed nothing or had been done before.
    pub fresh: bool,
    /// The first event it wrote to that history, now or when it came first; none if it changed nothing. What is delivered goes by
    /// this.
    pub wrote: Option<Arc<Record>>,
}

/// Why a command was not done. Nothing of it is stored.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A rule says no.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The store did not acknowledge in time: perhaps stored, perhaps not; the same id gets the same answer.
    #[error("{0}; stored or not, nobody knows yet: send it again under the same message id")]
    Unavailable(String),
    /// The disk or a limit is full.
    #[error("the ledger's stream takes no more: {0}; {ROOM}")]
    Full(String),
    /// What is stored is not what was written: nothing is accepted any more.
    #[error("the ledger is broken: {0}; run `keyledger ledger verify`")]
    Broken(String),
    /// The events were not signed: nothing is stored. The source says why.
    #[error("the ledger's events were not signed")]
    Unsigned(#[from] SignerError),
    /// The service stops.
    #[error("this instance is stopping; send it again under the same message id")]
    Stopping,
}

/// The fold was rebuilt from the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    /// How many events were folded.
    pub events: u64,
    /// How many keys there are.
    pub keys: usize,
    /// True if it equals the one that was live.
    pub equal: bool,
}

/// Hands work to the handler. Cheap to clone.
#[derive(Clone)]
pub struct Handler {
    works: mpsc::Sender<Work>,
    live: Arc<Live>,
    store: Arc<dyn Store>,
    prefix: Prefix,
    asked: fresh::Asked,
}

impl std::fmt::Debug for Handler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handler").finish_non_exhaustive()
    }
}

/// What a handler is made of.
pub struct Parts {
    /// Where events are stored.
    pub store: Arc<dyn Store>,
    /// Under which prefix.
    pub prefix: Prefix,
    /// Who signs.
    pub signer: Arc<CurrentSigner>,
    /// The time.
    pub clock: Clock,
    /// Every new event goes here too, for the effects and the views.
    pub news: mpsc::UnboundedSender<Arc<Record>>,
    /// Room that is freed for what takes trust away, where the store is full.
    pub reserve: Option<Reserve>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

impl Handler {
    /// Folds the whole ledger, from `live` on, and starts to work.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if the store cannot be read or what it holds is not a ledger.
    pub async fn start(parts: Parts, live: Arc<Live>) -> Result<Self, LoadError> {
        // Before it is read: what is read later was read over this connection, or is held against it anew.
        let connection = parts.store.connection();
        // Of what a snapshot brought, nothing was read.
        let is_unread = live.position().sequence > 0;
        load::load(&*parts.store, &parts.prefix, None, &live).await?;
        let (works, inbox) = mpsc::channel(MAX_WAITING);
        let (tailed, tail_inbox) = mpsc::channel(4_096);
        let (store, prefix) = (Arc::clone(&parts.store), parts.prefix.clone());
        let follower = tail::follow(
            Arc::clone(&store),
            prefix.clone(),
            Arc::clone(&live),
            tailed.clone(),
        );
        let look_again = Arc::new(Notify::new());
        if is_unread {
            look_again.notify_one();
        }
        let auditor = audit::watch(
            Arc::clone(&store),
            prefix.clone(),
            Arc::clone(&live),
            Arc::clone(&look_again),
            tailed,
        );
        let engine = Engine::new(parts, Arc::clone(&live), connection, look_again);
        tokio::spawn(async move {
            tokio::select! {
                () = engine.run(inbox, tail_inbox) => {}
                () = follower => {}
                () = auditor => {}
            }
        });
        let asked = fresh::Asked::default();
        Ok(Self {
            works,
            live,
            store,
            prefix,
            asked,
        })
    }

    /// Folds everything that is stored into `live`, without starting to work. The trust bootstrap must be signed by
    /// `operator`, where that is known.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if the store cannot be read or what it holds is not a ledger.
    pub async fn fold(
        store: &dyn Store,
        prefix: &Prefix,
        operator: Option<&str>,
        live: &Live,
    ) -> Result<(), LoadError> {
        load::load(store, prefix, operator, live).await
    }

    /// Decides a command and writes its events.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn order(&self, order: Order) -> Result<Done, Failure> {
        let (reply, answer) = oneshot::channel();
        let work = Work::Order(Box::new(order), reply);
        self.works.send(work).await.map_err(|_| Failure::Stopping)?;
        answer.await.map_err(|_| Failure::Stopping)?
    }

    /// Records what the service itself found or did. Recorded once, however often it is said.
    pub async fn outcome(&self, outcome: Outcome, principal: Arc<Stamp>) {
        // A stopping handler takes none: the effect runs again at the next start.
        let _ = self.works.send(Work::Outcome(outcome, principal)).await;
    }

    /// Throws the fold away and rebuilds it from the stream, while commands go on; they wait for the last step only.
    ///
    /// # Errors
    ///
    /// [`Failure::Unavailable`] if the stream cannot be read, [`Failure::Broken`] if it is not a ledger.
    pub async fn rebuild(&self) -> Result<Rebuilt, Failure> {
        let anew = Live::default();
        let operator = self
            .live
            .ledger
            .read()
            .operator()
            .map(|(_, o)| o.state.nkey.clone());
        let operator = operator.as_deref();
        load::load(&*self.store, &self.prefix, operator, &anew)
            .await
            .map_err(|e| Failure::from_load(&e))?;
        let (reply, answer) = oneshot::channel();
        self.works
            .send(Work::Rest(reply))
            .await
            .map_err(|_| Failure::Stopping)?;
        let resting = answer.await.map_err(|_| self.not_at_rest())?;
        load::load_until(
            &*self.store,
            &self.prefix,
            operator,
            &anew,
            resting.sequence,
        )
        .await
        .map_err(|e| Failure::from_load(&e))?;
        let ledger = anew.ledger.into_inner();
        let equal = *self.live.ledger.read() == ledger;
        if !equal {
            tracing::error!("the live inventory was not what the ledger says; it is replaced");
        }
        let rebuilt = Rebuilt {
            events: ledger.events(),
            keys: ledger.keys().count(),
            equal,
        };
        resting.resume.send(ledger).map_err(|_| Failure::Stopping)?;
        Ok(rebuilt)
    }

    /// Why the handler does not come to rest.
    fn not_at_rest(&self) -> Failure {
        self.live
            .broken()
            .map_or(Failure::Stopping, Failure::Broken)
    }

    /// The ledger as it stands.
    #[must_use]
    pub const fn live(&self) -> &Arc<Live> {
        &self.live
    }
}

impl Failure {
    fn from_load(error: &LoadError) -> Self {
        match error {
            LoadError::Read(e) => Self::Unavailable(e.to_string()),
            broken => Self::Broken(broken.to_string()),
        }
    }
}
