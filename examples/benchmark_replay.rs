//! How fast a ledger is folded, and how much memory a key takes. docs/src/speed.md has the command.
//!
//! Writes a million events for 250,000 keys into a stream of a real nats-server, then folds them: without a snapshot
//! and with one.

use std::{sync::Arc, time::Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use keyledger_custody::{Custody, RootKey};
use keyledger_domain::{
    Command, Name, Stamp, Timestamp, VerifiedBy,
    command::Target,
    ledger::Sealed,
    name::Aggregate,
    record::Ids,
    verify::{StoredEvent, header},
};
use keyledger_service::{
    Snapshot,
    handler::{Handler, Live},
    store::{Append, JetStreamStore, Store},
};
use keyledger_testkit::{NatsServer, ledger::TestLedger};
use keyledger_wire::Prefix;
use nkeys::KeyPair;
use uuid::Uuid;

/// The allocator of the `keyledger` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [fold, url, keys] = &arguments[..]
        && fold == "fold"
    {
        return measure_memory(url, keys.parse()?).await;
    }
    let events: u64 = arguments.first().map_or(Ok(1_000_000), |n| n.parse())?;
    let keys = events / 4;
    let server = NatsServer::simple_jetstream(false).await;
    let client = server.connect().await;
    let prefix = Prefix::default();
    let config = JetStreamStore::config(&prefix, 1);
    async_nats::jetstream::new(client.clone())
        .create_stream(config)
        .await?;
    let store = JetStreamStore::open(client, &prefix).await?;
    write(&store, &prefix, keys).await?;

    // In a process of its own: this one holds what it wrote.
    let itself = std::env::current_exe()?;
    let fold = ["fold".to_owned(), server.url(), keys.to_string()];
    let status = tokio::process::Command::new(itself)
        .args(fold)
        .status()
        .await?;
    anyhow::ensure!(status.success(), "measuring the memory failed");

    let live = Live::default();
    let start = Instant::now();
    Handler::fold(&store, &prefix, None, &live).await?;
    let took = start.elapsed();
    let folded = live.ledger.read().events();
    println!(
        "replay of {folded} events without a snapshot: {:.2} s",
        took.as_secs_f64()
    );
    let folder = tempfile::tempdir()?;
    let custody = Custody::open(RootKey::generate()?);
    let snapshot = Snapshot::new(folder.path().join("fold"), custody.mac_key("snapshot"));
    let start = Instant::now();
    snapshot.save(&live)?;
    println!("writing a snapshot: {:.2} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let loaded = snapshot.read().context("the snapshot was not used")?;
    let loaded = loaded.live();
    Handler::fold(&store, &prefix, None, &loaded).await?;
    let took = start.elapsed();
    anyhow::ensure!(
        *loaded.ledger.read() == *live.ledger.read(),
        "the snapshot differs"
    );
    println!(
        "replay of {folded} events with a snapshot: {:.2} s",
        took.as_secs_f64()
    );
    Ok(())
}

/// Folds the whole ledger and says by how much this process has grown.
async fn measure_memory(url: &str, keys: u64) -> Result<()> {
    let prefix = Prefix::default();
    let store = JetStreamStore::open(async_nats::connect(url).await?, &prefix).await?;
    let before = resident_bytes()?;
    let live = Live::default();
    Handler::fold(&store, &prefix, None, &live).await?;
    let grown = resident_bytes()?.saturating_sub(before);
    println!(
        "memory of the fold: {} bytes a key ({keys} keys, 4 events each)",
        grown / keys
    );
    Ok(())
}

/// Four events a key: registered, activated, described, suspended.
async fn write(store: &JetStreamStore, prefix: &Prefix, keys: u64) -> Result<()> {
    let organisation = TestLedger::of(1);
    let mut ledger = organisation.ledger.clone();
    let bootstrap: Vec<_> = organisation.events.iter().map(genesis).collect();
    let mut sequence = bootstrap.len() as u64;
    store.append(bootstrap, None).await?;
    let signer = organisation.signing_key(1);
    let principal = Arc::new(Stamp {
        account: "ABENCHMARK".into(),
        user: "UBENCHMARK".into(),
        name: Some("benchmark".into()),
        role: None,
        host: Some("127.0.0.1".into()),
        verified_by: VerifiedBy::Service,
        key: None,
    });
    let mut batch: Vec<Sealed> = Vec::new();
    for place in 0..keys {
        let name = Name::new(&format!("benchmark-key-{place:07}"))?;
        let target = Target::new(Aggregate::Key, name);
        for (verb, payload) in life(place) {
            let (command, why) = Command::parse(Aggregate::Key, verb, payload.as_bytes())?;
            let now = Timestamp::from_ms(1_800_000_000_000 + i64::try_from(place)?);
            let decision = ledger.decide(&target, &command.bare(), now).result?;
            let ids = Ids::root(Uuid::now_v7());
            for sealed in ledger.seal(decision, ids, &principal, &why, now, Uuid::now_v7) {
                sequence += 1;
                ledger.apply(&sealed.record, sealed.cid, sequence)?;
                batch.push(sealed);
            }
        }
        if batch.len() >= 996 || place + 1 == keys {
            let appends = batch
                .drain(..)
                .map(|sealed| append(prefix, &sealed, &signer))
                .collect::<Result<_>>()?;
            store.append(appends, None).await?;
        }
    }
    Ok(())
}

fn life(place: u64) -> [(&'static str, String); 4] {
    let mut der = vec![
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ];
    for part in 0..4 {
        der.extend_from_slice(&(place.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ part).to_le_bytes());
    }
    let public_key = data_encoding::BASE64.encode(&der);
    [
        (
            "register",
            format!(
                r#"{{"algorithm":"ed25519","public_key":"{public_key}","title":"signs orders of shop {place}",
                "usage":"sign order confirmations","classification":"confidential","labels":{{"team":"shop","stage":"production"}}}}"#
            ),
        ),
        ("activate", "{}".to_owned()),
        (
            "describe",
            r#"{"handling":"only on the order servers","reason":"audit 2026"}"#.to_owned(),
        ),
        (
            "suspend",
            r#"{"reason":"moved to another team","ticket":"SEC-1123"}"#.to_owned(),
        ),
    ]
}

fn append(prefix: &Prefix, sealed: &Sealed, signer: &KeyPair) -> Result<Append> {
    let record = &sealed.record;
    let signature = signer.sign(&sealed.cid.to_bytes())?;
    Ok(Append {
        subject: prefix.event(&record.history, record.event.past()),
        expected: None,
        headers: header::of_event(record, &sealed.cid, &signature, &signer.public_key()).into(),
        payload: Bytes::copy_from_slice(&sealed.bytes),
    })
}

/// An event of the trust bootstrap, as it is.
fn genesis(event: &StoredEvent) -> Append {
    let headers = header::OF_THE_EVENT.iter().filter_map(|name| {
        let value = event.headers.get(*name)?;
        Some((*name, value.clone()))
    });
    Append {
        subject: event.subject.clone(),
        expected: None,
        headers: headers.collect(),
        payload: Bytes::copy_from_slice(&event.payload),
    }
}

/// What of this process is in memory, from /proc/self/statm (pages of 4 KiB).
fn resident_bytes() -> Result<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .context("statm has columns")?
        .parse()?;
    Ok(pages * 4096)
}
