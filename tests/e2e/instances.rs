//! Two instances on one ledger: no update is lost, and both know the same.

use std::{collections::BTreeMap, sync::Arc};

use async_nats::HeaderMap;
use futures::StreamExt;
use keyledger_custody::CurveKey;
use keyledger_domain::{EventCid, Record};
use keyledger_testkit::PATIENCE;
use keyledger_wire::{Acknowledgement, Ids, header::MESSAGE_ID};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::world::{Admin, World, send_raw};

const KEYS: usize = 8;
const SENDERS: usize = 24;
const COMMANDS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_update_is_lost_between_two_instances() {
    let world = World::new().await;
    let (first, second) = (world.serve().await, world.serve().await);
    let admin = world.administrator().await;
    for key in 0..KEYS {
        let body = json!({"algorithm": "ed25519", "activate": true});
        admin
            .send("key.generate", &format!("k{key}"), body)
            .await
            .unwrap();
    }
    let acks: Arc<Mutex<Vec<Acknowledgement>>> = Arc::default();
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let (admin, acks) = (admin.clone(), Arc::clone(&acks));
        senders.spawn(async move {
            for n in 0..COMMANDS {
                let key = format!("k{}", (sender + n) % KEYS);
                let subject = admin.client.prefix().command("key", "describe", &key);
                let body = json!({"title": format!("by {sender}, {n}")}).to_string();
                let ids = Ids::root(Uuid::now_v7());
                let ack = admin.client.command_raw(subject, body.into(), ids).await;
                acks.lock().push(ack.unwrap());
            }
        });
    }
    while let Some(done) = senders.join_next().await {
        done.unwrap();
    }
    let acks = std::mem::take(&mut *acks.lock());
    assert_eq!(acks.len(), SENDERS * COMMANDS);

    // Every acknowledgement stands at its revision, and no two at the same.
    let stored = world.stored().await;
    let mut found: BTreeMap<(String, u32), (EventCid, Uuid)> = BTreeMap::new();
    for event in &stored {
        let record = Record::read(&event.payload).unwrap();
        let place = (record.history.to_string(), record.revision);
        let earlier = found.insert(place, (EventCid::of(&event.payload), record.ids.command));
        assert!(
            earlier.is_none(),
            "two events at revision {}",
            record.revision
        );
    }
    for ack in &acks {
        let place = (format!("key {}", ack.id), ack.revision);
        assert_eq!(
            found.get(&place),
            Some(&(ack.cid, ack.command_id)),
            "{place:?}"
        );
    }
    for key in 0..KEYS {
        let of_key = found
            .keys()
            .filter(|(history, _)| *history == format!("key k{key}"));
        let revisions: Vec<_> = of_key.map(|(_, revision)| *revision).collect();
        let expected = 2 + SENDERS * COMMANDS / KEYS;
        assert_eq!(
            revisions,
            (1..=u32::try_from(expected).unwrap()).collect::<Vec<_>>()
        );
    }

    let last = world.settled(&admin).await;
    first.live().reached(last).await;
    second.live().reached(last).await;
    assert!(*first.live().ledger.read() == *second.live().ledger.read());
    world.verify(&admin).await;

    let served = served(&admin).await;
    assert_eq!(served.len(), 2, "{served:?}");
    assert!(
        served.iter().all(|requests| *requests > 10),
        "not shared: {served:?}"
    );
    first.stop().await;
    second.stop().await;
}

/// How many requests each instance answered, as `nats micro stats` says.
async fn served(admin: &Admin) -> Vec<u64> {
    let nats = admin.client.nats();
    let inbox = nats.new_inbox();
    let mut replies = nats.subscribe(inbox.clone()).await.unwrap();
    nats.publish_with_reply("$SRV.STATS.keyledger", inbox, "".into())
        .await
        .unwrap();
    let mut served = Vec::new();
    while served.len() < 2 {
        let reply = tokio::time::timeout(PATIENCE, replies.next())
            .await
            .unwrap()
            .unwrap();
        let stats: Value = serde_json::from_slice(&reply.payload).unwrap();
        let endpoints = stats["endpoints"].as_array().unwrap();
        served.push(
            endpoints
                .iter()
                .map(|e| e["num_requests"].as_u64().unwrap())
                .sum(),
        );
    }
    served
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_instance_acknowledged_the_other_does_not_deny() {
    let world = World::new().await;
    let instances = (world.serve().await, world.serve().await);
    let admin = world.administrator().await;
    // Each step is answered by either, and is possible only after the one before.
    for key in 0..24 {
        let name = format!("k{key}");
        let body = json!({"algorithm": "ed25519"});
        admin.send("key.generate", &name, body).await.unwrap();
        assert_eq!(admin.key(&name).await["name"], *name);
        admin.send("key.activate", &name, json!({})).await.unwrap();
        admin
            .send("key.suspend", &name, json!({"reason": "x"}))
            .await
            .unwrap();
        admin.send("key.resume", &name, json!({})).await.unwrap();
        // Already active: accepted, and so it is.
        let done = admin.send("key.activate", &name, json!({})).await.unwrap();
        assert_eq!(
            (&done["state"], &done["revision"]),
            (&json!("active"), &json!(4))
        );
    }
    instances.0.stop().await;
    instances.1.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_comes_many_times_at_once_is_executed_once() {
    let world = World::new().await;
    let instances = (world.serve().await, world.serve().await);
    let admin = world.administrator().await;
    let last = world.settled(&admin).await;
    let curve = CurveKey::generate().unwrap();
    let issue = json!({"account": "admin", "role": "auditor", "seal_to": curve.public_nkey()});
    for (written, (subject, body)) in (1..).zip([
        ("key.generate.a", json!({"algorithm": "ed25519"})),
        ("user.issue.eve", issue),
    ]) {
        let id = Uuid::now_v7().to_string();
        let mut senders = JoinSet::new();
        for _ in 0..16 {
            let (nats, id) = (admin.client.nats().clone(), id.clone());
            let (subject, body) = (format!("keys.commands.{subject}"), body.to_string());
            senders.spawn(async move {
                let mut headers = HeaderMap::new();
                headers.insert(MESSAGE_ID, id);
                send_raw(&nats, &subject, headers, body).await
            });
        }
        let mut replies = Vec::new();
        while let Some(reply) = senders.join_next().await {
            replies.push(reply.unwrap().unwrap());
        }
        assert_eq!(replies[0]["status"], "accepted", "{}", replies[0]);
        assert!(replies.iter().all(|r| *r == replies[0]), "{replies:#?}");
        assert_eq!(world.last().await, last + written);
    }
    instances.0.stop().await;
    instances.1.stop().await;
}
