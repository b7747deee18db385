//! The queue of tasks: takes tasks in, holds their messages while they are walked, and acknowledges them when they have ended.

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use async_nats::jetstream::{
    self, AckKind, Message,
    consumer::{Consumer, pull, pull::BatchError},
    stream::ConsumerError,
};
use futures::StreamExt as _;
use keyledger_domain::{
    text::{Note, in_full},
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

/// At most this many tasks are held at once. The others wait in the queue.
const MAX_HELD: usize = 64;
/// At most this many tasks are fetched at once.
const MAX_BATCH: usize = 8;
/// The server holds a request for tasks this long.
const EXPIRES: Duration = Duration::from_secs(30);
/// The pause before the agent looks for the queue again.
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
    /// Receives the tasks that have ended.
    pub(crate) ended: UnboundedReceiver<Uuid>,
    /// The newest message of each task that is held.
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

    /// Takes tasks in as long as the queue exists.
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
        // Three signs of life within the time after which the queue gives a task again.
        let beat = (wait / 3).clamp(Duration::from_millis(200), Duration::from_secs(60));
        let mut beats = tokio::time::interval(beat);
        loop {
            let free = MAX_HELD.saturating_sub(self.held.len()).min(MAX_BATCH);
            let mut batch = if free == 0 {
                None // wait until a task ends
            } else {
                let batch = consumer.batch().max_messages(free);
                // No heartbeats: in async-nats 0.51, a batch that has received one is not woken by the next message, and drops that
                // message when it expires. The link notices a lost connection.
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

    /// Takes a task in, if it comes from the ledger and is new.
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
            return acknowledge(&message, id).await; // the acknowledgement was lost
        }
        let walks = self.walks.clone();
        // One piece of work, which is finished even if the connection is lost and this future is dropped.
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
            // It is not acknowledged, so it comes again.
            tracing::error!(task = %id, error = &error as &dyn std::error::Error, "the task cannot be taken");
            return;
        }
        self.held.insert(id, message);
        self.hold().await;
    }

    /// Tells the server that the held tasks are still worked on.
    async fn hold(&self) {
        for (task, message) in &self.held {
            if let Err(error) = message.ack_with(AckKind::Progress).await {
                tracing::debug!(%task, "the server cannot be told that the task is still worked on: {error}");
            }
        }
    }

    /// Acknowledges a task that has ended.
    async fn acknowledge(&mut self, task: Uuid) {
        if let Some(message) = self.held.remove(&task) {
            acknowledge(&message, task).await;
        }
    }

    /// Rejects a task that is not trusted.
    async fn refuse(&mut self, message: &Message, why: TaskRejection, signed: Option<SignedTask>) {
        let said = in_full(&why);
        tracing::error!(subject = %message.subject, "a task is not walked: {said}");
        self.office
            .board
            .trouble(format!("a task is not walked: {said}"));
        if let Some(task) = signed.and_then(|signed| self.with_unknown_signer(&why, &signed)) {
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
            tracing::debug!("a rejected task comes again: {error}");
        }
    }

    /// The rejected task, if an administrator should hear of it: it is for this agent, and its signature is good, but the enrolment does
    /// not name the signer. Anything else may be a forgery: a report about it could end a genuine task.
    fn with_unknown_signer(&self, why: &TaskRejection, signed: &SignedTask) -> Option<TrustedTask> {
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
        // The queue gives the task again, and it is acknowledged then.
        tracing::info!(%task, "not acknowledged yet: {error}");
    }
}

/// Reads a message of the queue.
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

/// Reads a task that an earlier run took, if it is still trusted.
pub(crate) fn resumed(
    trust: &TaskTrust,
    signed: &SignedTask,
) -> Result<TrustedTask, TaskRejection> {
    trust.check(signed).or_else(|why| match why {
        // The agent trusts its own journal. The task was the ledger's when it was taken, though its signer may have been rotated since.
        TaskRejection::UnknownSigner(_) => trust::read(&signed.record),
        why => Err(why),
    })
}
