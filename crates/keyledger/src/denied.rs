//! What a server does not let a user do, or be: told by its events, and said as a failure.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use async_nats::{ClientError, ConnectErrorKind, Event, ServerError};

use crate::exit::{Exit, Failure};

/// What the server does not let a user do, or be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The creds that it had taken were revoked meanwhile; in its words.
    Revoked(String),
    /// It takes the creds no more, and does not say why: those of a user who was revoked, when it connects anew.
    Refused,
    /// Anything else; in its words.
    Forbidden(String),
}

impl Denied {
    /// What an event of the connection says that the server denies.
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
    /// The failure of a user who may not do what it asked.
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

/// Whether the tries to connect anew end because no server takes the creds.
///
/// Before they end, that says nothing: a server that was just started may not know the account yet.
#[derive(Debug, Default)]
pub(crate) struct Retries {
    /// What became of the last try.
    refused: AtomicBool,
}

impl Retries {
    /// Takes in an event of the connection. [`Denied::Refused`] once the last of the tries was refused.
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
