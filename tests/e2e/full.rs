//! A full store: nothing is half written, and it goes on where room was made.

use async_nats::RequestErrorKind;
use keyledger_testkit::Config;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::world::{World, eventually, send_raw};

/// A server with room for a few hundred events.
fn small(config: Config) -> Config {
    let limit = "max_file_store: $KEYLEDGER_MAX_FILE_STORE";
    // The server wants every variable used.
    let unused = "max_memory_store: $KEYLEDGER_MAX_FILE_STORE";
    config
        .replace(limit, "max_file_store: 512KB")
        .replace("max_memory_store: 1GB", unused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_refuses_clearly_and_goes_on_when_there_is_room() {
    let mut world = World::with_config(small).await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    admin
        .send("key.generate", "a", json!({"algorithm": "ed25519"}))
        .await
        .unwrap();
    let nats = admin.client.nats().clone();
    // Many at once, so that a batch meets the end too.
    let describe = |n: usize| {
        let nats = nats.clone();
        let text = format!("{n} {}", "x".repeat(450));
        let body = json!({"usage": text, "handling": text, "disposal": text}).to_string();
        async move {
            send_raw(
                &nats,
                "keys.commands.key.describe.a",
                Default::default(),
                body,
            )
            .await
        }
    };
    let (mut accepted, mut refusals): (u64, Vec<Value>) = (0, Vec::new());
    for round in 0..200 {
        let mut senders = JoinSet::new();
        for n in 0..16 {
            senders.spawn(describe(round * 16 + n));
        }
        while let Some(reply) = senders.join_next().await {
            match reply.unwrap() {
                Ok(reply) if reply["status"] == "accepted" => accepted += 1,
                Ok(reply) => refusals.push(reply),
                Err(kind) => assert_eq!(kind, RequestErrorKind::TimedOut),
            }
        }
        if refusals.len() >= 32 {
            break;
        }
    }
    assert!(accepted > 0 && !refusals.is_empty());
    for refusal in &refusals {
        assert_eq!(refusal["reason"], "store_full", "{refusal}");
        assert_eq!(refusal["code"], 507, "{refusal}");
    }
    // A command that needs material fails before that, at the material's bucket.
    let subject = "keys.commands.key.generate.b";
    let body = json!({"algorithm": "ed25519"}).to_string();
    let refusal = send_raw(&nats, subject, Default::default(), body)
        .await
        .unwrap();
    assert_eq!(refusal["code"].as_u64().unwrap() / 100, 5, "{refusal}");
    assert!(
        refusal["message"]
            .as_str()
            .unwrap()
            .contains("insufficient"),
        "{refusal}"
    );
    // Asking goes on, and what is there is whole.
    assert!(admin.key("a").await["revision"].as_u64().unwrap() >= accepted);
    world.verify(&admin).await;

    world.server.restart_with(world.config()).await;
    eventually("commands are taken again", || async {
        let done = describe(1_000_000).await;
        done.is_ok_and(|r| r["status"] == "accepted")
    })
    .await;
    admin
        .send("key.generate", "b", json!({"algorithm": "ed25519"}))
        .await
        .unwrap();
    world.verify(&admin).await;
    service.stop().await;
}
