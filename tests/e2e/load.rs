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
/// What a sender does once and then again and again that needs no material.
const BEFORE: [(&str, &str); 2] = [LIFE[0], LIFE[1]];
const AGAIN: [(&str, &str); 2] = [LIFE[2], LIFE[3]];

/// Senders at work.
pub(crate) struct Load {
    told: Told,
    stop: Arc<AtomicBool>,
    senders: JoinSet<()>,
}

/// What was acknowledged.
#[derive(Clone, Default)]
struct Told {
    acks: Arc<Mutex<Vec<Acknowledgement>>>,
    count: Arc<AtomicUsize>,
    /// How many of them were of new keys.
    made: Arc<AtomicUsize>,
}

impl Told {
    fn take(&self, verb: &str, ack: Acknowledgement) {
        self.acks.lock().push(ack);
        self.count.fetch_add(1, Ordering::Relaxed);
        if verb == "generate" {
            self.made.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Load {
    /// Starts `senders`, each with keys of its own, each waiting for its answer before it goes on.
    pub(crate) fn start(admin: &Admin, senders: usize) -> Self {
        let mut load = Self::nobody();
        for sender in 0..senders {
            load.send(admin, move |turn| {
                let (key, step) = (turn / LIFE.len(), turn % LIFE.len());
                (format!("load-{sender}-{key}"), LIFE[step])
            });
        }
        load
    }

    /// Starts one sender whose commands, but for the first, write to the ledger alone.
    pub(crate) fn without_material(admin: &Admin) -> Self {
        let mut load = Self::nobody();
        load.send(admin, |turn| {
            let step = BEFORE.get(turn).unwrap_or(&AGAIN[turn % AGAIN.len()]);
            ("switched".to_owned(), *step)
        });
        load
    }

    fn nobody() -> Self {
        Self {
            told: Told::default(),
            stop: Arc::default(),
            senders: JoinSet::new(),
        }
    }

    /// Starts a sender of what `step` says, turn by turn: a key's name, verb and body.
    fn send(
        &mut self,
        admin: &Admin,
        step: impl Fn(usize) -> (String, (&'static str, &'static str)) + Send + 'static,
    ) {
        let (admin, told, stop) = (admin.clone(), self.told.clone(), Arc::clone(&self.stop));
        self.senders.spawn(async move {
            for turn in 0.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let (name, (verb, body)) = step(turn);
                told.take(verb, insist(&admin, verb, &name, body).await);
            }
        });
    }

    /// Waits until so many more commands were acknowledged.
    pub(crate) async fn more(&self, acknowledged: usize) {
        wait_for_more(&self.told.count, acknowledged).await;
    }

    /// Waits until so many more keys were made.
    pub(crate) async fn more_made(&self, made: usize) {
        wait_for_more(&self.told.made, made).await;
    }

    /// Lets every sender finish the command it is at.
    pub(crate) async fn finish(mut self) -> Vec<Acknowledgement> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(done) = self.senders.join_next().await {
            done.unwrap();
        }
        std::mem::take(&mut self.told.acks.lock())
    }
}

async fn wait_for_more(count: &AtomicUsize, more: usize) {
    let until = count.load(Ordering::Relaxed) + more;
    let waiting = async {
        while count.load(Ordering::Relaxed) < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    waited.expect("commands are acknowledged again");
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
    nothing_lost_but(world, admin, acks, &[]).await;
}

/// The same where the keys of these names are destroyed: once the ledger says so, their material may be gone, and nothing else.
pub(crate) async fn nothing_lost_but(
    world: &Site,
    admin: &Admin,
    acks: &[Acknowledgement],
    destroyed: &[&str],
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
    let prefix = world.organisation.prefix();
    let may_be_gone = |subject: &str| {
        destroyed.iter().any(|name| {
            let history = format!("{prefix}.events.key.{name}.");
            let end = format!("{history}destroyed");
            subject.starts_with(&history) && stored.iter().any(|it| it.subject == end)
        })
    };
    for event in &stored {
        let body: Value = serde_json::from_slice(&event.payload).unwrap();
        let entry = &body["data"]["material"]["entry"];
        if let Some(entry) = entry.as_str() {
            let sealed = bucket.read(entry).await.unwrap();
            let is_lost = sealed.is_none() && !may_be_gone(&event.subject);
            assert!(!is_lost, "{} has lost {entry}", event.subject);
            held += 1;
        }
    }
    assert!(held > 0, "the events no longer say where material lies");
}
