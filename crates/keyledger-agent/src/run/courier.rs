//! One report, sent once: what the service says of it.

use std::{sync::Arc, time::Duration};

use async_nats::{HeaderMap, RequestErrorKind};
use keyledger_domain::token::Report;
use keyledger_wire::{Prefix, Refusal, ReportReply, header};
use uuid::Uuid;

use super::link::NatsLink;

/// How long an answer is waited for: the service may have to make certificates.
const PATIENCE: Duration = Duration::from_secs(15);

/// Sends reports.
#[derive(Debug, Clone)]
pub(crate) struct Courier {
    pub(crate) link: NatsLink,
    pub(crate) prefix: Prefix,
    pub(crate) agent: Arc<str>,
}

/// What became of a try.
#[derive(Debug)]
pub(crate) enum Sent {
    /// The service has it.
    Taken(Box<ReportReply>),
    /// The service will never take it.
    Refused(String),
    /// Nobody knows, or not now: to be tried again under the same id.
    Later(String),
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
            // Its answer would find nobody: not waited for.
            () = self.link.lost(connection) => {
                return Sent::Later("the connection was lost".to_owned());
            }
        };
        let reply = match sent {
            Ok(reply) => reply,
            Err(error) => {
                return Sent::Later(match error.kind() {
                    RequestErrorKind::NoResponders => "the service is not there".to_owned(),
                    RequestErrorKind::TimedOut => "the service did not answer in time".to_owned(),
                    _ => error.to_string(),
                });
            }
        };
        let headers = reply.headers.as_ref();
        if headers.is_some_and(|h| h.get(header::SERVICE_ERROR_CODE).is_some()) {
            return match serde_json::from_slice::<Refusal>(&reply.payload) {
                Ok(refusal) if !refusal.is_worth_retrying() => Sent::Refused(refusal.to_string()),
                Ok(refusal) => Sent::Later(refusal.to_string()),
                Err(error) => Sent::Later(unreadable(&error)),
            };
        }
        match serde_json::from_slice(&reply.payload) {
            Ok(reply) => Sent::Taken(Box::new(reply)),
            Err(error) => Sent::Later(unreadable(&error)),
        }
    }
}

fn unreadable(error: &serde_json::Error) -> String {
    format!("the service's answer cannot be read, one of the two may be older: {error}")
}
