//! What a cluster of three servers loses when its leaders are killed: nothing, and how long it pauses. See the README for the command.
//!
//! Under load, kills the leader of the ledger with SIGKILL again and again: first each time after all replicas are current,
//! then without waiting for that. After each kill the ledger is exported and verified by the `keyledger` binary.

use std::{
    collections::HashMap,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use async_nats::{ConnectOptions, ServerAddr};
use keyledger_domain::{EventCid, Record, Timestamp, VerifiedBy};
use keyledger_service::{
    Options, Service,
    store::{JetStreamStore, Store},
    trust::{InitOptions, Organisation, Root, initialise, setup},
};
use keyledger_testkit::{Cluster, run, tools};
use keyledger_wire::{Acknowledgement, Client, CommandError, Ids, Prefix};
use tempfile::TempDir;
use tokio::task::JoinSet;
use uuid::Uuid;

mod figures;

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
    let load = Load::start(world.administrator().await?);
    for (how, when_current) in [
        ("after replicas are current", true),
        ("without waiting", false),
    ] {
        let (mut pauses, mut elections, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        for kill in 1..=kills {
            load.more(BETWEEN).await?;
            if when_current {
                world.cluster.wait_until_current(&world.ledger).await;
            }
            let leader = world.cluster.wait_for_stream_leader(&world.ledger).await;
            let killed = Instant::now();
            world.cluster.kill9(leader);
            world.cluster.wait_for_stream_leader(&world.ledger).await;
            let elected = Instant::now();
            load.more(1).await?;
            pauses.push(killed.elapsed());
            elections.push(elected - killed);
            answers.push(elected.elapsed());
            let events = world.examine(&format!("{when_current}-{kill}")).await?;
            world.cluster.restart(leader).await;
            println!(
                "{how}, kill {kill}: a leader after {:.2} s, an answer {:.2} s later; {events} events verified",
                (elected - killed).as_secs_f64(),
                answers.last().map_or(0.0, Duration::as_secs_f64)
            );
        }
        println!("{how}: pause {}", figures::spread(&mut pauses));
        println!("{how}: election {}", figures::spread(&mut elections));
        println!(
            "{how}: election to answer {}",
            figures::spread(&mut answers)
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
    cluster: Cluster,
    organisation: Organisation,
    ledger: String,
    service: Service,
    folder: TempDir,
}

impl World {
    async fn open() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let organisation = initialise(InitOptions {
            title: "Killed leaders".to_owned(),
            prefix: Prefix::default(),
            directory: folder.path().join("organisation"),
            root: Root::LocalFile,
            now: Timestamp::from_ms(jiff::Timestamp::now().as_millisecond()),
            url: "nats://127.0.0.1:4222".to_owned(),
        })?;
        let conf = organisation.trust_conf();
        let cluster = Cluster::operator_mode(conf.parent().context("it lies in a folder")?).await;
        let by_setup = connect(&cluster, &organisation, "setup").await?;
        setup(&by_setup, &organisation, 3).await?;
        let service = Service::start(Options {
            url: cluster.url(),
            service_creds: organisation.creds("service"),
            system_creds: organisation.creds("system"),
            tls_ca: None,
            tls_client: None,
            prefix: Prefix::default(),
            custody: Arc::new(organisation.custody(None)?),
            snapshot: None,
            directory: None,
            genesis: None,
            accept_rollback: false,
            accept_clock: false,
            accept_data_loss: false,
            attestation_test_root: None,
            require_token_signature: Default::default(),
            crl_url: None,
            user_allowance: Default::default(),
            clock: None,
        })
        .await?;
        let durability = service.durability();
        ensure!(durability == "durable", "{durability}");
        Ok(Self {
            cluster,
            organisation,
            ledger: Prefix::default().events_stream(),
            service,
            folder,
        })
    }

    async fn administrator(&self) -> Result<Client> {
        let nats = connect(&self.cluster, &self.organisation, "admin").await?;
        Ok(Client::new(nats, Prefix::default()))
    }

    /// Exports the ledger and verifies the export; how many events it has.
    async fn examine(&self, name: &str) -> Result<usize> {
        let file = self.folder.path().join(format!("{name}.jsonl"));
        let mut export = Command::new(tools::keyledger());
        export
            .args(["ledger", "export", "--out"])
            .arg(&file)
            .args(["--server", &self.cluster.url(), "--creds"])
            .arg(self.organisation.creds("admin"));
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
        let by_setup = connect(&self.cluster, &self.organisation, "setup").await?;
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

async fn connect(
    cluster: &Cluster,
    organisation: &Organisation,
    user: &str,
) -> Result<async_nats::Client> {
    let options = ConnectOptions::with_credentials_file(organisation.creds(user)).await?;
    let url = cluster.url();
    let servers = url.split(',').map(str::parse);
    let servers: Vec<ServerAddr> = servers.collect::<std::io::Result<_>>()?;
    Ok(options.connect(servers).await?)
}

/// Senders at work.
struct Load {
    acknowledged: Arc<AtomicU64>,
    stop: tokio::sync::watch::Sender<bool>,
    senders: JoinSet<Result<Vec<Acknowledgement>>>,
}

impl Load {
    fn start(client: Client) -> Self {
        let stop = tokio::sync::watch::Sender::new(false);
        let acknowledged = Arc::new(AtomicU64::new(0));
        let mut senders = JoinSet::new();
        for sender in 0..SENDERS {
            let (client, count) = (client.clone(), Arc::clone(&acknowledged));
            let stopped = stop.subscribe();
            senders.spawn(async move {
                let mut acks = Vec::new();
                for key in 0.. {
                    for (verb, body) in LIFE {
                        if *stopped.borrow() {
                            return Ok(acks);
                        }
                        let name = format!("load-{sender}-{key}");
                        acks.push(insist(&client, verb, &name, body).await?);
                        count.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(PAUSE).await;
                    }
                }
                Ok(acks)
            });
        }
        Self {
            acknowledged,
            stop,
            senders,
        }
    }

    /// Waits until so many more commands were acknowledged.
    async fn more(&self, count: u64) -> Result<()> {
        let until = self.acknowledged.load(Ordering::Relaxed) + count;
        let waiting = async {
            while self.acknowledged.load(Ordering::Relaxed) < until {
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
