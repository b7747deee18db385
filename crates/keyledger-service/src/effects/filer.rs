//! Files tasks to workstations' agents, and keeps each agent's consumer.
//!
//! May run twice, in several instances: a consumer that is as it should be stays as it is, JetStream drops a task that was filed a
//! moment ago, and an agent that gets one again asks and is told what became of it.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_nats::{
    HeaderMap,
    jetstream::{
        self,
        consumer::{AckPolicy, pull},
        stream,
    },
};
use futures::{StreamExt as _, TryStreamExt as _};
use keyledger_domain::{Name, Role, ledger::Remembered, name::Aggregate};
use keyledger_wire::header;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{shared::Shared, store::StoredEvent};

/// How often what is open is looked through: what could not be done is tried again.
const SWEEP: Duration = Duration::from_secs(15);
/// How long an agent may be silent about a task it has until it is given out again.
const ACK_WAIT: Duration = Duration::from_secs(60);
/// How many tasks an agent may have at once.
const MAX_PENDING: i64 = 64;
/// How many news are taken in together: the next ones wait for these.
const MAX_NEWS: usize = 256;
/// How much of them is done at once: JetStream syncs each, and meanwhile takes others.
const AT_ONCE: usize = 16;
/// How many consumers are looked at again in each sweep, in turn: a look is a request to make it, which a cluster agrees on.
const LOOKED_AT: usize = 8;
/// How long JetStream is waited for.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What changed.
pub(super) enum News {
    /// A task was filed for this token.
    Filed(Name),
    /// An agent's user was issued or revoked.
    Agent(Name),
}

/// What this run has done already.
#[derive(Default)]
struct Done {
    tasks: HashSet<Uuid>,
    agents: HashSet<Name>,
    /// Those of them whose consumers are still to be looked at in this turn.
    turn: VecDeque<Name>,
    /// When the stream was created that it was done in, in nanoseconds, and how far it reached.
    stream: Option<(i128, u64)>,
}

impl Done {
    /// The agents whose consumers are looked at again now: somebody may have changed one.
    fn next_in_turn(&mut self) -> Vec<Name> {
        if self.turn.is_empty() {
            self.turn.extend(self.agents.iter().cloned());
        }
        self.turn.drain(..self.turn.len().min(LOOKED_AT)).collect()
    }
}

/// Does what `news` bring, and what earlier runs left.
pub(super) async fn run(shared: Arc<Shared>, mut news: mpsc::UnboundedReceiver<News>) {
    let mut context = jetstream::new(shared.nats.clone());
    context.set_timeout(TIMEOUT);
    let mut done = Done::default();
    let mut sweep = tokio::time::interval(SWEEP);
    let mut new = Vec::new();
    loop {
        let (agents, tokens) = tokio::select! {
            received = news.recv_many(&mut new, MAX_NEWS) => {
                if received == 0 {
                    return;
                }
                told_apart(new.drain(..))
            }
            _ = sweep.tick() => {
                if let Err(said) = still_done(&shared, &context, &mut done).await {
                    tracing::warn!(%said, "whether the queues of tasks are as they were left is not known");
                }
                let (mut agents, tokens) = left_over(&shared, &done);
                agents.extend(done.next_in_turn());
                (agents, tokens)
            }
        };
        // Each name once: two that tend the same agent would not know who was the last.
        let tended = futures::stream::iter(agents)
            .map(async |name| (tend(&shared, &context, &name).await, name))
            .buffer_unordered(AT_ONCE);
        let tended: Vec<_> = tended.collect().await;
        for (outcome, name) in tended {
            match outcome {
                Ok(()) => {
                    done.agents.insert(name);
                }
                Err(said) => {
                    tracing::warn!(%said, agent = %name, "its consumer is not as it should be yet")
                }
            }
        }
        let filed = futures::stream::iter(tokens)
            .map(async |token| (file(&shared, &context, &token).await, token))
            .buffer_unordered(AT_ONCE);
        let filed: Vec<_> = filed.collect().await;
        for (outcome, token) in filed {
            match outcome {
                Ok(Some(task)) => {
                    done.tasks.insert(task);
                }
                Ok(None) => {}
                Err(said) => tracing::warn!(%said, %token, "its task was not filed yet"),
            }
        }
    }
}

/// Forgets what was done and is not so any more: older storage may have been put back, or somebody took a consumer away.
async fn still_done(
    shared: &Shared,
    context: &jetstream::Context,
    done: &mut Done,
) -> Result<(), String> {
    let stream = context.get_stream(shared.prefix.tasks_stream()).await;
    let stream = stream.map_err(|e| e.to_string())?;
    let info = stream.cached_info();
    let stands = (
        info.created.unix_timestamp_nanos(),
        info.state.last_sequence,
    );
    let before = done.stream.replace(stands);
    if before.is_some_and(|(created, last)| created != stands.0 || last > stands.1) {
        tracing::error!(
            ?before,
            ?stands,
            "the stream of tasks is older than it was: what is open is filed again"
        );
        done.tasks.clear();
    }
    let consumers: Result<HashSet<String>, _> = stream.consumer_names().try_collect().await;
    let consumers = consumers.map_err(|e| e.to_string())?;
    let (ledger, now) = (shared.live.ledger.read(), (shared.clock)());
    done.agents.retain(|name| {
        let user = ledger.user(name).map(|user| &user.state);
        user.is_none_or(|user| !user.is_live(now) || consumers.contains(&*user.nkey))
    });
    Ok(())
}

/// The agents and the tokens that something is new of.
fn told_apart(news: impl Iterator<Item = News>) -> (HashSet<Name>, HashSet<Name>) {
    let (mut agents, mut tokens) = (HashSet::new(), HashSet::new());
    for new in news {
        match new {
            News::Agent(name) => agents.insert(name),
            News::Filed(token) => tokens.insert(token),
        };
    }
    (agents, tokens)
}

/// Agents and tokens that this run has not tended yet.
fn left_over(shared: &Shared, done: &Done) -> (HashSet<Name>, HashSet<Name>) {
    let ledger = shared.live.ledger.read();
    let agents = ledger
        .users()
        .filter(|(name, user)| user.state.role == Some(Role::Agent) && !done.agents.contains(*name))
        .map(|(name, _)| name.clone());
    let tokens = ledger
        .tokens()
        .filter(|(_, token)| {
            let task = token.state.task.as_ref();
            task.is_some_and(|open| !done.tasks.contains(&open.filed.task))
        })
        .map(|(name, _)| name.clone());
    (agents.collect(), tokens.collect())
}

/// Makes a live agent's consumer, or what somebody made of it what it was; takes a revoked one's away, with what waited for it.
async fn tend(shared: &Shared, context: &jetstream::Context, name: &Name) -> Result<(), String> {
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
    let tasks = context
        .get_stream_no_info(&stream)
        .await
        .map_err(|e| e.to_string())?;
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
            return Err(error.to_string());
        }
    }
    let purged = tasks
        .purge()
        .filter(shared.prefix.tasks_of(name.as_str()))
        .await;
    purged.map(|_| ()).map_err(|e| e.to_string())
}

/// Makes a consumer. One that is there with other settings is edited, or made anew where JetStream does not edit them: the tasks stay in
/// the stream.
async fn make(
    tasks: &stream::Stream<()>,
    config: pull::Config,
    agent: &Name,
) -> Result<(), String> {
    use stream::{ConsumerCreateStrictErrorKind as Kind, ConsumerErrorKind};
    match tasks.create_consumer_strict(config.clone()).await {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == Kind::AlreadyExists => {}
        Err(error) => return Err(error.to_string()),
    }
    tracing::warn!(%agent, "somebody changed the settings of its consumer: they are set back");
    let Err(error) = tasks.create_consumer(config.clone()).await else {
        return Ok(());
    };
    // JetStream refuses what it does not edit. Without an answer, or without a leader, nothing is known: with the consumer would go
    // what it knows of the tasks that were given out.
    if !matches!(error.kind(), ConsumerErrorKind::JetStream(e) if e.code() != 503) {
        return Err(error.to_string());
    }
    tracing::warn!(%error, %agent, "its consumer is made anew: JetStream does not edit it");
    let consumer = config.durable_name.as_deref().unwrap_or_default();
    let deleted = tasks.delete_consumer(consumer).await;
    deleted.map_err(|e| e.to_string())?;
    let made = tasks.create_consumer(config).await;
    made.map(|_| ()).map_err(|e| e.to_string())
}

/// Puts a token's open task into its agent's queue: the stored event, as it is stored.
async fn file(
    shared: &Shared,
    context: &jetstream::Context,
    token: &Name,
) -> Result<Option<Uuid>, String> {
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
    let sequence = remembered
        .ok_or("the command that filed it is not remembered")?
        .sequence;
    let stored = shared.store.known(sequence.saturating_sub(1), 1).await;
    let stored = stored.map_err(|e| e.to_string())?.into_iter().next();
    let stored = stored
        .filter(|event| is_of(event, shared, token))
        .ok_or("the event that filed it cannot be read")?;
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
    let acknowledged = sent.map_err(|e| e.to_string())?.await;
    acknowledged.map_err(|e| e.to_string())?;
    Ok(Some(task))
}

fn is_of(event: &StoredEvent, shared: &Shared, token: &Name) -> bool {
    let history = keyledger_domain::name::HistoryId::new(Aggregate::Token, token.clone());
    event.subject == shared.prefix.event(&history, "task_filed")
}
