//! How soon an administrator's revocation is in force, and what memory the service takes, while four users of the role `service` ask
//! for all they can. docs/src/speed.md has the command.
//!
//! A real nats-server with `sync_interval: always`, the service and the flood in a process each, all on this machine. Fails if what
//! docs/src/speed.md promises does not hold.

mod figures;
mod flood;
mod place;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use keyledger_service::{Service, UserAllowance};
use keyledger_wire::{Client, Ids};
use nkeys::KeyPair;
use serde_json::json;
use uuid::Uuid;

use figures::spread;
use flood::{CREDS, USERS};
use place::Place;

/// How long the flood lasts.
const FLOOD: Duration = Duration::from_secs(60);
/// How often it is put on.
const RUNS: usize = 3;
/// How often somebody is revoked.
const EVERY: Duration = Duration::from_millis(250);
/// Revocations without a flood, for comparison.
const ALONE: usize = 100;
/// Events in the history of each user's key before the flood.
const HISTORY: usize = 2_500;
/// What docs/src/speed.md promises of the revocations' 99th percentile.
const MOST: Duration = Duration::from_millis(500);
/// What it promises of the service's resident memory, in MiB.
const MOST_MIB: u64 = 512;
/// How many commands of the administrator are under way at once.
const IN_FLIGHT: usize = 256;

/// The allocator of the `keyledger` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => measure().await,
        ["serve", url, directory] => serve(url, Path::new(directory)).await,
        ["flood", url, directory] => flood::flood(url, Path::new(directory)).await,
        _ => bail!("it takes no arguments"),
    }
}

/// The service in a process of its own, so that its memory is nobody else's.
async fn serve(url: &str, directory: &Path) -> Result<()> {
    let mut options = place::options(url, directory)?;
    if std::env::var_os("WITHOUT_ALLOWANCE").is_some() {
        options.user_allowance = UserAllowance {
            commands_per_hour: u32::MAX,
            kib_per_hour: u32::MAX,
        };
    }
    let service = Service::start(options).await?;
    println!("serving");
    flood::until_stdin_ends().await?;
    service.stop().await;
    Ok(())
}

async fn measure() -> Result<()> {
    let place: Place = Place::make().await?;
    let directory = place.organisation.directory();
    let url = place.server.url();
    let mut service = Helper::start("serve", &url, directory)?;
    service.line()?;
    let admin = place.administrator().await?;
    prepare(directory, &admin).await?;
    println!(
        "{USERS} users, each with a key of {HISTORY} events; {} MiB resident",
        service.resident()?.0
    );
    let mut revoked = 0..;
    let mut took = revoke(&admin, &mut revoked, ALONE, Duration::ZERO).await?;
    println!(
        "revoke and wait, nothing else going on: {}",
        spread(&mut took)
    );
    let mut worst = Duration::ZERO;
    for run in 1..=RUNS {
        let flood = Helper::start("flood", &url, directory)?;
        // Until it is at its height.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let count = usize::try_from(FLOOD.as_millis() / EVERY.as_millis())?;
        let mut took = revoke(&admin, &mut revoked, count, EVERY).await?;
        let (now, most) = service.resident()?;
        println!(
            "revoke and wait under flood, run {run}: {}",
            spread(&mut took)
        );
        println!("the service, run {run}: {now} MiB resident, {most} MiB at most");
        print!("{}", flood.end()?);
        worst = worst.max(took[took.len() * 99 / 100]);
    }
    let most = service.resident()?.1;
    tokio::time::sleep(Duration::from_secs(15)).await;
    println!("{} MiB resident 15 s later", service.resident()?.0);
    service.end()?;
    ensure!(
        worst < MOST,
        "p99 was {worst:?}, and should be under {MOST:?}"
    );
    ensure!(
        most < MOST_MIB,
        "{most} MiB were resident, and {MOST_MIB} are the most"
    );
    Ok(())
}

/// The users that flood, with their keys and creds, and those that are revoked.
async fn prepare(directory: &Path, admin: &Client) -> Result<()> {
    for account in ["apps", "leavers"] {
        let body = json!({ "title": "Applications", "imports_keyledger": true });
        send(admin, "account.create", account, body).await?;
    }
    for user in 0..USERS {
        let name = format!("flood-{user}");
        let pair = KeyPair::new_user();
        let issue = json!({ "account": "apps", "role": "service", "nkey": pair.public_key() });
        let issued = send(admin, "user.issue", &name, issue).await?;
        let jwt = issued.context("a JWT was issued")?;
        let seed = pair.seed()?;
        let creds = format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        std::fs::write(directory.join(format!("{name}.{CREDS}")), creds)?;
        let key = json!({ "algorithm": "rsa-3072", "activate": true });
        send(admin, "key.generate", &name, key).await?;
    }
    let lives = (0..USERS).map(|user| async move {
        for event in 1..HISTORY {
            let describe = json!({ "usage": format!("described for the {event}. time") });
            send(admin, "key.describe", &format!("flood-{user}"), describe).await?;
        }
        anyhow::Ok(())
    });
    futures::future::try_join_all(lives).await?;
    let users = stream::iter(0..ALONE + RUNS * 300 + 10).map(|n| async move {
        let nkey = KeyPair::new_user().public_key();
        let issue = json!({ "account": "leavers", "role": "service", "nkey": nkey });
        send(admin, "user.issue", &format!("leaver-{n}"), issue).await
    });
    let issued: Vec<_> = users.buffer_unordered(IN_FLIGHT).try_collect().await?;
    ensure!(issued.len() > RUNS * 300, "they are issued");
    Ok(())
}

async fn send(
    admin: &Client,
    verb: &str,
    name: &str,
    body: serde_json::Value,
) -> Result<Option<String>> {
    let subject = format!("keys.commands.{verb}.{name}");
    let payload = serde_json::to_vec(&body)?;
    let ids = Ids::root(Uuid::now_v7());
    Ok(admin.command_raw(subject, payload.into(), ids).await?.jwt)
}

/// Revokes so many users, one after the other, and waits for each until every server refuses it, as `keyledger user revoke --wait`
/// does.
async fn revoke(
    admin: &Client,
    users: &mut impl Iterator<Item = usize>,
    count: usize,
    every: Duration,
) -> Result<Vec<Duration>> {
    let mut took = Vec::with_capacity(count);
    let mut due = Instant::now();
    for user in users.take(count) {
        let name = format!("leaver-{user}");
        let subject = format!("keys.events.user.{name}.revocation_confirmed");
        let mut confirmed = admin.nats().subscribe(subject).await?;
        tokio::time::sleep_until(due.into()).await;
        let start = Instant::now();
        let body = json!({ "reason": "benchmark" });
        send(admin, "user.revoke", &name, body)
            .await
            .with_context(|| format!("revoking {name}"))?;
        let confirmed = tokio::time::timeout(Duration::from_secs(30), confirmed.next()).await;
        confirmed
            .context("it is confirmed")?
            .context("the connection lasts")?;
        took.push(start.elapsed());
        due = (due + every).max(Instant::now());
    }
    Ok(took)
}

/// This program once more, doing something else, in a process of its own.
struct Helper(Child);

impl Helper {
    fn start(what: &str, url: &str, directory: &Path) -> Result<Self> {
        let program: PathBuf = std::env::current_exe()?;
        let mut command = Command::new(program);
        command.args([what, url]).arg(directory);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Ok(Self(command.spawn()?))
    }

    /// Waits for the first line that it prints.
    fn line(&mut self) -> Result<()> {
        let out = self.0.stdout.as_mut().context("it is piped")?;
        let mut byte = [0];
        while byte != *b"\n" {
            std::io::Read::read_exact(out, &mut byte)?;
        }
        Ok(())
    }

    /// Its resident memory now and at most, in MiB.
    fn resident(&self) -> Result<(u64, u64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let read = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
            Some(kib / 1_024)
        };
        let found = read("VmRSS:").zip(read("VmHWM:"));
        found.context("the system says how much memory a process takes")
    }

    /// Ends it in order; what it printed.
    fn end(mut self) -> Result<String> {
        drop(self.0.stdin.take());
        let mut said = String::new();
        let out = self.0.stdout.as_mut().context("it is piped")?;
        std::io::Read::read_to_string(out, &mut said)?;
        let status = self.0.wait()?;
        ensure!(status.success(), "{status}");
        Ok(said)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
