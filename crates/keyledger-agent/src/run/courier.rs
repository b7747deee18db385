//! Sends one report once, and reads the service's answer.

use std::{sync::Arc, time::Duration};

use async_nats::{HeaderMap, RequestError, RequestErrorKind};
use keyledger_domain::token::Report;
use keyledger_wire::{Prefix, Refusal, ReportReply, header};
use uuid::Uuid;

use super::link::NatsLink;

/// The longest wait for an answer: the service may have to make certificates first.
const PATIENCE: Duration = Duration::from_secs(15);

/// Sends reports.
#[derive(Debug, Clone)]
pub(crate) struct Courier {
    pub(crate) link: NatsLink,
    pub(crate) prefix: Prefix,
    pub(crate) agent: Arc<str>,
}

/// The outcome of sending a report.
#[derive(Debug)]
pub(crate) enum Sent {
    /// The service took the report.
    Taken(Box<ReportReply>),
    /// A rule rejects it: the service will never take it.
    Rejected(Box<Refusal>),
    /// Nobody knows, or not now: send it again under the same id.
    Later(DeliveryError),
}

/// Why it is not known that the service took a report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveryError {
    #[error("the connection was lost")]
    ConnectionLost,
    #[error("the service is not there")]
    NoService,
    #[error("the service did not answer in time")]
    TimedOut,
    #[error("the report cannot be sent")]
    Request(#[source] RequestError),
    #[error("the service cannot take the report now")]
    NotNow(#[source] Box<Refusal>),
    #[error("the service's answer cannot be read: the service or this agent may be too old")]
    Unreadable(#[source] serde_json::Error),
}

impl Courier {
    /// Sends a report once. Waits until there is a connection.
    pub(crate) async fn send(
        &self,
        last: &str,
        message: Uuid,
        correlation: Uuid,
        report: &Report,
    ) -> Sent {
        let connection = self.link.up().await;
        let mut headers = HeaderMap::new();
        headers.insert(header::MESSAGE_ID, message.to_string());
        headers.insert(header::CORRELATION_ID, correlation.to_string());
        headers.insert(header::CAUSATION_ID, correlation.to_string());
        let payload = serde_json::to_vec(report).expect("a report has only text keys");
        let request = async_nats::Request::new()
            .payload(payload.into())
            .headers(headers)
            .timeout(Some(PATIENCE));
        let subject = self.prefix.report(&self.agent, last);
        let sent = tokio::select! {
            sent = self.link.client.send_request(subject, request) => sent,
            // The answer would come to a connection that is gone, so do not wait for it.
            () = self.link.lost(connection) => {
                return Sent::Later(DeliveryError::ConnectionLost);
            }
        };
        let reply = match sent {
            Ok(reply) => reply,
            Err(error) => {
                return Sent::Later(match error.kind() {
                    RequestErrorKind::NoResponders => DeliveryError::NoService,
                    RequestErrorKind::TimedOut => DeliveryError::TimedOut,
                    RequestErrorKind::InvalidSubject
                    | RequestErrorKind::MaxPayloadExceeded
                    | RequestErrorKind::Other => DeliveryError::Request(error),
                });
            }
        };
        let headers = reply.headers.as_ref();
        if headers.is_some_and(|h| h.get(header::SERVICE_ERROR_CODE).is_some()) {
            return match serde_json::from_slice::<Box<Refusal>>(&reply.payload) {
                Ok(refusal) if refusal.is_worth_retrying() => {
                    Sent::Later(DeliveryError::NotNow(refusal))
                }
                Ok(refusal) => Sent::Rejected(refusal),
                Err(error) => Sent::Later(DeliveryError::Unreadable(error)),
            };
        }
        match serde_json::from_slice(&reply.payload) {
            Ok(reply) => Sent::Taken(Box::new(reply)),
            Err(error) => Sent::Later(DeliveryError::Unreadable(error)),
        }
    }
}
