//! What a server forbids a user: read from the connection's events, and turned into a failure of the command.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use async_nats::{ClientError, ConnectErrorKind, Event, ServerError};

use crate::exit::{Exit, Failure};

/// What the server forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Denied {
    /// Creds that it had accepted were revoked later. The text is the server's.
    Revoked(String),
    /// It no longer accepts the creds, and does not say why. That happens when a revoked user connects again.
    Refused,
    /// Anything else. The text is the server's.
    Forbidden(String),
}

impl Denied {
    /// What the server forbids according to an event of the connection, if anything.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        match event {
            Event::ServerError(ServerError::AuthorizationViolation) => Some(Self::Refused),
            Event::ServerError(ServerError::Other(text)) => Self::said(text),
            _ => None,
        }
    }

    fn said(text: &str) -> Option<Self> {
        let said = text.to_ascii_lowercase();
        if said.contains("authentication revoked") {
            return Some(Self::Revoked(text.to_owned()));
        }
        let forbids = [
            "permissions violation",
            "authentication",
            "authorization",
            "account",
        ];
        forbids
            .iter()
            .any(|f| said.contains(f))
            .then(|| Self::Forbidden(text.to_owned()))
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revoked(text) | Self::Forbidden(text) => write!(f, "the server says: {text}"),
            Self::Refused => f.write_str("the server refuses these credentials"),
        }
    }
}

impl From<Denied> for Failure {
    /// The failure of a command that the user is not allowed to send.
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Revoked(_) => Self::new(
                Exit::Rejected,
                format!("{denied}: these creds were revoked, and the connection was cut"),
            )
            .remedy("use other creds, and look whether what was asked for was done before that"),
            Denied::Refused | Denied::Forbidden(_) => Self::new(Exit::Rejected, denied.to_string())
                .remedy(
                    "this user may not do that, or all subjects of this organisation begin otherwise: name its directory with --dir, or \
                     what they begin with with --prefix; else use creds of a user who may (`keyledger user issue --role` makes them)",
                ),
        }
    }
}

/// Finds out whether the tries to reconnect ended because no server accepts the creds.
///
/// A single refusal proves nothing: a server that was just started may not know the account yet.
#[derive(Debug, Default)]
pub(crate) struct Retries {
    /// The result of the last try.
    refused: AtomicBool,
}

impl Retries {
    /// Records an event of the connection. Returns [`Denied::Refused`] once the last try was refused.
    pub(crate) fn ended_by(&self, event: &Event) -> Option<Denied> {
        match event {
            Event::ClientError(ClientError::Other(said)) => {
                let refused = *said == ConnectErrorKind::AuthorizationViolation.to_string();
                self.refused.store(refused, Ordering::Relaxed);
                None
            }
            Event::ClientError(ClientError::MaxReconnects) => self
                .refused
                .load(Ordering::Relaxed)
                .then_some(Denied::Refused),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> Event {
        Event::ServerError(ServerError::Other(text.to_owned()))
    }

    #[test]
    fn a_revocation_is_told_from_what_is_forbidden() {
        let revoked = "user authentication revoked";
        assert_eq!(
            Denied::of(&error(revoked)),
            Some(Denied::Revoked(revoked.to_owned()))
        );
        let violation = "Permissions Violation for Publish to \"keys.x\"";
        assert_eq!(
            Denied::of(&error(violation)),
            Some(Denied::Forbidden(violation.to_owned()))
        );
        assert_eq!(Denied::of(&error("stale connection")), None);
        assert_eq!(Denied::of(&Event::Disconnected), None);
    }

    #[test]
    fn tries_that_end_refused_say_so_and_not_before() {
        let refused = || {
            let said = ConnectErrorKind::AuthorizationViolation.to_string();
            Event::ClientError(ClientError::Other(said))
        };
        let retries = Retries::default();
        let ended = Event::ClientError(ClientError::MaxReconnects);
        assert_eq!(retries.ended_by(&ended), None);
        assert_eq!(retries.ended_by(&refused()), None);
        assert_eq!(retries.ended_by(&ended), Some(Denied::Refused));
        let away = Event::ClientError(ClientError::Other("io error".to_owned()));
        assert_eq!(retries.ended_by(&away), None);
        assert_eq!(retries.ended_by(&ended), None);
    }
}
