//! How many commands a second, how soon, and how fast a revocation reaches a live connection. docs/src/speed.md has the
//! command.
//!
//! A real nats-server with `sync_interval: always`, one instance of the service, and the load, all on this machine.
//! Every command counted was acknowledged durably. Beside each figure stands that of a bare pipeline with a nats-server of its own, and
//! both take turns: this machine may be faster or slower from one minute to the next, and their ratio hardly is.
//!
//! Arguments choose what is measured: `lone`, `64`, `1024`, `users`, `revocations`; all of it without any. `product` leaves the bare
//! pipeline out, for a profiler.

mod bare;
mod figures;
mod place;
mod rounds;
mod world;

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use async_nats::{ConnectOptions, Event};
use keyledger_testkit::NatsServer;
use keyledger_wire::{Client, Ids, Prefix};
use tokio::sync::mpsc;
use uuid::Uuid;

use bare::{Bare, stored};
use figures::spread;
use place::Place;
use rounds::{Figure, Rounds, Spent};
use world::World;

/// How long each load is put on.
const LOAD: Duration = Duration::from_secs(4);
/// How many rounds there are: the product and the bare pipeline take turns in each.
const ROUNDS: usize = 5;
/// How many connections the load comes over.
const CONNECTIONS: usize = 4;
/// How many users are issued at once.
const USERS_IN_FLIGHT: usize = 1_024;

/// The allocator of the `keyledger` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<()> {
    LazyLock::force(&NKEYS);
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_named = |what: &str| wanted.iter().any(|wanted| wanted == what);
    let is_wanted = |what: &str| wanted.is_empty() || is_named(what);
    let world = World::open(None).await?;
    let product = Side::of(&world.place).await?;
    let place: Place = Place::make().await?;
    let bare = Bare::start(&place).await?;
    let beside = Side::of(&place).await?;

    // Its events are as long as the product's.
    let event_bytes = product.event_bytes().await?;
    let own = beside.event_bytes().await?;
    bare.pad(event_bytes.saturating_sub(own));
    println!(
        "an event takes {event_bytes} bytes of the stream, one of the bare pipeline {}",
        beside.event_bytes().await?
    );

    let loads = [
        ("lone", "a lone command", Load::Life { in_flight: 1 }),
        ("64", "64 in flight", Load::Life { in_flight: 64 }),
        ("1024", "1,024 in flight", Load::Life { in_flight: 1_024 }),
        ("users", "users issued into one account", Load::Users),
    ];
    for (_, what, load) in loads.into_iter().filter(|(name, ..)| is_wanted(name)) {
        let mut rounds = Rounds::default();
        for _ in 0..ROUNDS {
            rounds.product.push(product.under(load, LOAD).await?);
            if !is_named("product") {
                rounds.bare.push(beside.under(load, LOAD).await?);
            }
        }
        rounds.print(what);
    }
    bare.stop();
    if is_wanted("revocations") {
        for run in 1..=3 {
            let mut took = revocations(&world.place.server, &product.clients[0], 50, run).await?;
            println!(
                "revoke to dropped connection, run {run}: {}",
                spread(&mut took)
            );
        }
    }
    world.close().await;
    Ok(())
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
enum Load {
    /// Keys' lives, so many at a time.
    Life { in_flight: usize },
    /// Users of one account.
    Users,
}

/// Who answers: the product or the bare pipeline.
struct Side<'a> {
    place: &'a Place,
    clients: Vec<Client>,
    /// The nats-server's process id.
    server: u32,
}

impl<'a> Side<'a> {
    async fn of(place: &'a Place) -> Result<Self> {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(place.administrator().await?);
        }
        Ok(Self {
            place,
            clients,
            server: place.server.pid().context("its server runs")?,
        })
    }

    /// How many bytes of the stream an event takes, of those of some keys' lives.
    async fn event_bytes(&self) -> Result<usize> {
        let before = stored(self.place).await?;
        for _ in 0..10 {
            for (subject, payload) in life() {
                send(&self.clients[0], subject, payload).await?;
            }
        }
        let after = stored(self.place).await?;
        Ok(usize::try_from(
            (after.1 - before.1) / (after.0 - before.0),
        )?)
    }

    /// Puts a load on for a while.
    async fn under(&self, load: Load, time: Duration) -> Result<Figure> {
        let in_flight = match load {
            Load::Life { in_flight } => in_flight,
            Load::Users => USERS_IN_FLIGHT,
        };
        let spent = Spent::so_far(self.server)?;
        let start = Instant::now();
        let senders = (0..in_flight).map(|sender| {
            let client = self.clients[sender % self.clients.len()].clone();
            tokio::spawn(async move {
                let mut took = Vec::new();
                while start.elapsed() < time {
                    let commands = match load {
                        Load::Life { .. } => Vec::from(life()),
                        Load::Users => vec![user()],
                    };
                    for (subject, payload) in commands {
                        took.push(send(&client, subject, payload).await?);
                        if start.elapsed() > time {
                            break;
                        }
                    }
                }
                Ok::<_, anyhow::Error>(took)
            })
        });
        let mut took = Vec::new();
        for sender in senders.collect::<Vec<_>>() {
            took.extend(sender.await??);
        }
        let elapsed = start.elapsed();
        let spent = Spent::so_far(self.server)?.since(spent);
        Ok(Figure::new(took, elapsed, spent))
    }
}

/// Public nkeys, made before the clock runs: it is not nkeys that is measured.
static NKEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let nkey = |_| nkeys::KeyPair::new_user().public_key();
    (0..100_000).map(nkey).collect()
});
/// How many of them were used. No two keys or users share one, as it should be.
static USED: AtomicUsize = AtomicUsize::new(0);

/// A public nkey that nobody has, and its number.
fn nkey() -> (usize, String) {
    let place = USED.fetch_add(1, Ordering::Relaxed);
    let made = NKEYS.get(place).cloned();
    let made = made.unwrap_or_else(|| nkeys::KeyPair::new_user().public_key());
    (place, made)
}

/// The commands of another key's life, one event each.
fn life() -> [(String, String); 6] {
    let (place, nkey) = nkey();
    let (_, raw) = nkeys::from_public_key(&nkey).expect("it was just made");
    let spki = [
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ];
    let public_key = data_encoding::BASE64.encode(&[&spki[..], &raw].concat());
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
    .map(|(verb, payload)| (format!("keys.commands.key.{verb}.key-{place}"), payload))
}

/// The command that issues another user.
fn user() -> (String, String) {
    let (place, nkey) = nkey();
    let issue = format!(r#"{{"account":"admin","role":"auditor","nkey":"{nkey}"}}"#);
    (format!("keys.commands.user.issue.user-{place}"), issue)
}

async fn send(client: &Client, subject: String, payload: String) -> Result<Duration> {
    let start = Instant::now();
    client
        .command_raw(subject, payload.into(), Ids::root(Uuid::now_v7()))
        .await?;
    Ok(start.elapsed())
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
        let user = format!("revoked-{run}-{place}");
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
