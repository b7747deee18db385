//! Views are folds: thrown away, rebuilt, projected and cached, and always the same.

use async_nats::jetstream::{self, kv::Store as Bucket};
use keyledger_service::Service;
use serde_json::{Value, json};

use crate::{
    load::Load,
    world::{Admin, World, eventually, send_raw},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_is_rebuilt_while_commands_run() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let load = Load::start(&admin, 8);
    let nats = admin.client.nats();
    let mut events = 0;
    for _ in 0..3 {
        load.more(20).await;
        let request = async_nats::Request::new().payload("{}".into());
        let subject = "keys.commands.view.rebuild.inventory";
        let reply = nats.send_request(subject, request).await.unwrap();
        let rebuilt: Value = serde_json::from_slice(&reply.payload).unwrap();
        assert_eq!(rebuilt["equal"], true, "{rebuilt}");
        let now = rebuilt["events"].as_u64().unwrap();
        assert!(now > events, "{rebuilt}");
        events = now;
    }
    load.more(20).await;
    load.finish().await;
    let last = world.settled(&admin).await;
    let anew = world.serve().await;
    service.live().reached(last).await;
    assert!(*service.live().ledger.read() == *anew.live().ledger.read());
    let reply = send_raw(
        nats,
        "keys.commands.view.rebuild.other",
        Default::default(),
        "{}",
    )
    .await;
    assert_eq!(reply.unwrap()["reason"], "bad_name");
    service.stop().await;
    anew.stop().await;
}

/// The inventory bucket, as the administrator reads it: through the imported API.
struct Inventory(Bucket);

impl Inventory {
    async fn open(world: &World, admin: &Admin) -> Self {
        let prefix = world.organisation.prefix();
        let context = jetstream::with_prefix(admin.client.nats().clone(), &prefix.imported_api());
        Self(
            context
                .get_key_value(prefix.inventory_bucket())
                .await
                .unwrap(),
        )
    }

    async fn get(&self, key: &str) -> Option<Value> {
        let entry = self.0.get(key).await.ok()??;
        Some(serde_json::from_slice(&entry).unwrap())
    }

    async fn shows(&self, key: &str, state: &str) {
        eventually(&format!("{key} is shown as {state}"), || async {
            self.get(key).await.is_some_and(|row| row["state"] == state)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bucket_follows_the_ledger_and_outlives_its_server() {
    let mut world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    admin
        .send("key.generate", "a", json!({"algorithm": "ed25519"}))
        .await
        .unwrap();
    let inventory = Inventory::open(&world, &admin).await;
    inventory.shows("a", "pre-active").await;
    admin.send("key.activate", "a", json!({})).await.unwrap();
    inventory.shows("a", "active").await;
    assert_eq!(inventory.get("a").await.unwrap(), admin.key("a").await);

    // It lies in the server's memory, and is projected anew.
    world.server.restart().await;
    inventory.shows("a", "active").await;
    admin
        .send("key.suspend", "a", json!({"reason": "x"}))
        .await
        .unwrap();
    inventory.shows("a", "suspended").await;
    service.stop().await;

    // Also if nobody served meanwhile.
    world.server.restart().await;
    let service = world.serve().await;
    inventory.shows("a", "suspended").await;
    service.stop().await;
}

async fn snapshotted(world: &World) -> Service {
    let path = world.path("snapshot");
    world
        .serve_with(|options| options.snapshot = Some(path))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_write_into_the_bucket_is_written_over() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let body = json!({"algorithm": "ed25519", "activate": true});
    for name in ["a", "b"] {
        admin
            .send("key.generate", name, body.clone())
            .await
            .unwrap();
    }
    let inventory = Inventory::open(&world, &admin).await;
    inventory.shows("a", "active").await;
    inventory.shows("b", "active").await;
    let said = async || admin.ask("status", json!({})).await["findings"].to_string();
    assert!(!said().await.contains("inventory entries"));
    // With the creds of the service: as many entries as before, and one of them false.
    let thief = world.connect(&world.organisation.creds("service")).await;
    let mut lie = admin.key("a").await;
    lie["state"] = json!("destroyed");
    thief
        .publish("$KV.KEYS_INVENTORY.a", lie.to_string().into())
        .await
        .unwrap();
    inventory.shows("a", "destroyed").await;
    inventory.shows("a", "active").await;
    assert_eq!(inventory.get("a").await.unwrap(), admin.key("a").await);
    assert!(said().await.contains("1 entries held"), "{}", said().await);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_from_a_snapshot_equals_a_full_replay() {
    let world = World::new().await;
    let service = snapshotted(&world).await;
    let admin = world.administrator().await;
    for key in ["a", "b"] {
        let body = json!({"algorithm": "ed25519", "activate": true});
        admin.send("key.generate", key, body).await.unwrap();
    }
    world.settled(&admin).await;
    service.stop().await;
    let path = world.path("snapshot");
    let good = std::fs::read(&path).unwrap();
    assert!(!good.is_empty());

    // What came after the snapshot is folded too.
    let service = world.serve().await;
    admin
        .send("key.suspend", "a", json!({"reason": "x"}))
        .await
        .unwrap();
    let last = world.settled(&admin).await;
    let full = service;

    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let cut = good[..good.len() / 2].to_vec();
    for bytes in [
        good.clone(),
        flipped,
        cut,
        Vec::new(),
        b"no snapshot".to_vec(),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        let service = snapshotted(&world).await;
        service.live().reached(last).await;
        assert!(*service.live().ledger.read() == *full.live().ledger.read());
        let (a, b) = (service.live().position(), full.live().position());
        assert_eq!((a.sequence, a.digest), (b.sequence, b.digest));
        // It is no worse for it: commands go on, and another one is written at the end.
        service.stop().await;
        assert_ne!(std::fs::read(&path).unwrap(), bytes);
    }
    world.verify(&admin).await;
    full.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_of_another_ledger_is_not_used() {
    let (world, other) = (World::new().await, World::new().await);
    let service = snapshotted(&other).await;
    let stranger = other.administrator().await;
    stranger
        .send("key.generate", "theirs", json!({"algorithm": "ed25519"}))
        .await
        .unwrap();
    service.stop().await;
    std::fs::copy(other.path("snapshot"), world.path("snapshot")).unwrap();
    let service = snapshotted(&world).await;
    let admin = world.administrator().await;
    let page = admin
        .ask("inventory.locate", json!({"name": "theirs"}))
        .await;
    assert_eq!(page["total"], 0, "{page}");
    world.settled(&admin).await;
    world.verify(&admin).await;
    service.stop().await;
}

/// The server's operator may allow less than NATS does by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_fit_a_server_that_takes_small_messages() {
    const KEYS: usize = 120;
    let world =
        World::with_config(|config| config.replace("max_payload: 1MB", "max_payload: 32KB")).await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let long = "what it is for, in words ".repeat(18);
    for n in 0..KEYS {
        let body = json!({ "algorithm": "ed25519", "usage": long.trim(), "handling": long.trim() });
        admin
            .send("key.generate", &format!("k{n}"), body)
            .await
            .unwrap();
    }
    let (mut found, mut pages) = (0, 0);
    let mut question = json!({ "limit": 500, "prefix": "k" });
    loop {
        let page = admin.ask("inventory.locate", question.clone()).await;
        found += page["rows"].as_array().unwrap().len();
        pages += 1;
        if page["next"].is_null() {
            break;
        }
        question["after"] = page["next"].clone();
    }
    assert!(pages > 3, "{pages}");
    assert_eq!(found, KEYS);
    let _ = world.verify(&admin).await;
    service.stop().await;
}
