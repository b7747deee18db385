//! Answers: an acknowledgement, a view, or a refusal with its reason.

use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use keyledger_domain::{Rejection, record::Ids};
use keyledger_wire::{Refusal, Status, header, reply::FAULTS};
use serde::Serialize;

use crate::{
    handler::Failure, lanes::Busy, material::MaterialError, prepare::custody_failed,
    signers::SignerError,
};

/// What is sent back.
pub(super) struct Answer {
    pub(super) payload: Bytes,
    pub(super) headers: HeaderMap,
    /// True if the sender asks for too much: this refusal is then sent after [`super::later::TOLD_AFTER`].
    pub(super) is_told_later: bool,
}

/// Why a request was refused: by a rule, or by the world.
pub(crate) enum Refused {
    /// A rule said no.
    Rejected(Rejection),
    /// The world failed: a reason of [`FAULTS`], and what happened.
    Fault(&'static str, String),
    /// Not now: a reason of [`FAULTS`], what there is too much of, and when to ask again.
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

/// A JSON answer.
pub(super) fn ok<T: Serialize>(value: &T) -> Answer {
    let payload = serde_json::to_vec(value).expect("answers are JSON with text keys");
    Answer {
        payload: payload.into(),
        headers: HeaderMap::new(),
        is_told_later: false,
    }
}

/// A refusal.
pub(super) fn refuse(refused: Refused, ids: Option<Ids>) -> Answer {
    let code_of = |reason| FAULTS.iter().find(|row| row.0 == reason);
    let code_of = |reason| code_of(reason).map_or(500, |row| row.1);
    let (mut retry_after_ms, mut is_told_later) = (None, false);
    let (reason, code, message) = match refused {
        Refused::Rejected(rejection) => {
            (rejection.reason(), rejection.code(), rejection.to_string())
        }
        Refused::Fault(reason, said) => (reason, code_of(reason), said),
        Refused::Later {
            reason,
            said,
            retry_after,
            has_waited,
        } => {
            is_told_later = !has_waited;
            // Rounded up: whoever asks then is not told to wait another moment.
            let ms = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
            retry_after_ms = Some(ms.saturating_add(1));
            (reason, code_of(reason), said)
        }
    };
    let mut headers = HeaderMap::new();
    // A header is one line.
    let line: String = message
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    headers.insert(header::SERVICE_ERROR, line.as_str());
    headers.insert(header::SERVICE_ERROR_CODE, code.to_string());
    let refusal = Refusal {
        status: Status::Rejected,
        command_id: ids.map(|ids| ids.command),
        correlation_id: ids.map(|ids| ids.correlation),
        reason: reason.to_owned(),
        message,
        code,
        retry_after_ms,
    };
    Answer {
        payload: ok(&refusal).payload,
        headers,
        is_told_later,
    }
}
