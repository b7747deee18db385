//! Files tasks to workstations' agents, and keeps each agent's consumer.
//!
//! May run twice, in several instances: a consumer that is as it should be stays as it is, JetStream drops a task that was filed a
//! moment ago, and an agent that gets one again asks and is told what became of it.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use async_nats::{
    HeaderMap,
    jetstream::{
        self,
        consumer::{AckPolicy, pull},
        context::{GetStreamError, PublishError, StreamsError},
        stream::{self, ConsumerCreateStrictError, ConsumerError},
    },
};
use futures::TryStreamExt as _;
use keyledger_domain::{
    Event, Name, Record, Role,
    ledger::Remembered,
    name::{Aggregate, HistoryId},
    token, user,
};
use keyledger_wire::header;
use parking_lot::Mutex;
use uuid::Uuid;

use super::{effect::Effect, ground::Ground};
use crate::{
    shared::Shared,
    store::{ReadError, StoredEvent},
};

/// How long an agent may be silent about a task it has until it is given out again.
const ACK_WAIT: Duration = Duration::from_secs(60);
/// How many tasks an agent may have at once.
const MAX_PENDING: i64 = 64;
/// How many consumers are looked at again in each sweep, in turn: a look is a request to make it, which a cluster agrees on.
const LOOKED_AT: usize = 8;
/// How long JetStream is waited for.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why a task was not filed, or a consumer is not as it should be. All of it is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilingError {
    /// The stream of tasks does not answer.
    #[error("the stream of tasks does not answer")]
    Stream(#[from] GetStreamError),
    /// A consumer was not made or deleted.
    #[error("the agent's consumer")]
    Consumer(#[from] ConsumerError),
    /// A consumer was not made.
    #[error("the agent's consumer was not made")]
    ConsumerStrict(#[from] ConsumerCreateStrictError),
    /// What waited for a revoked agent was not taken away.
    #[error("the tasks of a revoked agent were not removed")]
    Purge(#[from] stream::PurgeError),
    /// The consumers were not listed.
    #[error("the consumers of the stream of tasks were not listed")]
    Consumers(#[from] StreamsError),
    /// The event that filed the task was not read.
    #[error("the event that filed the task was not read")]
    Read(#[from] ReadError),
    /// The ledger does not remember the command that filed the task: report it.
    #[error("the command that filed the task is not remembered")]
    NotRemembered,
    /// The event at the task's place is another one: report it.
    #[error("the event at sequence {sequence} did not file the task")]
    AnotherEvent {
        /// Its place.
        sequence: u64,
    },
    /// JetStream did not take the task.
    #[error("the task was not taken")]
    Publish(#[from] PublishError),
}

/// What is to be maintained.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum ToFile {
    /// The consumer of an agent's user.
    Consumer(Name),
    /// The open task of a token.
    Task(Name),
}

/// See the module.
pub(super) struct Filer {
    ground: Ground,
    context: jetstream::Context,
    done: Mutex<FiledSoFar>,
}

/// What this run has done already.
#[derive(Default)]
struct FiledSoFar {
    tasks: HashSet<Uuid>,
    agents: HashSet<Name>,
    /// Those of them whose consumers are still to be looked at in this turn.
    turn: VecDeque<Name>,
    /// When the stream was created that it was done in, in nanoseconds, and how far it reached.
    stream: Option<(i128, u64)>,
}

impl FiledSoFar {
    /// The agents whose consumers are looked at again now: somebody may have changed one.
    fn next_in_turn(&mut self) -> Vec<Name> {
        if self.turn.is_empty() {
            self.turn.extend(self.agents.iter().cloned());
        }
        self.turn.drain(..self.turn.len().min(LOOKED_AT)).collect()
    }
}

impl Effect for Filer {
    type Task = ToFile;
    type Error = FilingError;

    const NAME: &'static str = "file tasks to agents";
    const SWEEP: Duration = Duration::from_secs(15);
    /// JetStream syncs each, and meanwhile takes others.
    const AT_ONCE: usize = 16;

    fn wakes(record: &Record) -> Option<ToFile> {
        let name = record.history.name.clone();
        if let Event::Token(token::Event::TaskFiled(_)) = &record.event {
            return Some(ToFile::Task(name));
        }
        let Event::User(event) = &record.event else {
            return None;
        };
        let is_of_an_agent = match event {
            user::Event::Issued(issued) => issued.role == Some(Role::Agent),
            user::Event::Revoked(_) => true, // of a user that is no agent, nothing is done
            user::Event::RevocationConfirmed(_) => false,
            user::Event::OfVerb(event) => {
                user::VerbEvents::of(event).is_some_and(|event| match event {})
            }
        };
        is_of_an_agent.then_some(ToFile::Consumer(name))
    }

    async fn pending(&self) -> Result<Vec<ToFile>, FilingError> {
        if let Err(error) = self.still_done().await {
            let said = keyledger_domain::text::in_full(&error);
            tracing::warn!(%said, "whether the queues of tasks are as they were left is not known");
        }
        let mut done = self.done.lock();
        let ledger = self.ground.ledger();
        let agents = ledger
            .users()
            .filter(|(name, user)| {
                user.state.role == Some(Role::Agent) && !done.agents.contains(*name)
            })
            .map(|(name, _)| ToFile::Consumer(name.clone()));
        let tokens = ledger
            .tokens()
            .filter(|(_, token)| {
                let task = token.state.task.as_ref();
                task.is_some_and(|open| !done.tasks.contains(&open.filed.task))
            })
            .map(|(name, _)| ToFile::Task(name.clone()));
        let mut pending: Vec<_> = agents.chain(tokens).collect();
        pending.extend(done.next_in_turn().into_iter().map(ToFile::Consumer));
        Ok(pending)
    }

    async fn run(&self, task: &ToFile) -> Result<(), FilingError> {
        let (shared, context) = (&self.ground.shared, &self.context);
        match task {
            ToFile::Consumer(agent) => {
                maintain(shared, context, agent).await?;
                self.done.lock().agents.insert(agent.clone());
            }
            ToFile::Task(token) => {
                let filed = file(shared, context, token).await?;
                self.done.lock().tasks.extend(filed);
            }
        }
        Ok(())
    }
}

impl Filer {
    pub(super) fn new(ground: Ground) -> Self {
        let mut context = jetstream::new(ground.shared.nats.clone());
        context.set_timeout(TIMEOUT);
        Self {
            ground,
            context,
            done: Mutex::default(),
        }
    }

    /// Forgets what was done and is not so any more: older storage may have been put back, or somebody took a consumer away.
    async fn still_done(&self) -> Result<(), FilingError> {
        let shared = &self.ground.shared;
        let stream = self
            .context
            .get_stream(shared.prefix.tasks_stream())
            .await?;
        let info = stream.cached_info();
        let stands = (
            info.created.unix_timestamp_nanos(),
            info.state.last_sequence,
        );
        {
            let mut done = self.done.lock();
            let before = done.stream.replace(stands);
            if before.is_some_and(|(created, last)| created != stands.0 || last > stands.1) {
                tracing::error!(
                    ?before,
                    ?stands,
                    "the stream of tasks is older than it was: what is open is filed again"
                );
                done.tasks.clear();
            }
        }
        let consumers: HashSet<String> = stream.consumer_names().try_collect().await?;
        let (ledger, now) = (self.ground.ledger(), (shared.clock)());
        self.done.lock().agents.retain(|name| {
            let user = ledger.user(name).map(|user| &user.state);
            user.is_none_or(|user| !user.is_live(now) || consumers.contains(&*user.nkey))
        });
        Ok(())
    }
}

/// Makes a live agent's consumer, or what somebody made of it what it was; takes a revoked one's away, with what waited for it.
async fn maintain(
    shared: &Shared,
    context: &jetstream::Context,
    name: &Name,
) -> Result<(), FilingError> {
    let user = shared
        .live
        .ledger
        .read()
        .user(name)
        .map(|e| e.state.clone());
    let Some(user) = user.filter(|user| user.role == Some(Role::Agent)) else {
        return Ok(());
    };
    let stream = shared.prefix.tasks_stream();
    let tasks = context.get_stream_no_info(&stream).await?;
    if user.is_live((shared.clock)()) {
        let config = pull::Config {
            durable_name: Some(user.nkey.to_string()),
            filter_subject: shared.prefix.tasks_of(name.as_str()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: MAX_PENDING,
            ..Default::default()
        };
        return make(&tasks, config, name).await;
    }
    if let Err(error) = tasks.delete_consumer(&user.nkey).await {
        use stream::ConsumerErrorKind as Kind;
        let gone = matches!(error.kind(), Kind::JetStream(e) if e.code() == 404);
        if !gone {
            return Err(error.into());
        }
    }
    let waiting = shared.prefix.tasks_of(name.as_str());
    tasks.purge().filter(waiting).await?;
    Ok(())
}

/// Makes a consumer. One that is there with other settings is edited, or made anew where JetStream does not edit them: the tasks stay in
/// the stream.
async fn make(
    tasks: &stream::Stream<()>,
    config: pull::Config,
    agent: &Name,
) -> Result<(), FilingError> {
    use stream::{ConsumerCreateStrictErrorKind as Kind, ConsumerErrorKind};
    match tasks.create_consumer_strict(config.clone()).await {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == Kind::AlreadyExists => {}
        Err(error) => return Err(error.into()),
    }
    tracing::warn!(%agent, "somebody changed the settings of its consumer: they are set back");
    let Err(error) = tasks.create_consumer(config.clone()).await else {
        return Ok(());
    };
    // JetStream refuses what it does not edit. Without an answer, or without a leader, nothing is known: with the consumer would go
    // what it knows of the tasks that were given out.
    if !matches!(error.kind(), ConsumerErrorKind::JetStream(e) if e.code() != 503) {
        return Err(error.into());
    }
    tracing::warn!(%error, %agent, "its consumer is made anew: JetStream does not edit it");
    let consumer = config.durable_name.as_deref().unwrap_or_default();
    tasks.delete_consumer(consumer).await?;
    tasks.create_consumer(config).await?;
    Ok(())
}

/// Puts a token's open task into its agent's queue: the stored event, as it is stored.
async fn file(
    shared: &Shared,
    context: &jetstream::Context,
    token: &Name,
) -> Result<Option<Uuid>, FilingError> {
    let found = {
        let ledger = shared.live.ledger.read();
        let open = ledger.token(token).and_then(|t| t.state.task.as_ref());
        open.map(|open| {
            let filed = &open.filed;
            let remembered: Option<Remembered> = ledger.remembered(&filed.task).copied();
            (
                filed.task,
                filed.workstation.clone(),
                filed.kind,
                remembered,
            )
        })
    };
    let Some((task, workstation, kind, remembered)) = found else {
        return Ok(None); // it has ended meanwhile
    };
    let sequence = remembered.ok_or(FilingError::NotRemembered)?.sequence;
    let stored = shared.store.known(sequence.saturating_sub(1), 1).await?;
    let stored = stored.into_iter().next();
    let stored = stored
        .filter(|event| is_of(event, shared, token))
        .ok_or(FilingError::AnotherEvent { sequence })?;
    let mut headers = HeaderMap::new();
    for (name, value) in stored.headers {
        if name.starts_with("CIM-") || name.starts_with("Keyledger-") {
            headers.insert(name, value);
        }
    }
    headers.insert(header::NATS_MSG_ID, task.to_string());
    let subject = shared.prefix.task(workstation.as_str(), kind.as_str());
    let sent = context
        .publish_with_headers(subject, headers, stored.payload)
        .await;
    sent?.await?;
    Ok(Some(task))
}

fn is_of(event: &StoredEvent, shared: &Shared, token: &Name) -> bool {
    let history = HistoryId::new(Aggregate::Token, token.clone());
    event.subject == shared.prefix.event(&history, "task_filed")
}
