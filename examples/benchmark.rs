//! How many commands a second, how soon, and how fast a revocation reaches a live connection. docs/src/speed.md has the
//! command.
//!
//! A real nats-server with `sync_interval: always`, one instance of the service, and the load, all on this machine.
//! Every command counted was acknowledged durably.

mod figures;
mod place;
mod world;

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use async_nats::{ConnectOptions, Event};
use keyledger_testkit::NatsServer;
use keyledger_wire::{Client, Ids, Prefix};
use tokio::sync::mpsc;
use uuid::Uuid;

use figures::spread;
use world::World;

/// How long each load is put on.
const SECONDS: u64 = 10;
/// How often, so that the spread is seen.
const RUNS: usize = 3;

/// The allocator of the `keyledger` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<()> {
    let world = World::open(None).await?;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(world.administrator().await?);
    }

    for run in 1..=RUNS {
        let mut took = lone(&clients[0], 1_000, run).await?;
        println!("lone command, run {run}: {}", spread(&mut took));
    }
    for in_flight in [64, 1_024] {
        for run in 1..=RUNS {
            let (rate, mut took) = crowd(&clients, in_flight, run).await?;
            println!(
                "{in_flight} in flight, run {run}: {rate:.0} commands/s, {}",
                spread(&mut took)
            );
        }
    }
    for run in 1..=RUNS {
        let mut took = revocations(&world.place.server, &clients[0], 50, run).await?;
        println!(
            "revoke to dropped connection, run {run}: {}",
            spread(&mut took)
        );
    }
    world.close().await;
    Ok(())
}

/// Public keys to register, made before the clock runs: it is not nkeys that is measured.
static PUBLIC_KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let public_key = |_| {
        let nkey = nkeys::KeyPair::new_user().public_key();
        let (_, raw) = nkeys::from_public_key(&nkey).expect("it was just made");
        let spki = [
            0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
        ];
        data_encoding::BASE64.encode(&[&spki[..], &raw].concat())
    };
    (0..64).map(public_key).collect()
});

/// The commands of one key's life, one event each.
fn life(key: &str, place: u64) -> [(String, String); 6] {
    let public_key = &PUBLIC_KEYS[usize::try_from(place).unwrap_or_default() % PUBLIC_KEYS.len()];
    let register = format!(
        r#"{{"algorithm":"ed25519","public_key":"{public_key}","title":"benchmark","classification":"internal"}}"#
    );
    [
        ("register", register),
        ("activate", "{}".to_owned()),
        ("describe", r#"{"usage":"to be measured"}"#.to_owned()),
        ("suspend", r#"{"reason":"benchmark"}"#.to_owned()),
        ("resume", "{}".to_owned()),
        ("deactivate", "{}".to_owned()),
    ]
    .map(|(verb, payload)| (format!("keys.commands.key.{verb}.{key}"), payload))
}

async fn send(client: &Client, subject: String, payload: String) -> Result<Duration> {
    let start = Instant::now();
    client
        .command_raw(subject, payload.into(), Ids::root(Uuid::now_v7()))
        .await?;
    Ok(start.elapsed())
}

async fn lone(client: &Client, commands: usize, run: usize) -> Result<Vec<Duration>> {
    let mut took = Vec::with_capacity(commands);
    for place in 0.. {
        for (subject, payload) in life(&format!("lone-{run}-{place}"), place) {
            took.push(send(client, subject, payload).await?);
        }
        if took.len() >= commands {
            break;
        }
    }
    Ok(took)
}

/// `in_flight` senders, each with a key of its own at a time.
async fn crowd(clients: &[Client], in_flight: usize, run: usize) -> Result<(f64, Vec<Duration>)> {
    let done = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let end = start + Duration::from_secs(SECONDS);
    let senders = (0..in_flight).map(|sender| {
        let (client, done) = (clients[sender % clients.len()].clone(), Arc::clone(&done));
        tokio::spawn(async move {
            let mut took = Vec::new();
            for place in 0.. {
                let key = format!("crowd-{in_flight}-{run}-{sender}-{place}");
                for (subject, payload) in life(&key, place) {
                    took.push(send(&client, subject, payload).await?);
                    done.fetch_add(1, Ordering::Relaxed);
                    if Instant::now() > end {
                        return Ok::<_, anyhow::Error>(took);
                    }
                }
            }
            Ok(took)
        })
    });
    let mut took = Vec::new();
    for sender in senders.collect::<Vec<_>>() {
        took.extend(sender.await??);
    }
    let rate = done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
    Ok((rate, took))
}

/// From sending the command to the moment at which the user's live connection is gone.
async fn revocations(
    server: &NatsServer,
    client: &Client,
    users: usize,
    run: usize,
) -> Result<Vec<Duration>> {
    let mut took = Vec::new();
    for place in 0..users {
        let user = format!("user-{run}-{place}");
        let pair = Arc::new(nkeys::KeyPair::new_user());
        let issue = format!(
            r#"{{"account":"admin","role":"auditor","nkey":"{}"}}"#,
            pair.public_key()
        );
        let subject = format!("keys.commands.user.issue.{user}");
        let issued = client
            .command_raw(subject, issue.into(), Ids::root(Uuid::now_v7()))
            .await?;
        let jwt = issued.jwt.context("a JWT was issued")?;
        let (gone, mut events) = mpsc::unbounded_channel();
        let inbox = Prefix::inbox(&pair.public_key());
        let connection = ConnectOptions::with_jwt(jwt, move |nonce| {
            let pair = Arc::clone(&pair);
            async move { pair.sign(&nonce).map_err(async_nats::AuthError::new) }
        })
        .custom_inbox_prefix(inbox)
        .max_reconnects(1)
        .event_callback(move |event| {
            if matches!(event, Event::Disconnected) {
                let _ = gone.send(Instant::now());
            }
            async {}
        })
        .connect(server.url())
        .await?;
        connection.flush().await?;
        let start = Instant::now();
        let subject = format!("keys.commands.user.revoke.{user}");
        let reason = r#"{"reason":"benchmark"}"#.to_owned();
        client
            .command_raw(subject, reason.into(), Ids::root(Uuid::now_v7()))
            .await?;
        let at = tokio::time::timeout(Duration::from_secs(5), events.recv()).await?;
        took.push(at.context("the connection was dropped")? - start);
    }
    Ok(took)
}
