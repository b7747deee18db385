//! The flood: users of the role `service`, each asking for everything it may ask for, as fast as it can.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use async_nats::Client;
use bytes::Bytes;
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// How many users flood.
pub(crate) const USERS: usize = 4;
/// How their creds files end.
pub(crate) const CREDS: &str = "creds";
/// After how long without an answer a request counts as lost.
const LOST: Duration = Duration::from_secs(10);

/// What is asked, and how many at once without an answer, of each user.
const KINDS: [(&str, usize); 7] = [
    ("queries", 64),
    ("queries about the past", 16),
    ("histories", 256),
    ("RSA rotations", 32),
    ("describe", 64),
    ("describe of 64 KiB", 64),
    ("unknown keys", 64),
];

/// How often a kind of request was answered how.
type Answers = Arc<Mutex<BTreeMap<(&'static str, String), u64>>>;

/// Floods until stdin ends, and says how it was answered.
pub(crate) async fn flood(url: &str, directory: &Path) -> Result<()> {
    let answers = Answers::default();
    let lost = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for user in 0..USERS {
        let creds = directory.join(format!("flood-{user}.{CREDS}"));
        let options = keyledger_wire::creds::options(&creds).await?;
        let nats = options.connect(url).await?;
        for (kind, at_once) in KINDS {
            let (nats, answers, lost) = (nats.clone(), Arc::clone(&answers), Arc::clone(&lost));
            tasks.spawn(async move {
                let asked = ask(&nats, user, kind, at_once, &answers, &lost).await;
                eprintln!("{kind} of user {user} ended: {asked:?}");
            });
        }
    }
    let start = Instant::now();
    until_stdin_ends().await?;
    tasks.shutdown().await;
    let seconds = start.elapsed().as_secs_f64();
    for ((kind, answer), count) in answers.lock().await.iter() {
        println!("  {kind}, {answer}: {:.0}/s", *count as f64 / seconds);
    }
    println!("  lost: {}", lost.load(Ordering::Relaxed));
    Ok(())
}

/// Waits until whoever started this process is gone or ends it.
pub(crate) async fn until_stdin_ends() -> Result<()> {
    let ended =
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    ended.await??;
    Ok(())
}

/// Keeps so many requests under way.
async fn ask(
    nats: &Client,
    user: usize,
    kind: &'static str,
    at_once: usize,
    answers: &Answers,
    lost: &AtomicU64,
) -> Result<()> {
    let inbox = nats.new_inbox();
    let mut replies = nats.subscribe(inbox.clone()).await?;
    let mut sent = 0u64;
    let mut counted = BTreeMap::<String, u64>::new();
    let mut missing = at_once;
    loop {
        for _ in 0..missing {
            let (subject, payload) = request(kind, user, sent);
            nats.publish_with_reply(subject, inbox.clone(), payload)
                .await?;
            sent += 1;
        }
        let Ok(reply) = tokio::time::timeout(LOST, replies.next()).await else {
            lost.fetch_add(at_once as u64, Ordering::Relaxed);
            missing = at_once;
            continue;
        };
        let reply = reply.ok_or_else(|| anyhow::anyhow!("the connection ended"))?;
        missing = 1;
        // A large one is read by its beginning only: it is not the flood's processor that is measured.
        let answer = match reply.payload.len() {
            0..4_096 => match serde_json::from_slice::<Value>(&reply.payload) {
                Ok(Value::Object(fields)) => match fields.get("reason") {
                    Some(Value::String(reason)) => reason.clone(),
                    _ => "done".to_owned(),
                },
                _ => "done".to_owned(),
            },
            _ => "done".to_owned(),
        };
        *counted.entry(answer).or_default() += 1;
        if sent.is_multiple_of(64) {
            let mut answers = answers.lock().await;
            for (answer, count) in std::mem::take(&mut counted) {
                *answers.entry((kind, answer)).or_default() += count;
            }
        }
    }
}

fn request(kind: &str, user: usize, nth: u64) -> (String, Bytes) {
    let key = format!("flood-{user}");
    let (subject, payload) = match kind {
        "queries" => (
            "queries.inventory.locate".to_owned(),
            json!({ "limit": 500 }),
        ),
        "queries about the past" => {
            let at = format!("2026-01-01T00:00:{:02}Z", nth % 60);
            let at = json!({ "limit": 500, "at": at });
            ("queries.inventory.locate".to_owned(), at)
        }
        "histories" => {
            let after = nth * 7_919 % 2_500;
            (
                format!("queries.history.key.{key}"),
                json!({ "after": after }),
            )
        }
        "RSA rotations" => (format!("commands.key.rotate.{key}"), json!({})),
        "describe" => {
            let long = format!("{nth} {}", "x".repeat(480));
            let labels: BTreeMap<_, _> = (0..32)
                .map(|n| (format!("label-{n}"), format!("{nth} {}", "y".repeat(110))))
                .collect();
            let described =
                json!({ "usage": long, "handling": long, "disposal": long, "labels": labels });
            (format!("commands.key.describe.{key}"), described)
        }
        "describe of 64 KiB" => {
            let spaces = " ".repeat(65_000);
            let padded = format!("{{\"usage\":\"padded {nth}\"{spaces}}}");
            return (format!("keys.commands.key.describe.{key}"), padded.into());
        }
        _ => ("queries.inventory.show.nowhere".to_owned(), json!({})),
    };
    (format!("keys.{subject}"), payload.to_string().into())
}
