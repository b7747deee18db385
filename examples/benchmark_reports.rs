//! How many agents' reports an instance of the service takes, and how soon it answers. docs/src/speed.md has the command.
//!
//! A real nats-server with `sync_interval: always`, one instance of the service, and a thousand agents, all on this machine.
//! Each agent is a NATS user with a connection and a consumer of its own and a token at hand: it fetches its task, reports
//! step after step and in the end that the task has failed, and acknowledges it. Every report is written into the ledger, and
//! answered once that is durable.

mod figures;
mod place;
mod world;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use async_nats::{
    ConnectOptions, HeaderMap,
    jetstream::{self, AckKind, consumer::pull},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use keyledger_domain::Record;
use keyledger_wire::{Client, Ids, Prefix, ReportReply, Status, header};
use nkeys::KeyPair;
use serde_json::{Value, json};
use uuid::Uuid;

use figures::spread;
use world::World;

/// How many agents.
const AGENTS: u32 = 1_000;
/// How often each load is put on, so that the spread is seen.
const RUNS: usize = 3;
/// How many reports a second come in where they are spread evenly.
const OFFERED: u32 = 500;
/// How many commands of the administrator are under way at once.
const IN_FLIGHT: usize = 1_024;
/// How many connections are opened at once.
const CONNECTING: usize = 32;
/// The steps that are reported of each task, before its end.
const STEPS: [&str; 7] = [
    "taken",
    "reset",
    "secrets",
    "keys",
    "certificates",
    "openpgp",
    "proof",
];
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The allocator of the `keyledger` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<()> {
    raise_file_limit()?;
    let world = World::open(None).await?;
    let admin = world.place.administrator().await?;
    let start = Instant::now();
    let enrolled = stream::iter(0..AGENTS).map(|place| Agent::enrol(&admin, place));
    let issued: Vec<_> = enrolled.buffer_unordered(IN_FLIGHT).try_collect().await?;
    println!("{AGENTS} agents issued within {:.2?}", start.elapsed());
    let start = Instant::now();
    let url = world.place.server.url();
    let connected = stream::iter(issued).map(|agent| agent.connect(&url));
    let agents: Vec<_> = connected.buffer_unordered(CONNECTING).try_collect().await?;
    println!("and connected within {:.2?}", start.elapsed());
    announce(&agents).await?;
    own(&admin, &agents).await?;
    for run in 1..=RUNS {
        file(&admin, &agents, run).await?;
        let load = load(&agents, None).await?;
        println!("all agents at once, run {run}: {load}");
    }
    for run in 1..=RUNS {
        file(&admin, &agents, run).await?;
        let load = load(&agents, Some(OFFERED)).await?;
        println!("{OFFERED} reports a second, run {run}: {load}");
    }
    world.close().await;
    Ok(())
}

/// A connection is a file, and the usual limit is 1,024.
fn raise_file_limit() -> Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// An agent before it connects.
struct Issued {
    pair: KeyPair,
    jwt: String,
    place: u32,
}

/// An agent, with a token at hand.
struct Agent {
    nkey: String,
    workstation: String,
    serial: u32,
    nats: async_nats::Client,
}

impl Agent {
    /// Enrols an agent as `keyledger agent enrol` does.
    async fn enrol(admin: &Client, place: u32) -> Result<Issued> {
        let pair = KeyPair::new_user();
        let user = json!({ "account": "agents", "role": "agent", "nkey": pair.public_key() });
        let issued = command(admin, "user", "issue", &format!("desk-{place}"), &user).await?;
        let jwt = issued.jwt.context("a JWT was issued")?;
        Ok(Issued { pair, jwt, place })
    }

    /// Announces the token.
    async fn announce(&self) -> Result<Duration> {
        let token = json!({
            "report": "announced", "serial": self.serial, "firmware": "5.7.1", "form_factor": "usb_a_keychain",
            "applets": ["piv"], "slots": [], "pin_tries": 3, "puk_tries": 3, "factory_pin": true,
        });
        self.report("tokens", &token, Instant::now()).await
    }

    /// Sends a report that was due at `due`; how long after that it was answered.
    async fn report(&self, task: &str, report: &Value, due: Instant) -> Result<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(header::MESSAGE_ID, Uuid::now_v7().to_string());
        let request = async_nats::Request::new()
            .headers(headers)
            .payload(serde_json::to_vec(report)?.into())
            .timeout(Some(PATIENCE));
        let subject = Prefix::default().report(&self.nkey, task);
        let reply = self.nats.send_request(subject, request).await?;
        let took = due.elapsed();
        let read = serde_json::from_slice::<ReportReply>(&reply.payload);
        let accepted = read.is_ok_and(|reply| reply.status == Status::Accepted);
        ensure!(accepted, "{}", String::from_utf8_lossy(&reply.payload));
        Ok(took)
    }

    async fn queue(&self) -> Result<jetstream::consumer::Consumer<pull::Config>> {
        let prefix = Prefix::default();
        let stream = prefix.tasks_stream();
        let jetstream = jetstream::with_prefix(self.nats.clone(), &prefix.imported_api());
        let queue = jetstream.get_consumer_from_stream(&self.nkey, stream);
        Ok(queue.await?)
    }

    /// Waits until a task is in its queue.
    async fn has_task(&self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.queue().await {
                Ok(queue) if queue.cached_info().num_pending > 0 => return Ok(()),
                seen => ensure!(Instant::now() < until, "no task came: {:?}", seen.err()),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Fetches a task and walks it, each report when it is due, or as soon as the one before was answered.
    async fn walk(&self, pace: Option<Pace>) -> Result<Walked> {
        if let Some(Pace { first, between }) = pace {
            tokio::time::sleep_until((first - between).into()).await;
        }
        let start = Instant::now();
        let queue = self.queue().await?;
        let batch = queue.batch().max_messages(1).expires(PATIENCE);
        let task = batch.messages().await?.next().await;
        let task = task
            .context("there is a task")?
            .map_err(anyhow::Error::from_boxed)?;
        let fetched = start.elapsed();
        let id = Record::read(&task.payload)?.ids.command.to_string();
        let steps = STEPS
            .map(|step| json!({ "report": "progressed", "serial": self.serial, "step": step }));
        let failed = json!({
            "report": "failed", "serial": self.serial, "code": "declined", "detail": "only a benchmark",
        });
        let mut reports = Vec::with_capacity(STEPS.len() + 1);
        for (nth, report) in steps.iter().chain([&failed]).enumerate() {
            let now = Instant::now();
            let due = pace.map_or(now, |pace| pace.due(nth));
            tokio::time::sleep_until(due.into()).await;
            reports.push(self.report(&id, report, due).await?);
        }
        let acknowledged = task.double_ack_with(AckKind::Ack).await;
        acknowledged.map_err(anyhow::Error::from_boxed)?;
        Ok(Walked { fetched, reports })
    }
}

impl Issued {
    async fn connect(self, url: &str) -> Result<Arc<Agent>> {
        let nkey = self.pair.public_key();
        let pair = Arc::new(self.pair);
        let sign = move |nonce: Vec<u8>| {
            let pair = Arc::clone(&pair);
            async move { pair.sign(&nonce).map_err(async_nats::AuthError::new) }
        };
        let options = ConnectOptions::with_jwt(self.jwt, sign);
        let nats = options
            .custom_inbox_prefix(Prefix::agent_inbox(&nkey))
            .connect(url)
            .await?;
        Ok(Arc::new(Agent {
            nkey,
            workstation: format!("desk-{}", self.place),
            serial: 2_000_000 + self.place,
            nats,
        }))
    }
}

/// When an agent's reports are due.
#[derive(Clone, Copy)]
struct Pace {
    first: Instant,
    between: Duration,
}

impl Pace {
    fn due(self, nth: usize) -> Instant {
        self.first + self.between * u32::try_from(nth).unwrap_or(u32::MAX)
    }
}

/// How long it took an agent to fetch its task, and the service to answer each report.
struct Walked {
    fetched: Duration,
    reports: Vec<Duration>,
}

/// What came of all agents walking their tasks.
struct Load {
    whole: Duration,
    fetches: Vec<Duration>,
    reports: Vec<Duration>,
}

impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rate = self.reports.len() as f64 / self.whole.as_secs_f64();
        let (mut reports, mut fetches) = (self.reports.clone(), self.fetches.clone());
        write!(
            f,
            "{rate:.0} reports/s, answered {}; tasks fetched {}",
            spread(&mut reports),
            spread(&mut fetches)
        )
    }
}

/// Each agent announces its token.
async fn announce(agents: &[Arc<Agent>]) -> Result<()> {
    let start = Instant::now();
    let announced = stream::iter(agents).map(|agent| agent.announce());
    let mut took: Vec<_> = announced.buffer_unordered(IN_FLIGHT).try_collect().await?;
    let rate = took.len() as f64 / start.elapsed().as_secs_f64();
    println!(
        "all announce a token at once: {rate:.0} reports/s, answered {}",
        spread(&mut took)
    );
    Ok(())
}

/// The tokens are the organisation's, and Ada's.
async fn own(admin: &Client, agents: &[Arc<Agent>]) -> Result<()> {
    let ada = json!({ "kind": "person", "title": "Ada Lovelace" });
    command(admin, "principal", "register", "ada", &ada).await?;
    let start = Instant::now();
    let owned = stream::iter(agents).map(|agent| async {
        let serial = agent.serial.to_string();
        command(admin, "token", "enrol", &serial, &json!({})).await?;
        command(
            admin,
            "token",
            "assign",
            &serial,
            &json!({ "principal": "ada" }),
        )
        .await
    });
    let owned = owned.buffer_unordered(IN_FLIGHT);
    owned.try_for_each(|_| async { Ok(()) }).await?;
    println!(
        "{} tokens enrolled and assigned within {:.2?}",
        agents.len(),
        start.elapsed()
    );
    Ok(())
}

/// A task for each agent, in its queue.
async fn file(admin: &Client, agents: &[Arc<Agent>], run: usize) -> Result<()> {
    let start = Instant::now();
    let profile = json!({
        "name": "plain", "about": "one key",
        "piv": { "9a": { "algorithm": "p-256", "pin": "once", "touch": "never" } },
    });
    let filed = stream::iter(agents).map(|agent| {
        let body = json!({ "workstation": agent.workstation, "profile": profile });
        async move {
            command(
                admin,
                "token",
                "provision",
                &agent.serial.to_string(),
                &body,
            )
            .await
        }
    });
    let filed = filed.buffer_unordered(IN_FLIGHT);
    filed.try_for_each(|_| async { Ok(()) }).await?;
    let commanded = start.elapsed();
    let there = stream::iter(agents).map(|agent| agent.has_task());
    let there = there.buffer_unordered(CONNECTING);
    there.try_for_each(|()| async { Ok(()) }).await?;
    println!(
        "{} tasks filed within {commanded:.2?}, in the agents' queues within {:.2?} (run {run})",
        agents.len(),
        start.elapsed()
    );
    Ok(())
}

/// All agents walk their tasks: at once, or so that `offered` reports a second are due.
async fn load(agents: &[Arc<Agent>], offered: Option<u32>) -> Result<Load> {
    let second = Duration::from_secs(1);
    let count = u32::try_from(agents.len())?;
    // An agent reports when all others have, and fetches its task by that much earlier.
    let between = offered.map_or(Duration::ZERO, |offered| second * count / offered);
    let begin = Instant::now() + between;
    let mut walks = Vec::with_capacity(agents.len());
    for (place, agent) in (0..).zip(agents) {
        let pace = offered.map(|offered| Pace {
            first: begin + second * place / offered,
            between,
        });
        let agent = Arc::clone(agent);
        walks.push(tokio::spawn(async move { agent.walk(pace).await }));
    }
    let (mut fetches, mut reports) = (Vec::new(), Vec::new());
    for walk in walks {
        let walked = walk.await??;
        fetches.push(walked.fetched);
        reports.extend(walked.reports);
    }
    Ok(Load {
        whole: begin.elapsed(),
        fetches,
        reports,
    })
}

async fn command(
    admin: &Client,
    aggregate: &str,
    verb: &str,
    name: &str,
    body: &Value,
) -> Result<keyledger_wire::Acknowledgement> {
    let subject = admin.prefix().command(aggregate, verb, name);
    let payload = serde_json::to_vec(body)?.into();
    let ids = Ids::root(Uuid::now_v7());
    Ok(admin.command_raw(subject, payload, ids).await?)
}
