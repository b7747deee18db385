//! Answers: an acknowledgement, a view, or a refusal with its reason.

use async_nats::HeaderMap;
use bytes::Bytes;
use keyledger_domain::{record::Ids, text::in_full};
use keyledger_wire::{Refusal, Status, header, reply::ERRORS};
use serde::Serialize;

use crate::refused::Refused;

/// What is sent back.
pub(super) struct Answer {
    pub(super) payload: Bytes,
    pub(super) headers: HeaderMap,
    /// `accepted`, or the reason of a refusal.
    pub(super) outcome: &'static str,
    /// True if the sender asks for too much: this refusal is then sent after [`super::later::TOLD_AFTER`].
    pub(super) is_told_later: bool,
}

/// What became of a request.
pub(super) fn of<T: Serialize>(outcome: Result<T, Refused>, ids: Option<Ids>) -> Answer {
    match outcome {
        Ok(value) => view(json(&value)),
        Err(refused) => refuse(refused, ids),
    }
}

/// What a view answers.
pub(super) fn view(payload: Bytes) -> Answer {
    Answer {
        payload,
        headers: HeaderMap::new(),
        outcome: "accepted",
        is_told_later: false,
    }
}

fn json<T: Serialize>(value: &T) -> Bytes {
    let payload = serde_json::to_vec(value).expect("answers are JSON with text keys");
    payload.into()
}

/// A refusal.
pub(super) fn refuse(refused: Refused, ids: Option<Ids>) -> Answer {
    let code_of = |reason| ERRORS.iter().find(|row| row.0 == reason);
    let code_of = |reason| code_of(reason).map_or(500, |row| row.1);
    let (mut retry_after_ms, mut is_told_later) = (None, false);
    let (reason, code, message) = match refused {
        Refused::Rejected(rejection) => {
            (rejection.reason(), rejection.code(), rejection.to_string())
        }
        Refused::Failed(error) => {
            let reason = error.reason();
            (reason, code_of(reason), in_full(&error))
        }
        Refused::Later {
            reason,
            said,
            retry_after,
            has_waited,
        } => {
            is_told_later = !has_waited;
            // Rounded up: a sender that asks then is not told to wait another moment.
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
        payload: json(&refusal),
        headers,
        outcome: reason,
        is_told_later,
    }
}
