//! The client for CIM services: commands and questions with types, safe to retry.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use async_nats::{HeaderMap, RequestErrorKind};
use bytes::Bytes;
use keyledger_domain::{
    Name,
    private_key::{self, PrivateKey},
    verb::Payload,
};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    Acknowledgement, Prefix, Refusal, TokenSignature,
    creds::{self, CredsError},
    header,
};

pub use keyledger_domain::record::Ids;

/// How often a command is sent before the client gives up.
const TRIES: u32 = 5;
/// How long the client waits for an answer, unless [`Client::with_timeout`] sets another time.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The pause before the second try; it doubles.
const PAUSE: Duration = Duration::from_millis(100);

/// Why a command was not acknowledged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The service refused it: see the reason.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It holds a private key where a public one belongs, and was not sent: send the public half.
    #[error("field {field} holds {what}, and nothing was sent")]
    PrivateKey {
        /// The field.
        field: String,
        /// In which form.
        what: PrivateKey,
    },
    /// Nobody serves: start the service, or import it into this account.
    #[error("nobody answers on {subject}: is the service up, and does this account import it?")]
    NobodyServes {
        /// The subject.
        subject: String,
    },
    /// No answer came, so nobody knows whether the command was done. Send it again under the same id.
    #[error(
        "no answer on {subject}: send it again with message id {id}; or this user may not publish there"
    )]
    NoAnswer {
        /// The subject.
        subject: String,
        /// The command's id.
        id: Uuid,
    },
    /// The connection is gone.
    #[error("the request could not be sent on {subject}")]
    NotSent {
        /// The subject.
        subject: String,
        /// What NATS says.
        #[source]
        source: async_nats::RequestError,
    },
    /// The answer is not what this client understands: one of the two is older.
    #[error("the answer on {subject} cannot be read by this version")]
    Unreadable {
        /// The subject.
        subject: String,
        /// What does not fit.
        #[source]
        source: serde_json::Error,
    },
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The creds cannot be used: the source says why.
    #[error(transparent)]
    Creds(#[from] CredsError),
    /// The server refuses them, or is not reached.
    #[error("connecting to {url}")]
    Nats {
        /// Where to.
        url: String,
        /// What NATS says.
        #[source]
        source: async_nats::ConnectError,
    },
}

/// Why a question was not answered.
pub type QueryError = CommandError;

/// A client of Keyledger: cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    nats: async_nats::Client,
    prefix: Prefix,
    timeout: Duration,
}

impl Client {
    /// Connects to `url` as the user of a creds file, and sends to the service under `prefix`.
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub async fn connect(url: &str, creds: &Path, prefix: Prefix) -> Result<Self, ConnectError> {
        let options = creds::options(creds).await?;
        let nats = options
            .connect(url)
            .await
            .map_err(|source| ConnectError::Nats {
                url: url.to_owned(),
                source,
            })?;
        Ok(Self::new(nats, prefix))
    }

    /// A client that sends over `nats`, to the service under `prefix`.
    ///
    /// The connection's inboxes must be the user's own ([`creds::options`] sees to that): nats-server lets a user of a role
    /// listen on no others, and no answer would come.
    #[must_use]
    pub const fn new(nats: async_nats::Client, prefix: Prefix) -> Self {
        Self {
            nats,
            prefix,
            timeout: TIMEOUT,
        }
    }

    /// Sets how long the client waits for an answer; 5 s unless this is called.
    ///
    /// A question is sent once, and again within this time if the service says that it is busy. A command is sent up to five times. Each
    /// try waits a fifth of this time, but at least 5 s if the whole time is that long: a command that was lost on the way is sent again
    /// early enough.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends a command: its payload says which verb of which aggregate. A try without an answer is repeated under the same id, which
    /// makes that harmless.
    ///
    /// # Errors
    ///
    /// [`CommandError`]; see the table of rejections in `subjects.md`.
    pub async fn command<V: Payload + Serialize>(
        &self,
        name: &Name,
        body: &V,
        ids: Ids,
    ) -> Result<Acknowledgement, CommandError> {
        let subject = self.prefix.command_of::<V>(name.as_str());
        let payload = serde_json::to_vec(body).expect("a command's body is JSON with text keys");
        self.command_raw(subject, payload.into(), ids).await
    }

    /// Sends a command that is JSON already.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub async fn command_raw(
        &self,
        subject: String,
        payload: Bytes,
        ids: Ids,
    ) -> Result<Acknowledgement, CommandError> {
        self.send(subject, payload, headers(ids), ids.command).await
    }

    /// Sends a command that a key on the sender's token signed: over this very subject, payload and id.
    ///
    /// # Errors
    ///
    /// [`CommandError`]; `bad_signature` if the signature does not count.
    pub async fn command_signed(
        &self,
        subject: String,
        payload: Bytes,
        ids: Ids,
        signature: &TokenSignature,
    ) -> Result<Acknowledgement, CommandError> {
        let mut headers = headers(ids);
        headers.insert(header::TOKEN_KEY, signature.key.as_str());
        headers.insert(header::TOKEN_SIGNATURE, &*signature.signature);
        self.send(subject, payload, headers, ids.command).await
    }

    async fn send(
        &self,
        subject: String,
        payload: Bytes,
        headers: HeaderMap,
        id: Uuid,
    ) -> Result<Acknowledgement, CommandError> {
        let begin = Instant::now();
        check_public(&payload)?;
        let mut pause = PAUSE;
        let mut tried = 1;
        // After one try without an answer nobody knows whether the command was done, even if the next tries are refused.
        let mut unanswered = false;
        loop {
            let sent = self.request(
                &subject,
                Some(headers.clone()),
                payload.clone(),
                try_timeout(self.timeout),
            );
            let error = match sent.await {
                Ok(reply) => return read(&subject, &reply),
                Err(error) => error,
            };
            let again = match &error {
                CommandError::Refused(refusal) => refusal.is_worth_retrying(),
                CommandError::NoAnswer { .. } | CommandError::NobodyServes { .. } => true,
                _ => false,
            };
            unanswered |= matches!(error, CommandError::NoAnswer { .. });
            if !again || tried == TRIES {
                return Err(match error {
                    CommandError::NoAnswer { subject, .. }
                    | CommandError::NobodyServes { subject }
                        if unanswered =>
                    {
                        CommandError::NoAnswer { subject, id }
                    }
                    other => other,
                });
            }
            tried += 1;
            let told = match &error {
                CommandError::Refused(refusal) => told_pause(refusal),
                _ => None,
            };
            // If the service asks for a longer pause than there is time left, the caller learns it at once.
            if told.is_some_and(|told| begin.elapsed() + told > self.timeout) {
                return Err(error);
            }
            tokio::time::sleep(told.unwrap_or(pause)).await;
            pause *= 2;
        }
    }

    /// Asks a question: `tail` is what stands behind `{prefix}.queries.`.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub async fn query<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        tail: &str,
        question: &Q,
    ) -> Result<A, QueryError> {
        let payload = serde_json::to_vec(question).expect("a question is JSON with text keys");
        let payload = Bytes::from(payload);
        check_public(&payload)?;
        let subject = self.prefix.query(tail);
        let end = Instant::now() + self.timeout;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let reply = self.request(&subject, None, payload.clone(), left).await;
            let pause = match &reply {
                Err(CommandError::Refused(refusal)) => told_pause(refusal),
                _ => None,
            };
            match pause {
                Some(pause) if Instant::now() + pause < end => tokio::time::sleep(pause).await,
                _ => return read(&subject, &reply?),
            }
        }
    }

    /// The connection.
    #[must_use]
    pub const fn nats(&self) -> &async_nats::Client {
        &self.nats
    }

    /// The prefix.
    #[must_use]
    pub const fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    async fn request(
        &self,
        subject: &str,
        headers: Option<HeaderMap>,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, CommandError> {
        let mut request = async_nats::Request::new()
            .payload(payload)
            .timeout(Some(timeout));
        if let Some(headers) = headers {
            request = request.headers(headers);
        }
        let reply = self.nats.send_request(subject.to_owned(), request).await;
        let reply = reply.map_err(|source| {
            let subject = subject.to_owned();
            match source.kind() {
                RequestErrorKind::TimedOut => CommandError::NoAnswer {
                    subject,
                    id: Uuid::nil(),
                },
                RequestErrorKind::NoResponders => CommandError::NobodyServes { subject },
                _ => CommandError::NotSent { subject, source },
            }
        })?;
        let refused = reply
            .headers
            .as_ref()
            .is_some_and(|h| h.get(header::SERVICE_ERROR_CODE).is_some());
        if refused {
            return Err(read::<Refusal>(subject, &reply.payload)?.into());
        }
        Ok(reply.payload)
    }
}

/// Refuses a payload that holds a private key, in any form and field: a private key must never leave this machine.
///
/// # Errors
///
/// [`CommandError::PrivateKey`].
pub fn check_public(payload: &[u8]) -> Result<(), CommandError> {
    match private_key::find_in_payload(payload) {
        None => Ok(()),
        Some(private_key::Found { field, what }) => Err(CommandError::PrivateKey { field, what }),
    }
}

fn headers(ids: Ids) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::MESSAGE_ID, ids.command.to_string());
    headers.insert(header::CORRELATION_ID, ids.correlation.to_string());
    headers.insert(header::CAUSATION_ID, ids.causation.to_string());
    headers
}

/// The pause that a busy service asks for.
fn told_pause(refusal: &Refusal) -> Option<Duration> {
    refusal.retry_after_ms.map(Duration::from_millis)
}

/// How long one try of a command waits, if all tries together may take `timeout`.
fn try_timeout(timeout: Duration) -> Duration {
    (timeout / TRIES).max(timeout.min(TIMEOUT))
}

fn read<T: DeserializeOwned>(subject: &str, payload: &[u8]) -> Result<T, CommandError> {
    serde_json::from_slice(payload).map_err(|source| CommandError::Unreadable {
        subject: subject.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_not_sent() {
        let body = r#"{"nkey":"SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"}"#;
        let refused = check_public(body.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            refused,
            "field nkey holds the SEED of an nkey, and nothing was sent"
        );
        check_public(br#"{"nkey":"UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"}"#)
            .unwrap();
    }

    #[test]
    fn a_command_is_tried_again_in_time() {
        let tries = |seconds| try_timeout(Duration::from_secs(seconds)).as_secs();
        assert_eq!([2, 5, 15, 25, 50].map(tries), [2, 5, 5, 5, 10]);
    }
}
