//! Many senders at once, who retry under the same id until they know; and what must be true afterwards.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use keyledger_domain::{EventCid, Record, VerifiedBy};
use keyledger_service::material::{MaterialBucket, Materials};
use keyledger_wire::{Acknowledgement, CommandError, Ids};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::world::{Admin, Site};

/// What each sender does with each of its keys; every command writes one event.
const LIFE: [(&str, &str); 5] = [
    ("generate", r#"{"algorithm":"ed25519"}"#),
    ("activate", "{}"),
    ("suspend", r#"{"reason":"load"}"#),
    ("resume", "{}"),
    ("rotate", "{}"),
];

/// Senders at work.
pub(crate) struct Load {
    acks: Arc<Mutex<Vec<Acknowledgement>>>,
    count: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    senders: JoinSet<()>,
}

impl Load {
    /// Starts `senders`, each with keys of its own, each waiting for its answer before it goes on.
    pub(crate) fn start(admin: &Admin, senders: usize) -> Self {
        let mut load = Self {
            acks: Arc::default(),
            count: Arc::default(),
            stop: Arc::default(),
            senders: JoinSet::new(),
        };
        for sender in 0..senders {
            let (admin, acks) = (admin.clone(), Arc::clone(&load.acks));
            let (count, stop) = (Arc::clone(&load.count), Arc::clone(&load.stop));
            load.senders.spawn(async move {
                for key in 0.. {
                    for (verb, body) in LIFE {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        let name = format!("load-{sender}-{key}");
                        let ack = insist(&admin, verb, &name, body).await;
                        acks.lock().push(ack);
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        load
    }

    /// Waits until so many more commands were acknowledged.
    pub(crate) async fn more(&self, acknowledged: usize) {
        let until = self.count.load(Ordering::Relaxed) + acknowledged;
        let waiting = async {
            while self.count.load(Ordering::Relaxed) < until {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        waited.expect("commands are acknowledged again");
    }

    /// Lets every sender finish the command it is at.
    pub(crate) async fn finish(mut self) -> Vec<Acknowledgement> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(done) = self.senders.join_next().await {
            done.unwrap();
        }
        std::mem::take(&mut self.acks.lock())
    }
}

/// Sends one command under one id until it is known what became of it.
async fn insist(admin: &Admin, verb: &str, name: &str, body: &'static str) -> Acknowledgement {
    let ids = Ids::root(Uuid::now_v7());
    let subject = admin.client.prefix().command("key", verb, name);
    loop {
        let answer = admin
            .client
            .command_raw(subject.clone(), body.as_bytes().into(), ids);
        // The client itself would wait longer for an answer that was lost.
        let Ok(answer) = tokio::time::timeout(Duration::from_secs(1), answer).await else {
            continue;
        };
        match answer {
            Ok(acknowledgement) => return acknowledgement,
            Err(CommandError::Refused(refusal)) if !refusal.is_worth_retrying() => {
                panic!("{verb} {name}: {refusal}")
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Holds what must be true after any crash: every acknowledged command is there, once; none was executed twice; the
/// ledger verifies; and the secret half of every key is where its event says.
pub(crate) async fn nothing_lost_nothing_twice(
    world: &Site,
    admin: &Admin,
    acks: &[Acknowledgement],
) {
    let stored = world.stored().await;
    let mut by_command: HashMap<Uuid, Vec<(Record, EventCid)>> = HashMap::new();
    let mut revisions: BTreeMap<String, u32> = BTreeMap::new();
    for event in &stored {
        let record = Record::read(&event.payload).unwrap();
        let revision = revisions.entry(record.history.to_string()).or_default();
        *revision += 1;
        assert_eq!(record.revision, *revision, "{} has gaps", record.history);
        if record.principal.verified_by == VerifiedBy::RequestInfo {
            let events = by_command.entry(record.ids.command).or_default();
            events.push((record, EventCid::of(&event.payload)));
        }
    }
    for (command, events) in &by_command {
        assert_eq!(events.len(), 1, "command {command} was executed twice");
    }
    for ack in acks {
        let (record, cid) = &by_command
            .get(&ack.command_id)
            .expect("what was acknowledged is there")[0];
        assert_eq!(record.history.name.as_str(), ack.id);
        assert_eq!(
            (record.revision, *cid),
            (ack.revision, ack.cid),
            "{}",
            ack.id
        );
        assert!(ack.durable, "{ack:?}");
    }
    let report = world.verify(admin).await;
    assert!(report.head_verified);
    assert_eq!(report.events, stored.len() as u64);

    let setup = world.connect(&world.organisation.creds("setup")).await;
    let bucket = MaterialBucket::open(setup, &world.organisation.prefix())
        .await
        .unwrap();
    let mut held = 0;
    for event in &stored {
        let body: Value = serde_json::from_slice(&event.payload).unwrap();
        let entry = &body["data"]["material"]["entry"];
        if let Some(entry) = entry.as_str() {
            let sealed = bucket.read(entry).await.unwrap();
            assert!(sealed.is_some(), "{} has lost {entry}", event.subject);
            held += 1;
        }
    }
    assert!(held > 0, "the events no longer say where material lies");
}
