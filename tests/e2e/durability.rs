//! An acknowledgement says what is durable, or there is none.

use std::time::Duration;

use keyledger_service::Service;
use keyledger_testkit::Config;
use serde_json::json;

use crate::world::{Admin, World, eventually, send_raw};

/// A server that acknowledges what a power cut takes away.
fn lax(config: Config) -> Config {
    config.replace("sync_interval: always", "sync_interval: \"2m\"")
}

const GENERATE: &str = r#"{"algorithm":"ed25519"}"#;
const SUBJECT: &str = "keys.commands.key.generate.a";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_command_is_taken_while_a_server_would_lose_it() {
    let mut world = World::with_config(lax).await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    assert!(
        service.durability().contains("sync_interval: always"),
        "{}",
        service.durability()
    );
    let last = world.settled(&admin).await;
    let nats = admin.client.nats();
    let reply = send_raw(nats, SUBJECT, Default::default(), GENERATE)
        .await
        .unwrap();
    assert_eq!(reply["reason"], "not_durable", "{reply}");
    assert_eq!(reply["code"], 503);
    let message = reply["message"].as_str().unwrap();
    assert!(message.contains(world.server.name()), "{message}");
    // Asking is free.
    let status = admin.ask("status", json!({})).await;
    assert_eq!(status["servers"][0]["sync_always"], false);
    let inventory = admin.ask("inventory.locate", json!({})).await;
    assert!(inventory["total"].as_u64().unwrap() > 0);
    assert_eq!(world.last().await, last);

    // The server is mended: the gate opens by itself.
    world.server.restart_with(world.config()).await;
    eventually("commands are taken again", || async {
        let reply = send_raw(nats, SUBJECT, Default::default(), GENERATE).await;
        reply.is_ok_and(|r| r["status"] == "accepted" && r["durable"] == true)
    })
    .await;
    assert_eq!(service.durability(), "durable");
    assert_eq!(world.last().await, last + 1);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_accepts_data_loss_is_told_that_nothing_is_durable() {
    let world = World::with_config(lax).await;
    let service = world
        .serve_with(|options| options.accept_data_loss = true)
        .await;
    let admin = world.administrator().await;
    assert!(service.durability().starts_with("DATA LOSS ACCEPTED"));
    let done = admin
        .send("key.generate", "a", json!({"algorithm": "ed25519"}))
        .await;
    let done = done.unwrap();
    assert_eq!(done["status"], "accepted");
    assert_eq!(done["durable"], false);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_lax_gets_no_command_more() {
    let mut world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    admin
        .send("key.generate", "a", json!({"algorithm": "ed25519"}))
        .await
        .unwrap();
    let last = world.settled(&admin).await;
    world.server.restart_with(lax(world.config())).await;
    // Not one command slips through before the server was asked how it stores.
    eventually("the server was asked", || async {
        let reply = send_raw(
            admin.client.nats(),
            "keys.commands.key.activate.a",
            Default::default(),
            "{}",
        )
        .await;
        if let Ok(reply) = &reply {
            assert_eq!(reply["reason"], "not_durable", "{reply}");
        }
        reply.is_ok() && service.durability().contains("sync_interval: always")
    })
    .await;
    assert_eq!(world.last().await, last);
    service.stop().await;
}

/// Waits until commands are refused as not durable, for a reason that holds `expected`; with an empty one, until they are taken.
async fn refused_for(admin: &Admin, what: &str, expected: &str) {
    let looked = tokio::time::timeout(Duration::from_secs(90), async {
        loop {
            let nats = admin.client.nats();
            // No answer says nothing.
            if let Ok(reply) = send_raw(nats, SUBJECT, Default::default(), GENERATE).await {
                let message = reply["message"].as_str().unwrap_or_default();
                let refused = reply["reason"] == "not_durable";
                if refused != expected.is_empty() && message.contains(expected) {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    });
    looked.await.unwrap_or_else(|_| panic!("{what}"));
}

/// Whoever has the creds of the set-up can have nats-server delete history while the service runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_command_is_taken_while_the_streams_settings_delete_history() {
    let world = World::new().await;
    // Whatever else is accepted, this is not.
    let service = world
        .serve_with(|options| options.accept_data_loss = true)
        .await;
    let admin = world.administrator().await;
    world.settled(&admin).await;
    let setup = world.connect(&world.organisation.creds("setup")).await;
    let setup = async_nats::jetstream::new(setup);
    let stream = world.organisation.prefix().events_stream();
    let whole = setup.get_stream(&stream).await.unwrap();
    let whole = whole.cached_info().config.clone();
    let until = async |what: &str, expected: &str| refused_for(&admin, what, expected).await;
    let mut aged = whole.clone();
    aged.max_age = Duration::from_secs(100 * 86_400);
    setup.update_stream(&aged).await.unwrap();
    until("a limit of age is seen", "max_age").await;
    setup.update_stream(&whole).await.unwrap();
    until("without it commands are taken", "").await;
    // Now events are gone: it stays shut, whatever the setting is.
    let mut short = whole.clone();
    short.max_messages = 10;
    setup.update_stream(&short).await.unwrap();
    until("a limit of number is seen", "max_msgs").await;
    setup.update_stream(&whole).await.unwrap();
    until("deleted events are seen", "were deleted").await;
    service.stop().await;
}

/// The same of the bucket of sealed keys: what it deletes opens nothing any more, and no backup of the ledger brings it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_is_made_while_the_buckets_settings_delete_sealed_keys() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let body = json!({"algorithm": "ed25519", "activate": true});
    admin
        .send("key.generate", "before", body.clone())
        .await
        .unwrap();
    let setup = world.connect(&world.organisation.creds("setup")).await;
    let setup = async_nats::jetstream::new(setup);
    let bucket = setup.get_stream("KV_KEYS_MATERIAL").await.unwrap();
    let whole = bucket.cached_info().config.clone();
    let mut aged = whole.clone();
    aged.max_age = Duration::from_secs(100 * 86_400);
    setup.update_stream(&aged).await.unwrap();
    let said = "stream KV_KEYS_MATERIAL has max_age = 8640000s";
    let mut tries = 0;
    let refused = tokio::time::timeout(Duration::from_secs(90), async {
        loop {
            tries += 1;
            let name = format!("key-{tries}");
            match admin.send("key.generate", &name, body.clone()).await {
                Err(refused) if refused.to_string().contains(said) => return,
                // Not seen yet, or a busy machine.
                Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
            }
        }
    });
    refused.await.expect("the setting is seen");
    let status = admin.ask("status", json!({})).await;
    let fault = status["stream_fault"].as_str().unwrap_or_default();
    assert!(fault.contains(said), "{status}");
    assert_eq!(status["stream_fault_of"], "sealed_keys", "{status}");
    // What takes trust away needs no new material.
    let revoke = json!({"reason": "stolen", "revocation_reason": "key_compromise"});
    admin.send("key.revoke", "before", revoke).await.unwrap();
    setup.update_stream(&whole).await.unwrap();
    let taken = tokio::time::timeout(Duration::from_secs(90), async {
        while admin
            .send("key.generate", "after", body.clone())
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    });
    taken.await.expect("keys are made again");
    service.stop().await;

    let mut history = whole;
    history.max_messages_per_subject = 64;
    setup.update_stream(&history).await.unwrap();
    // A destroyed key's bytes would stay.
    let refused = Service::start(world.options()).await.unwrap_err();
    assert!(
        refused.to_string().contains("max_msgs_per_subject"),
        "{refused}"
    );
}

/// The queue of tasks and the view are looked at too: what was changed there is said, and commands are taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_queue_of_tasks_is_said_and_nothing_is_refused() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let setup = world.connect(&world.organisation.creds("setup")).await;
    let setup = async_nats::jetstream::new(setup);
    let stream = world.organisation.prefix().tasks_stream();
    let tasks = setup.get_stream(&stream).await.unwrap();
    let mut tasks = tasks.cached_info().config.clone();
    let status = async || admin.ask("status", json!({})).await;
    eventually("all is as it was made", || async {
        status().await["stream_fault"].is_null()
    })
    .await;
    tasks.max_age = Duration::from_secs(3_600);
    setup.update_stream(&tasks).await.unwrap();
    // On a busy machine a look may end without an answer.
    eventually("the change is said", || async {
        let status = status().await;
        let fault = status["stream_fault"].as_str().unwrap_or_default();
        let is_said = fault.contains("KEYS_TASKS has max_age = 3600s");
        if is_said {
            assert_eq!(status["stream_fault_of"], "view", "{status}");
        }
        is_said
    })
    .await;
    refused_for(&admin, "commands are taken", "").await;
    service.stop().await;
}
