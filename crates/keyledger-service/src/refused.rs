//! Why a request is refused: by a rule, by the world, or for now.

use std::time::Duration;

use keyledger_domain::Rejection;

use crate::{
    handler::Failure, lanes::Busy, material::MaterialError, signers::SignerError, store::ReadError,
};

/// Why a request was refused: by a rule, or by the world.
pub(crate) enum Refused {
    /// A rule said no.
    Rejected(Rejection),
    /// The world failed: a reason of [`FAULTS`](keyledger_wire::reply::FAULTS), and what happened.
    Fault(&'static str, String),
    /// Not now: a reason of [`FAULTS`](keyledger_wire::reply::FAULTS), what there is too much of, and when to ask again.
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
            | Self::Fault(..)
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
        let said = error.to_string();
        tracing::error!(%said, "the material bucket");
        match error {
            MaterialError::Full { .. } => Self::Fault("store_full", said),
            MaterialError::Unavailable(_) => Self::Fault("store_unavailable", said),
            MaterialError::Missing { .. }
            | MaterialError::Setting(_)
            | MaterialError::Refused { .. }
            | MaterialError::Unread(_) => Self::Fault("custody_failed", said),
        }
    }
}

impl From<ReadError> for Refused {
    fn from(error: ReadError) -> Self {
        let reason = match error {
            ReadError::Gone(_) => "ledger_broken",
            ReadError::Unavailable(_) => "store_unavailable",
        };
        Self::Fault(reason, error.to_string())
    }
}

impl From<SignerError> for Refused {
    fn from(error: SignerError) -> Self {
        match error {
            SignerError::Unread(error) => error.into(),
            other @ SignerError::Unusable { .. } => custody_failed(&other),
        }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        let said = failure.to_string();
        match failure {
            Failure::Rejected(rejection) => Self::Rejected(rejection),
            Failure::Unavailable(_) => Self::Fault("store_unavailable", said),
            Failure::Full(_) => Self::Fault("store_full", said),
            Failure::Broken(_) => Self::Fault("ledger_broken", said),
            Failure::Stopping => Self::Fault("not_ready", said),
        }
    }
}

/// Custody did not give what it should: that is logged, and said.
pub(crate) fn custody_failed(said: &dyn std::fmt::Display) -> Refused {
    tracing::error!(%said, "custody failed");
    Refused::Fault("custody_failed", said.to_string())
}

/// A stored event is not what the ledger wrote.
pub(crate) fn broken(error: &dyn std::fmt::Display) -> Refused {
    Refused::Fault("ledger_broken", error.to_string())
}
