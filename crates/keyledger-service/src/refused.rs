//! Why a request is refused: by a rule, by the world, or for now.

use std::{error::Error, time::Duration};

use keyledger_custody::{CustodianError, VaultSealed};
use keyledger_domain::{Name, Rejection, text::in_full};
use tokio::task::JoinError;

use crate::{
    clock::ClockRefusal, handler::Failure, lanes::Busy, material::MaterialError,
    signing::SignerError, store::ReadError,
};

/// An error of any kind, kept whole.
pub(crate) type AnyError = Box<dyn Error + Send + Sync>;

/// Why a request was refused: by a rule, or by the world.
#[derive(Debug)]
pub(crate) enum Refused {
    /// A rule said no.
    Rejected(Rejection),
    /// The world failed.
    Failed(RequestError),
    /// Not now: a reason of [`ERRORS`](keyledger_wire::reply::ERRORS), what there is too much of, and when to ask again.
    Later {
        /// The reason.
        reason: &'static str,
        /// What there is too much of.
        said: String,
        /// When to ask again.
        retry_after: Duration,
        /// True if the request has waited for its turn already: it is then refused without more delay.
        has_waited: bool,
    },
}

/// Why a request was not carried out, although no rule is against it. Its sender may send it again under the same id.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// Sealed material was not read or written: the source says what to do.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// The ledger was not read: the source says what to do.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A trust key cannot sign: the source says which, and why.
    #[error(transparent)]
    Signer(SignerError),
    /// The command was not decided or written: the source says what to do.
    #[error(transparent)]
    Order(Failure),
    /// The store took nothing, for what the servers say of it: put that right.
    #[error("{why}")]
    NotWritten {
        /// What the servers say.
        why: String,
        /// True if the store is full.
        is_full: bool,
        /// What the store said.
        #[source]
        source: Box<Self>,
    },
    /// What other instances wrote was not folded in time: ask again.
    #[error("the ledger is not folded to its end")]
    Behind(#[source] ReadError),
    /// Custody did not give what it should: see the service's log.
    #[error(transparent)]
    Custody(AnyError),
    /// The vault of this instance is sealed: open it, and ask again.
    #[error(transparent)]
    Sealed(#[from] VaultSealed),
    /// A stored event does not read as the ledger wrote it: run `keyledger ledger verify`.
    #[error(transparent)]
    Broken(AnyError),
    /// The ledger was found broken, or older than what servers hold: nothing is accepted any more.
    #[error("{0}")]
    LedgerBroken(String),
    /// Whether the stream holds what it held is being asked: ask again.
    #[error("it is asked again where the ledger stands: {0}")]
    InDoubt(String),
    /// The clock differs from the servers': set both.
    #[error(transparent)]
    Clock(#[from] ClockRefusal),
    /// What would be acknowledged might be lost: the message says on which server, and how to mend it.
    #[error("{0}")]
    NotDurable(String),
    /// What the command changes cannot be enforced on the servers now.
    #[error(transparent)]
    NotEnforceable(#[from] NotEnforceable),
    /// The instance has not folded what it needs for the answer: ask again.
    #[error("{0}")]
    NotYet(&'static str),
    /// A user that was issued a moment ago is not folded yet: ask again.
    #[error("user {0} is not folded")]
    UserNotFolded(Name),
    /// No server said how much JetStream may store: ask again.
    #[error("no server says how much JetStream may store there")]
    NoFigures,
    /// Work on a thread of its own ended early, because the service stops: ask again.
    #[error("the service is stopping")]
    Stopping(#[from] JoinError),
}

/// Why the servers could not be made to enforce what a command changes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotEnforceable {
    /// Nothing can be pushed.
    #[error("the servers refuse the service in the system account")]
    Refused,
    /// What would be pushed cannot be signed.
    #[error("account JWTs cannot be signed")]
    Unsigned(#[from] SignerError),
    /// What was pushed did not arrive.
    #[error("{0}")]
    Unpushed(String),
}

impl RequestError {
    /// Its reason among the [`ERRORS`](keyledger_wire::reply::ERRORS).
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Material(error) => reason_of_material(error),
            Self::Read(error) => match error {
                ReadError::Gone(_) => "ledger_broken",
                ReadError::Unavailable(_) => "store_unavailable",
            },
            Self::Signer(error) => reason_of_signer(error),
            Self::Order(failure) => match failure {
                Failure::Unavailable(_) => "store_unavailable",
                Failure::Full(_) => "store_full",
                Failure::Broken(_) => "ledger_broken",
                Failure::Unsigned(error) => reason_of_signer(error),
                Failure::Stopping => "not_ready",
                Failure::Rejected(rejection) => rejection.reason(),
            },
            Self::NotWritten { is_full: true, .. } => "store_full",
            Self::NotWritten { .. } => "store_unavailable",
            Self::Custody(_) => "custody_failed",
            Self::Sealed(_) => "sealed",
            Self::Broken(_) | Self::LedgerBroken(_) => "ledger_broken",
            Self::Clock(_) => "clock_skewed",
            Self::NotDurable(_) => "not_durable",
            Self::NotEnforceable(_) => "not_enforceable",
            Self::Behind(_)
            | Self::InDoubt(_)
            | Self::NotYet(_)
            | Self::UserNotFolded(_)
            | Self::NoFigures
            | Self::Stopping(_) => "not_ready",
        }
    }
}

const fn reason_of_signer(error: &SignerError) -> &'static str {
    match error {
        SignerError::Unread(error) => reason_of_material(error),
        SignerError::Sealed(_) => "sealed",
        SignerError::Unusable { .. } => "custody_failed",
    }
}

const fn reason_of_material(error: &MaterialError) -> &'static str {
    match error {
        MaterialError::Full { .. } => "store_full",
        MaterialError::Unavailable(_) => "store_unavailable",
        MaterialError::Missing { .. }
        | MaterialError::Setting(_)
        | MaterialError::Refused { .. }
        | MaterialError::Unread(_) => "custody_failed",
    }
}

impl Refused {
    /// True where custody made nothing that fits: it may have been made for what is past.
    pub(crate) const fn is_of_material(&self) -> bool {
        matches!(self, Self::Rejected(Rejection::NoMaterial { .. }))
    }

    /// True of a rejection that the newest state of the ledger might not bear out.
    pub(crate) const fn is_of_state(&self) -> bool {
        use Rejection as R;
        match self {
            Self::Rejected(
                R::Malformed { .. }
                | R::PayloadTooLarge { .. }
                | R::BadName { .. }
                | R::UnknownVerb { .. }
                | R::Unidentified,
            )
            | Self::Failed(_)
            | Self::Later { .. } => false,
            Self::Rejected(_) => true,
        }
    }
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<RequestError> for Refused {
    fn from(error: RequestError) -> Self {
        Self::Failed(error)
    }
}

impl From<Busy> for Refused {
    fn from(busy: Busy) -> Self {
        Self::Later {
            reason: "busy",
            said: busy.to_string(),
            retry_after: busy.retry_after,
            has_waited: busy.has_waited,
        }
    }
}

impl From<MaterialError> for Refused {
    fn from(error: MaterialError) -> Self {
        tracing::error!(said = in_full(&error), "the material bucket");
        Self::Failed(error.into())
    }
}

impl From<ReadError> for Refused {
    fn from(error: ReadError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<VaultSealed> for Refused {
    fn from(sealed: VaultSealed) -> Self {
        Self::Failed(sealed.into())
    }
}

impl From<CustodianError> for Refused {
    fn from(error: CustodianError) -> Self {
        match error {
            CustodianError::Sealed(sealed) => sealed.into(),
            other => custody_failed(other),
        }
    }
}

impl From<SignerError> for Refused {
    fn from(error: SignerError) -> Self {
        tracing::error!(said = in_full(&error), "a trust key");
        Self::Failed(RequestError::Signer(error))
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Rejected(rejection) => Self::Rejected(rejection),
            failure @ (Failure::Unavailable(_)
            | Failure::Full(_)
            | Failure::Broken(_)
            | Failure::Unsigned(_)
            | Failure::Stopping) => Self::Failed(RequestError::Order(failure)),
        }
    }
}

/// Custody did not give what it should: that is logged, and said.
pub(crate) fn custody_failed(error: impl Into<AnyError>) -> Refused {
    let error = error.into();
    tracing::error!(said = in_full(&*error), "custody failed");
    Refused::Failed(RequestError::Custody(error))
}

/// A stored event is not what the ledger wrote.
pub(crate) fn broken(error: impl Into<AnyError>) -> Refused {
    Refused::Failed(RequestError::Broken(error.into()))
}
