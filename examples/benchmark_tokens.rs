//! How long an agent takes to provision a token, alone and six at once, and how much memory it takes. docs/src/speed.md has
//! the command.
//!
//! Virtual tokens behind the real pcscd, touched at once when they blink; the real `keyledger-agent`; a real nats-server with
//! `sync_interval: always`; one instance of the service: all on this machine.
//!
//! The card's part of a time is what the virtual token measures of itself: from a command's arrival to its answer. A real
//! one takes longer, a second for an elliptic curve key. All else counts as the agent's own, pcscd and the service included.

mod place;
mod world;

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use futures::{StreamExt as _, future::try_join_all};
use keyledger_domain::token::Profile;
use keyledger_testkit::{
    Process, run,
    token::{Token, VirtualTokens},
    tools,
};
use keyledger_wire::{Client, Ids, Prefix};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use world::World;

/// How many tokens are provisioned one after the other, and how many at once.
const ALONE: usize = 5;
const AT_ONCE: usize = 6;
/// How often as many at once as that, so that the spread is seen.
const RUNS: usize = 3;
/// What the person at the workstation types as new PIN.
const PIN: &str = "73951846";
/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// The allocator of the `keyledger` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<()> {
    let workstation = Workstation::open(ALONE).await?;
    for run in 1..=ALONE {
        let before = workstation.processor_time()?;
        let took = workstation.provision(run - 1).await?;
        let busy = workstation.processor_time()? - before;
        println!("one token, run {run}: {took} ({busy:.2?} of it on the processor)");
    }
    workstation.close().await;
    for run in 1..=RUNS {
        let workstation = Workstation::open(AT_ONCE).await?;
        let rest = workstation.memory("VmRSS")?;
        let start = Instant::now();
        let each = try_join_all((0..AT_ONCE).map(|place| workstation.provision(place))).await?;
        let all = start.elapsed();
        println!("{AT_ONCE} at once, run {run}: all within {all:.2?}");
        for (token, took) in each.iter().enumerate() {
            println!("  token {}: {took}", token + 1);
        }
        let (after, most) = (workstation.memory("VmRSS")?, workstation.memory("VmHWM")?);
        println!(
            "  the agent's resident memory: {rest:.1} MiB at rest, {after:.1} MiB after, {most:.1} MiB at most"
        );
        workstation.close().await;
    }
    Ok(())
}

/// How long it took to provision a token, from filing its task to its evidence being checked.
struct Took {
    whole: Duration,
    card: Duration,
    commands: u64,
}

impl std::fmt::Display for Took {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let own = self.whole.saturating_sub(self.card);
        write!(
            f,
            "{:.2?}, of it {:.2?} the card's ({} commands) and {own:.2?} the agent's own",
            self.whole, self.card, self.commands
        )
    }
}

/// A workstation with tokens of the factory, enrolled and assigned, and the agent that serves it.
struct Workstation {
    agent: Process,
    tokens: VirtualTokens,
    admin: Client,
    world: World,
    _home: TempDir,
}

impl Workstation {
    async fn open(count: usize) -> Result<Self> {
        let tokens = tokio::task::spawn_blocking(move || VirtualTokens::start(count)).await?;
        let home = tempfile::tempdir()?;
        let root = home.path().join("root.pem");
        fs::write(&root, tokens.attestation_root_pem())?;
        let world = World::open(Some(root)).await?;
        let admin = world.place.administrator().await?;
        authority(&admin).await?;
        let desk = Desk {
            home: home.path().join("home"),
            pcscd: tokens.env(),
        };
        desk.enrol(&admin, &world).await?;
        let mut run = desk.agent();
        run.arg("run");
        let workstation = Self {
            agent: Process::spawn(run),
            tokens,
            admin,
            world,
            _home: home,
        };
        for place in 0..count {
            workstation.adopt(place).await?;
        }
        Ok(workstation)
    }

    fn token(&self, place: usize) -> (Token, String) {
        let token = self.tokens.token(place);
        let name = token.serial().to_string();
        (token, name)
    }

    /// Waits until the agent has announced a token, enrols it, and gives it to Ada.
    async fn adopt(&self, place: usize) -> Result<()> {
        let (_, name) = self.token(place);
        let until = Instant::now() + PATIENCE;
        while self.row(&name).await.is_none() {
            let log = self.agent.stderr();
            ensure!(Instant::now() < until, "{name} is not announced\n{log}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        send(&self.admin, "token", "enrol", &name, &json!({})).await?;
        let ada = json!({ "principal": "ada" });
        send(&self.admin, "token", "assign", &name, &ada).await?;
        Ok(())
    }

    /// A token as the ledger knows it, once it does.
    async fn row(&self, name: &str) -> Option<Value> {
        let tail = format!("tokens.show.{name}");
        self.admin.query(&tail, &json!({})).await.ok()
    }

    /// Has a token provisioned with the profile `person`.
    async fn provision(&self, place: usize) -> Result<Took> {
        let (token, name) = self.token(place);
        let nats = self.admin.nats();
        let mut events = nats
            .subscribe(format!("{}.events.token.{name}.*", Prefix::default()))
            .await?;
        nats.flush().await?;
        let profile = Profile::shipped("person").context("it is shipped")?;
        let body = json!({ "workstation": "desk", "profile": profile });
        let before = token.state();
        let start = Instant::now();
        send(&self.admin, "token", "provision", &name, &body).await?;
        let ends = async {
            while let Some(event) = events.next().await {
                let past = event.subject.rsplit('.').next().unwrap_or_default();
                match past {
                    "provisioned" => return Ok(start.elapsed()),
                    "quarantined" | "task_failed" => {
                        let (said, log) = (
                            String::from_utf8_lossy(&event.payload).into_owned(),
                            self.agent.stderr(),
                        );
                        bail!("{said}\n{log}");
                    }
                    _ => {}
                }
            }
            bail!("the connection ended")
        };
        let Ok(whole) = tokio::time::timeout(PATIENCE, ends).await else {
            bail!("{name} is not provisioned\n{}", self.agent.stderr());
        };
        let after = token.state();
        let factory = after.pin_is_factory || after.puk_is_factory;
        ensure!(
            !factory && token.pin_is(PIN) && after.slots.len() == 4,
            "{after:?}"
        );
        Ok(Took {
            whole: whole?,
            card: Duration::from_micros(after.busy_us - before.busy_us),
            commands: after.answers - before.answers,
        })
    }

    /// A figure of the agent's memory, in MiB.
    fn memory(&self, figure: &str) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.agent.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(figure));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        Ok(kib.context("the kernel tells it")?.parse::<f64>()? / 1024.0)
    }

    /// The processor time that the agent has used, in hundredths of a second.
    fn processor_time(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.agent.pid()))?;
        // After the program's name, in parentheses: the 14th and the 15th column of the whole.
        let columns = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        let ticks: Result<Vec<u64>, _> = columns.skip(11).take(2).map(str::parse).collect();
        Ok(Duration::from_millis(ticks?.iter().sum::<u64>() * 10))
    }

    async fn close(self) {
        drop(self.agent);
        self.world.close().await;
    }
}

/// Where an agent lives, and with which tokens.
struct Desk {
    home: PathBuf,
    pcscd: (&'static str, std::ffi::OsString),
}

impl Desk {
    fn agent(&self) -> Command {
        let home = &self.home;
        let mut command = Command::new(tools::keyledger_agent());
        command
            .env("HOME", home)
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_STATE_HOME", home.join("state"))
            .env("XDG_RUNTIME_DIR", home)
            .env("RUST_LOG", "info")
            .envs([self.pcscd.clone()]);
        command
    }

    /// Enrols the agent as an administrator and the person at the workstation do together.
    async fn enrol(&self, admin: &Client, world: &World) -> Result<()> {
        fs::DirBuilder::new().mode(0o700).create(&self.home)?;
        let mut first = self.agent();
        first.args(["enrol", "--name", "desk", "--json"]);
        let said: Value = serde_json::from_str(&run(first, b"", PATIENCE).await.expect_success())?;
        let user = json!({ "account": "agents", "role": "agent", "nkey": said["nkey"] });
        let issued = send(admin, "user", "issue", "desk", &user).await?;
        let signing: Value = admin
            .query("inventory.show.ledger-signing", &json!({}))
            .await?;
        let enrolment = json!({
            "version": 1, "workstation": "desk", "url": world.place.server.url(), "prefix": "keys", "jwt": issued["jwt"],
            "signers": [signing["nkey"]], "operator": world.place.organisation.operator,
        });
        let file = self.home.join("desk.enrolment");
        fs::write(&file, enrolment.to_string())?;
        let mut second = self.agent();
        second.args(["enrol", "--accept"]).arg(&file);
        let _ = run(second, b"", PATIENCE).await.expect_success();
        let config = self.home.join("config/keyledger-agent/agent.toml");
        let text = fs::read_to_string(&config)?;
        let person = format!("pinentry = {:?}", self.person()?);
        fs::write(&config, text.replace("pinentry = \"pinentry\"", &person))?;
        Ok(())
    }

    /// A pinentry that plays the person.
    fn person(&self) -> Result<PathBuf> {
        let script = self.home.join("person");
        let text = format!(
            "#!/bin/bash\necho OK\nwhile read -r line; do case \"$line\" in\n\
             GETPIN*) echo \"D {PIN}\"; echo OK;;\nBYE*) echo OK; exit;;\n*) echo OK;;\nesac; done\n"
        );
        fs::write(&script, text)?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700))?;
        Ok(script)
    }
}

/// A root, an authority below it, and Ada.
async fn authority(admin: &Client) -> Result<()> {
    for (name, issuer, path_length) in [("root-ca", None, 1), ("issuing-ca", Some("root-ca"), 0)] {
        let mut key = json!({ "algorithm": "p-384", "purposes": ["certify"], "activate": true });
        let mut certify = json!({ "subject": name, "days": 400, "path_length": path_length });
        if let Some(issuer) = issuer {
            key["parent"] = issuer.into();
            certify["issuer"] = issuer.into();
        }
        send(admin, "key", "generate", name, &key).await?;
        send(admin, "key", "certify", name, &certify).await?;
    }
    let ada = json!({ "kind": "person", "title": "Ada Lovelace", "email": "ada@example.org" });
    send(admin, "principal", "register", "ada", &ada).await?;
    Ok(())
}

async fn send(
    admin: &Client,
    aggregate: &str,
    verb: &str,
    name: &str,
    body: &Value,
) -> Result<Value> {
    let subject = admin.prefix().command(aggregate, verb, name);
    let payload = serde_json::to_vec(body)?.into();
    let done = admin
        .command_raw(subject, payload, Ids::root(Uuid::now_v7()))
        .await?;
    Ok(serde_json::to_value(done)?)
}
