//! The queue of tasks: taken in, held while they are walked, acknowledged when they have ended.

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use async_nats::jetstream::{
    self, AckKind, Message,
    consumer::{Consumer, pull, pull::BatchError},
    stream::ConsumerError,
};
use futures::StreamExt as _;
use keyledger_domain::{
    text::Note,
    token::{Failure, FailureCode, Report},
};
use keyledger_wire::header;
use tokio::sync::mpsc::UnboundedReceiver;
use uuid::Uuid;

use super::{
    board::ConnectionState,
    courier::{Courier, Sent},
    journal::JournalError,
    office::Office,
    trust::{self, SignedTask, TaskRejection, TaskTrust, TrustedTask},
    walks::Walks,
};
use crate::in_full::in_full;

/// So many tasks are held at once; the others wait in the queue.
const MAX_HELD: usize = 64;
/// So many are fetched at once.
const MAX_BATCH: usize = 8;
/// How long the server holds a request for tasks.
const EXPIRES: Duration = Duration::from_secs(30);
/// The pause before the queue is looked for again.
const PAUSE: Duration = Duration::from_secs(3);

/// Why no tasks come in.
#[derive(Debug, thiserror::Error)]
enum QueueError {
    #[error("this agent has no queue yet: the service makes it when the agent is enrolled")]
    Missing(#[source] ConsumerError),
    #[error("tasks cannot be fetched")]
    Fetch(#[source] BatchError),
    #[error("the tasks that were fetched do not come in")]
    Message(#[source] async_nats::Error),
}

/// The queue.
pub(crate) struct TaskQueue {
    pub(crate) courier: Courier,
    pub(crate) office: Arc<Office>,
    pub(crate) walks: Walks,
    pub(crate) trust: TaskTrust,
    pub(crate) stream: String,
    /// The prefix of the JetStream API, as the agents' account imports it.
    pub(crate) api: String,
    /// Which tasks have ended.
    pub(crate) ended: UnboundedReceiver<Uuid>,
    /// The message of each task that is held, as it was last given.
    pub(crate) held: HashMap<Uuid, Message>,
}

impl TaskQueue {
    /// Takes tasks in until the agent stops.
    pub(crate) async fn run(mut self) {
        let (link, stop) = (self.courier.link.clone(), self.office.stop.clone());
        loop {
            let connection = tokio::select! {
                connection = link.up() => connection,
                () = stop.stopped() => return,
            };
            tokio::select! {
                Err(error) = self.work() => {
                    let why = in_full(&error);
                    tracing::info!("no tasks yet: {why}");
                    self.office.board.connection(ConnectionState::NoQueue);
                    self.office.board.trouble(why);
                }
                () = link.lost(connection) => continue,
                () = stop.stopped() => return,
            }
            if link.pause(PAUSE, &stop).await {
                return;
            }
        }
    }

    /// Takes tasks in for as long as the queue is there.
    async fn work(&mut self) -> Result<Infallible, QueueError> {
        let jetstream = jetstream::with_prefix(self.courier.link.client.clone(), &self.api);
        let agent = self.courier.agent.to_string();
        let consumer: Consumer<pull::Config> = jetstream
            .get_consumer_from_stream(&agent, &self.stream)
            .await
            .map_err(QueueError::Missing)?;
        self.office.board.connection(ConnectionState::Online);
        tracing::info!(stream = self.stream, "tasks come in");
        let wait = consumer.cached_info().config.ack_wait;
        // Three chances to say that a task is still held.
        let beat = (wait / 3).clamp(Duration::from_millis(200), Duration::from_secs(60));
        let mut beats = tokio::time::interval(beat);
        loop {
            let free = MAX_HELD.saturating_sub(self.held.len()).min(MAX_BATCH);
            let mut batch = if free == 0 {
                None // until one ends
            } else {
                let batch = consumer.batch().max_messages(free);
                // Without heartbeats: in async-nats 0.51 a batch that has got one is not woken by the message behind it, and
                // drops that message when it expires. A connection that is lost is seen by the link.
                let batch = batch.expires(EXPIRES).messages();
                Some(batch.await.map_err(QueueError::Fetch)?)
            };
            loop {
                let next = async {
                    match &mut batch {
                        Some(batch) => batch.next().await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    message = next => match message {
                        Some(Ok(message)) => self.take(message).await,
                        Some(Err(error)) => return Err(QueueError::Message(error)),
                        None => break,
                    },
                    Some(task) = self.ended.recv() => {
                        self.acknowledge(task).await;
                        if free == 0 {
                            break;
                        }
                    }
                    _ = beats.tick() => self.hold().await,
                }
            }
        }
    }

    /// Takes a task in, if it is the ledger's and not known yet.
    async fn take(&mut self, message: Message) {
        let signed = match signed(&message) {
            Ok(signed) => signed,
            Err(why) => return self.refuse(&message, why, None).await,
        };
        let task = match self.trust.check(&signed) {
            Ok(task) => task,
            Err(why) => return self.refuse(&message, why, Some(signed)).await,
        };
        let id = task.id();
        if self.office.journal().book().ended.contains(&id) {
            return acknowledge(&message, id).await; // its acknowledgement was lost
        }
        let walks = self.walks.clone();
        // In one go: it is done to its end even if the connection is lost meanwhile, and this with it.
        let begun = self.office.on_disk(move |office| {
            if walks.has(id) {
                return Ok(());
            }
            office.journal().take(id, signed)?;
            tracing::info!(task = %id, serial = %task.serial, kind = task.filed.kind.as_str(), "taken");
            walks.begin(task);
            Ok::<_, JournalError>(())
        });
        if let Err(error) = begun.await {
            // Not acknowledged: it comes again.
            tracing::error!(task = %id, error = &error as &dyn std::error::Error, "it cannot be taken");
            return;
        }
        self.held.insert(id, message);
        self.hold().await;
    }

    /// Says that the tasks that are held are still worked on.
    async fn hold(&self) {
        for (task, message) in &self.held {
            if let Err(error) = message.ack_with(AckKind::Progress).await {
                tracing::debug!(%task, "it is not said that it is worked on: {error}");
            }
        }
    }

    /// Acknowledges a task that has ended.
    async fn acknowledge(&mut self, task: Uuid) {
        if let Some(message) = self.held.remove(&task) {
            acknowledge(&message, task).await;
        }
    }

    /// Refuses a task that is not the ledger's.
    async fn refuse(&mut self, message: &Message, why: TaskRejection, signed: Option<SignedTask>) {
        let said = in_full(&why);
        tracing::error!(subject = %message.subject, "a task is not walked: {said}");
        self.office
            .board
            .trouble(format!("a task is not walked: {said}"));
        if let Some(task) = signed.and_then(|signed| self.told_apart(&why, &signed)) {
            let report = Report::Failed(Failure {
                serial: task.serial,
                code: FailureCode::Untrusted,
                detail: Note::new(&said).unwrap_or_else(|_| {
                    Note::new("it is signed by another").expect("it is one line")
                }),
            });
            let id = task.id();
            let last = id.to_string();
            let sent = self.courier.send(&last, Uuid::now_v7(), id, &report);
            if let Sent::Later(error) = sent.await {
                tracing::info!(task = %id, "not reported yet, it comes again: {}", in_full(&error));
                return;
            }
        }
        if let Err(error) = message.double_ack_with(AckKind::Term).await {
            tracing::debug!("a refused task comes again: {error}");
        }
    }

    /// The task that was refused, if an administrator should know: it is for this agent, and truly signed by one whom the
    /// enrolment does not name. Anything else may be a forgery that would end a task of the ledger.
    fn told_apart(&self, why: &TaskRejection, signed: &SignedTask) -> Option<TrustedTask> {
        if !matches!(why, TaskRejection::UnknownSigner(_)) {
            return None;
        }
        let mut trust = self.trust.clone();
        trust.signers = vec![signed.signer.clone()];
        let task = trust.check(signed).ok()?;
        let known = self.office.journal().book().task(task.id()).is_some();
        (!known).then_some(task)
    }
}

async fn acknowledge(message: &Message, task: Uuid) {
    if let Err(error) = message.double_ack().await {
        // The queue gives it again, and it is acknowledged then.
        tracing::info!(%task, "not acknowledged yet: {error}");
    }
}

/// What a message of the queue carries.
fn signed(message: &Message) -> Result<SignedTask, TaskRejection> {
    let headers = message.headers.as_ref();
    let header = |name: &'static str| {
        let value = headers.and_then(|h| h.get(name));
        value
            .map(|value| value.as_str().to_owned())
            .ok_or(TaskRejection::NoHeader(name))
    };
    let record = String::from_utf8(message.payload.to_vec());
    Ok(SignedTask {
        record: record.map_err(|error| TaskRejection::NotText(error.utf8_error()))?,
        cid: header(header::CID)?.parse().map_err(TaskRejection::Cid)?,
        signer: header(header::SIGNER)?,
        signature: header(header::SIGNATURE)?,
    })
}

/// The task of what was taken by a run before this one, if it is still trusted.
pub(crate) fn resumed(
    trust: &TaskTrust,
    signed: &SignedTask,
) -> Result<TrustedTask, TaskRejection> {
    trust.check(signed).or_else(|why| match why {
        // The journal is the agent's own: what it took was the ledger's, though its signer may have been rotated since.
        TaskRejection::UnknownSigner(_) => trust::read(&signed.record),
        why => Err(why),
    })
}
