//! A session: commands and questions over one connection. Each of them ends with an answer or a clear error.

use std::{
    future::Future,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use async_nats::{HeaderMap, RequestError, RequestErrorKind};
use keyledger_domain::{Name, record::Ids, verb::Payload, views::TokenRow};
use keyledger_wire::{
    Acknowledgement, Client, CommandError, Events, Refusal, TokenSignature, client::check_public,
    header, query::Nothing,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    denied::Denied,
    exit::{Exit, Failure},
    heard::Listening,
    signing::{CommandSigner, UnsignedCommand},
};

/// A connection, with everything needed to say why no answer comes.
#[derive(Debug)]
pub(crate) struct Session {
    client: Client,
    denied: watch::Receiver<Option<Denied>>,
    patience: Duration,
    dir: Option<PathBuf>,
    user: Option<String>,
    url: String,
    signer: Option<CommandSigner>,
}

impl Session {
    /// A session over a connection of `user`. What the server forbids arrives in `denied`.
    pub(crate) const fn new(
        client: Client,
        denied: watch::Receiver<Option<Denied>>,
        patience: Duration,
        dir: Option<PathBuf>,
        user: Option<String>,
        url: String,
    ) -> Self {
        Self {
            client,
            denied,
            patience,
            dir,
            user,
            url,
            signer: None,
        }
    }

    /// The same session, with a signer for its commands.
    pub(crate) fn signed_by(self, signer: Option<CommandSigner>) -> Self {
        Self { signer, ..self }
    }

    /// The client.
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// The servers that it connects to, joined by commas.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The directory that the context came from, if it came from one.
    pub(crate) fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// How long the session waits for an answer.
    pub(crate) const fn patience(&self) -> Duration {
        self.patience
    }

    /// True if this is the session of user `name`.
    pub(crate) fn is_of(&self, name: &Name) -> bool {
        self.user.as_deref() == Some(name.as_str())
    }

    /// True if this is the session of user `name`, and the server cut it because that user was revoked.
    pub(crate) fn was_revoked(&self, name: &Name) -> bool {
        self.is_of(name) && matches!(*self.denied.borrow(), Some(Denied::Revoked(_)))
    }

    /// True if the server accepted this session's creds before, and now refuses them without a reason.
    pub(crate) fn is_refused(&self) -> bool {
        *self.denied.borrow() == Some(Denied::Refused)
    }

    /// Sends a command.
    pub(crate) async fn command<V: Payload + Serialize>(
        &self,
        name: &Name,
        body: &V,
        ids: Ids,
    ) -> anyhow::Result<Acknowledgement> {
        let subject = self.client.prefix().command_of::<V>(name.as_str());
        let payload = serde_json::to_vec(body).context("the command's body")?;
        check_public(&payload)?;
        let signature = match &self.signer {
            Some(signer) => {
                let command = UnsignedCommand {
                    aggregate: V::AGGREGATE,
                    verb: V::VERB,
                    name,
                    id: ids.command,
                    payload: &payload,
                };
                Some(self.sign(signer, command).await?)
            }
            None => None,
        };
        let sent = async {
            let (subject, payload) = (subject.clone(), payload.into());
            match &signature {
                Some(signature) => {
                    let sent = self.client.command_signed(subject, payload, ids, signature);
                    sent.await
                }
                None => self.client.command_raw(subject, payload, ids).await,
            }
        };
        let id = ids.command;
        let none = || CommandError::NoAnswer {
            subject: subject.clone(),
            id,
        };
        self.answer(sent, none).await
    }

    /// Has a command signed. The ledger says which key is in the token's slot, before the person is asked for anything.
    async fn sign(
        &self,
        signer: &CommandSigner,
        command: UnsignedCommand<'_>,
    ) -> anyhow::Result<TokenSignature> {
        let serial = signer.token().await?;
        let token: TokenRow = self
            .query(&format!("tokens.show.{serial}"), &Nothing {})
            .await
            .with_context(|| format!("looking up token {serial}"))?;
        let prefix = self.client.prefix();
        signer.sign(serial, &token, prefix, command).await
    }

    /// Asks a question.
    pub(crate) async fn query<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        tail: &str,
        question: &Q,
    ) -> anyhow::Result<A> {
        let subject = self.client.prefix().query(tail);
        let asked = self.client.query(tail, question);
        let answer = self.answer(asked, || no_answer(&subject)).await;
        answer.map_err(|error| unanswered(&subject, error))
    }

    /// Sends an empty request to a subject whose answer is neither an acknowledgement nor a view.
    pub(crate) async fn request<A: DeserializeOwned>(&self, subject: &str) -> anyhow::Result<A> {
        let request = async_nats::Request::new().timeout(Some(self.patience));
        let nats = self.client.nats();
        let asked = async {
            let reply = nats.send_request(subject.to_owned(), request).await;
            reply.map_err(|source| unsent(subject, source))
        };
        let reply = self.answer(asked, || no_answer(subject)).await;
        let reply = reply.map_err(|error| unanswered(subject, error))?;
        let unreadable = |source| CommandError::Unreadable {
            subject: subject.to_owned(),
            source,
        };
        let refused = |h: &HeaderMap| h.get(header::SERVICE_ERROR_CODE).is_some();
        if reply.headers.as_ref().is_some_and(refused) {
            let refusal: Refusal = serde_json::from_slice(&reply.payload).map_err(unreadable)?;
            return Err(CommandError::from(refusal).into());
        }
        Ok(serde_json::from_slice(&reply.payload).map_err(unreadable)?)
    }

    /// Waits for `answer`, until the server forbids it or the time is over.
    async fn answer<T>(
        &self,
        answer: impl Future<Output = Result<T, CommandError>>,
        none: impl FnOnce() -> CommandError,
    ) -> anyhow::Result<T> {
        tokio::select! {
            biased;
            answer = answer => match answer {
                Err(error @ CommandError::NotSent { .. }) => Err(self.why_cut_off(error).await),
                answer => answer.map_err(Into::into),
            },
            denied = self.denied() => Err(Failure::from(denied).into()),
            () = tokio::time::sleep(self.patience) => Err(none().into()),
        }
    }

    /// The server may have closed the connection because it forbids something. Then it says so a moment later.
    async fn why_cut_off(&self, error: CommandError) -> anyhow::Error {
        const MOMENT: Duration = Duration::from_secs(2);
        match tokio::time::timeout(MOMENT, self.denied()).await {
            Ok(denied) => Failure::from(denied).into(),
            Err(_) => error.into(),
        }
    }

    /// Listens on a subject.
    pub(crate) async fn subscribe(
        &self,
        subject: String,
    ) -> anyhow::Result<async_nats::Subscriber> {
        let nats = self.client.nats();
        let subscriber = nats.subscribe(subject.clone()).await;
        let subscriber = subscriber.with_context(|| format!("listening on {subject}"))?;
        nats.flush()
            .await
            .with_context(|| format!("listening on {subject}"))?;
        Ok(subscriber)
    }

    /// Listens to events on a subject. The subject proves nothing, so messages that the ledger did not sign are skipped.
    pub(crate) async fn events(&self, subject: String) -> anyhow::Result<Listening> {
        let subscriber = self.subscribe(subject.clone()).await?;
        let events = Events::new(self.client.clone(), subscriber);
        Ok(Listening::new(events, subject))
    }

    /// Waits until the server forbids something.
    pub(crate) async fn denied(&self) -> Denied {
        let mut denied = self.denied.clone();
        loop {
            if let Some(denied) = denied.borrow_and_update().clone() {
                return denied;
            }
            if denied.changed().await.is_err() {
                std::future::pending::<()>().await; // the connection is gone, which is reported elsewhere
            }
        }
    }
}

/// The failure of a command that listens and has lost its connection.
pub(crate) fn lost() -> Failure {
    Failure::new(Exit::Unreachable, "the connection to the server is gone")
        .remedy("start it again: `keyledger doctor` says whether the server answers")
}

fn no_answer(subject: &str) -> CommandError {
    CommandError::NoAnswer {
        subject: subject.to_owned(),
        id: Uuid::nil(),
    }
}

fn unsent(subject: &str, source: RequestError) -> CommandError {
    let subject = subject.to_owned();
    match source.kind() {
        RequestErrorKind::NoResponders => CommandError::NobodyServes { subject },
        RequestErrorKind::TimedOut => no_answer(&subject),
        _ => CommandError::NotSent { subject, source },
    }
}

/// A question has no id to repeat it with: it can simply be asked again.
fn unanswered(subject: &str, error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<CommandError>() {
        Some(CommandError::NoAnswer { .. }) => {
            Failure::new(Exit::Unreachable, format!("no answer on {subject}"))
                .remedy("the service is busy or stuck; try again, or look into its log")
                .into()
        }
        _ => error,
    }
}
