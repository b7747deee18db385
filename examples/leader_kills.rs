//! What a cluster of three servers loses when its leaders are killed: nothing, and how long it pauses. docs/src/speed.md has the command.
//!
//! Under load, kills the leader of the ledger with SIGKILL again and again: first each time after all replicas are current,
//! then without waiting for that. After each kill the ledger is exported and verified by the `keyledger` binary.

use std::{
    collections::HashMap,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use keyledger_domain::{EventCid, Record, VerifiedBy};
use keyledger_service::{
    Service,
    store::{JetStreamStore, Store},
};
use keyledger_testkit::{Cluster, run, tools};
use keyledger_wire::{Acknowledgement, Client, CommandError, Ids, Prefix};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::task::JoinSet;
use uuid::Uuid;

mod figures;
mod place;

use place::Place;

/// The streams that the commands need, each with a leader of its own.
const LEDGER: &str = "KEYS_EVENTS";
const MATERIAL: &str = "KV_KEYS_MATERIAL";

const SENDERS: usize = 8;
/// What each sender waits after an answer, so that the ledger stays small enough to be verified after each kill.
const PAUSE: Duration = Duration::from_millis(100);
/// How many commands are acknowledged between two kills, at least.
const BETWEEN: u64 = 100;
/// How long export or verification may take.
const EXAMINED_WITHIN: Duration = Duration::from_secs(120);
/// What each sender does with each of its keys; every command writes one event.
const LIFE: [(&str, &str); 5] = [
    ("generate", r#"{"algorithm":"ed25519"}"#),
    ("activate", "{}"),
    ("suspend", r#"{"reason":"load"}"#),
    ("resume", "{}"),
    ("rotate", "{}"),
];

#[tokio::main]
async fn main() -> Result<()> {
    let kills = std::env::args().nth(1).map_or(Ok(30), |n| n.parse())?;
    let mut world = World::open().await?;
    let load = Load::start(world.place.administrator().await?);
    for (how, when_current) in [
        ("after replicas are current", true),
        ("without waiting", false),
    ] {
        let (mut pauses, mut elections) = (Vec::new(), Vec::new());
        let (mut answers, mut makings) = (Vec::new(), Vec::new());
        for kill in 1..=kills {
            load.more(BETWEEN).await?;
            let cluster = &mut world.place.server;
            if when_current {
                cluster.wait_until_current(LEDGER).await;
            }
            let leader = cluster.wait_for_stream_leader(LEDGER).await;
            let killed = Instant::now();
            cluster.kill9(leader);
            cluster.wait_for_stream_leader(LEDGER).await;
            let elected = Instant::now();
            load.more_of("resume", 1).await?;
            let answered = elected.elapsed();
            pauses.push(killed.elapsed());
            elections.push(elected - killed);
            answers.push(answered);
            // The bucket's leader may be another server, and is elected for itself.
            cluster.wait_for_stream_leader(MATERIAL).await;
            let elected_too = Instant::now();
            load.more_of("generate", 1).await?;
            let made = elected_too.elapsed();
            makings.push(made);
            let events = world.examine(&format!("{when_current}-{kill}")).await?;
            world.place.server.restart(leader).await;
            println!(
                "{how}, kill {kill}: a leader after {:.2} s, an answer {:.2} s later; a leader for material too after {:.2} s, a key {:.2} s later; {events} events verified",
                (elected - killed).as_secs_f64(),
                answered.as_secs_f64(),
                (elected_too - killed).as_secs_f64(),
                made.as_secs_f64(),
            );
        }
        println!("{how}: pause {}", figures::spread(&mut pauses));
        println!("{how}: election {}", figures::spread(&mut elections));
        println!(
            "{how}: election to answer {}",
            figures::spread(&mut answers)
        );
        println!(
            "{how}: election for material to a key {}",
            figures::spread(&mut makings)
        );
    }
    let acks = load.finish().await?;
    world.nothing_lost_nothing_doubled(&acks).await?;
    println!(
        "{} acknowledged commands: none lost, none doubled",
        acks.len()
    );
    world.service.stop().await;
    Ok(())
}

/// Three servers with an organisation, and an instance of the service in this process.
struct World {
    place: Place<Cluster>,
    service: Service,
    exports: TempDir,
}

impl World {
    async fn open() -> Result<Self> {
        let place = Place::<Cluster>::make().await?;
        let options = place::options(&place.server.url(), place.organisation.directory())?;
        let service = Service::start(options).await?;
        let durability = service.durability();
        ensure!(durability == "durable", "{durability}");
        Ok(Self {
            place,
            service,
            exports: tempfile::tempdir()?,
        })
    }

    /// Exports the ledger and verifies the export; how many events it has.
    async fn examine(&self, name: &str) -> Result<usize> {
        let file = self.exports.path().join(format!("{name}.jsonl"));
        let mut export = Command::new(tools::keyledger());
        export
            .args(["ledger", "export", "--out"])
            .arg(&file)
            .args(["--server", &self.place.server.url(), "--creds"])
            .arg(self.place.organisation.creds("admin"));
        let mut verify = Command::new(tools::keyledger());
        verify.args(["ledger", "verify"]).arg(&file);
        for command in [export, verify] {
            let ended = run(command, b"", EXAMINED_WITHIN).await;
            ensure!(ended.code == Some(0), "{ended}");
        }
        let lines = std::fs::read_to_string(&file)?.lines().count();
        std::fs::remove_file(file)?;
        Ok(lines.saturating_sub(1)) // the last one is the head
    }

    /// Holds every acknowledgement against the stream itself.
    async fn nothing_lost_nothing_doubled(&self, acks: &[Acknowledgement]) -> Result<()> {
        let by_setup = self.place.connect("setup").await?;
        let store = JetStreamStore::open(by_setup, &Prefix::default()).await?;
        let stored = store.read(0, usize::MAX).await?;
        let mut by_command: HashMap<Uuid, (u32, EventCid)> = HashMap::new();
        for event in &stored {
            let record = Record::read(&event.payload)?;
            if record.principal.verified_by == VerifiedBy::RequestInfo {
                let written = (record.revision, EventCid::of(&event.payload));
                let earlier = by_command.insert(record.ids.command, written);
                ensure!(earlier.is_none(), "{} was done twice", record.ids.command);
            }
        }
        for ack in acks {
            let found = by_command.get(&ack.command_id);
            ensure!(
                found == Some(&(ack.revision, ack.cid)),
                "{} of {} is lost",
                ack.command_id,
                ack.id
            );
        }
        Ok(())
    }
}

/// Senders at work.
struct Load {
    acknowledged: Arc<Counts>,
    stop: tokio::sync::watch::Sender<bool>,
    senders: JoinSet<Result<Vec<Acknowledgement>>>,
}

/// How many commands were acknowledged, of each verb.
#[derive(Default)]
struct Counts(Mutex<HashMap<&'static str, u64>>);

impl Counts {
    fn add(&self, verb: &'static str) {
        *self.0.lock().entry(verb).or_default() += 1;
    }

    fn of(&self, verb: &str) -> u64 {
        self.0.lock().get(verb).copied().unwrap_or_default()
    }

    fn all(&self) -> u64 {
        self.0.lock().values().sum()
    }
}

impl Load {
    fn start(client: Client) -> Self {
        let mut load = Self {
            acknowledged: Arc::default(),
            stop: tokio::sync::watch::Sender::new(false),
            senders: JoinSet::new(),
        };
        // One whose commands need no material but for the first.
        load.send(&client, |turn| {
            let again = &LIFE[2..4];
            let step = LIFE[..2].get(turn).unwrap_or(&again[turn % again.len()]);
            ("switched".to_owned(), *step)
        });
        for sender in 1..SENDERS {
            load.send(&client, move |turn| {
                let (key, step) = (turn / LIFE.len(), turn % LIFE.len());
                (format!("load-{sender}-{key}"), LIFE[step])
            });
        }
        load
    }

    /// Starts a sender of what `step` says, turn by turn: a key's name, verb and body.
    fn send(
        &mut self,
        client: &Client,
        step: impl Fn(usize) -> (String, (&'static str, &'static str)) + Send + 'static,
    ) {
        let (client, counts) = (client.clone(), Arc::clone(&self.acknowledged));
        let stopped = self.stop.subscribe();
        self.senders.spawn(async move {
            let mut acks = Vec::new();
            for turn in 0.. {
                if *stopped.borrow() {
                    break;
                }
                let (name, (verb, body)) = step(turn);
                acks.push(insist(&client, verb, &name, body).await?);
                counts.add(verb);
                tokio::time::sleep(PAUSE).await;
            }
            Ok(acks)
        });
    }

    /// Waits until so many more commands were acknowledged.
    async fn more(&self, count: u64) -> Result<()> {
        self.until(|counts| counts.all(), count).await
    }

    /// The same for commands of one verb.
    async fn more_of(&self, verb: &str, count: u64) -> Result<()> {
        self.until(|counts| counts.of(verb), count).await
    }

    async fn until(&self, counted: impl Fn(&Counts) -> u64, more: u64) -> Result<()> {
        let until = counted(&self.acknowledged) + more;
        let waiting = async {
            while counted(&self.acknowledged) < until {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(120), waiting).await;
        waited.context("no command is acknowledged any more")
    }

    async fn finish(mut self) -> Result<Vec<Acknowledgement>> {
        self.stop.send_replace(true);
        let mut acks = Vec::new();
        while let Some(sent) = self.senders.join_next().await {
            acks.extend(sent??);
        }
        Ok(acks)
    }
}

/// Sends one command under one id until it is known what became of it.
async fn insist(
    client: &Client,
    verb: &str,
    name: &str,
    body: &'static str,
) -> Result<Acknowledgement> {
    let ids = Ids::root(Uuid::now_v7());
    let subject = client.prefix().command("key", verb, name);
    loop {
        let sent = client.command_raw(subject.clone(), body.as_bytes().into(), ids);
        // The client itself would wait longer for an answer that was lost with a server.
        match tokio::time::timeout(Duration::from_secs(1), sent).await {
            Ok(Ok(acknowledgement)) => return Ok(acknowledgement),
            Ok(Err(CommandError::Refused(refusal))) if !refusal.is_worth_retrying() => {
                anyhow::bail!("{verb} {name}: {refusal}")
            }
            Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(_) => {}
        }
    }
}
