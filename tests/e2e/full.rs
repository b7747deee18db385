//! A full store: nothing is half written, and it goes on where room was made.

use std::time::Duration;

use async_nats::RequestErrorKind;
use keyledger_testkit::Config;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    credentials::issue,
    world::{Admin, World, blocks, eventually, send_raw, send_within},
};

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

/// A server with room for some thousand events.
fn narrow(config: Config) -> Config {
    let unused = "max_memory_store: $KEYLEDGER_MAX_FILE_STORE";
    config
        .replace(
            "max_file_store: $KEYLEDGER_MAX_FILE_STORE",
            "max_file_store: 4MB",
        )
        .replace("max_memory_store: 1GB", unused)
}

/// Describes a key until the store takes no more; what is said then.
async fn fill(admin: &Admin) -> Value {
    let text = "x".repeat(480);
    for round in 0..400 {
        let mut senders = JoinSet::new();
        for n in 0..16 {
            let nats = admin.client.nats().clone();
            let text = format!("{}-{n} {text}", round);
            let body = json!({"usage": text, "handling": text, "disposal": text}).to_string();
            senders.spawn(async move {
                send_raw(
                    &nats,
                    "keys.commands.key.describe.a",
                    Default::default(),
                    body,
                )
                .await
            });
        }
        while let Some(reply) = senders.join_next().await {
            let reply = reply.unwrap();
            if let Ok(refused) = reply
                && (refused["reason"] == "store_full"
                    || refused["message"].to_string().contains("cannot write"))
            {
                return refused;
            }
        }
    }
    panic!("the store was never full");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_trust_away_has_room_in_a_full_store() {
    let world = World::with_config(narrow).await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let body = json!({"algorithm": "ed25519", "activate": true});
    for key in ["a", "lost"] {
        admin.send("key.generate", key, body.clone()).await.unwrap();
    }
    issue(
        &world,
        &admin,
        "eve",
        json!({"account": "admin", "role": "auditor"}),
    )
    .await;
    eventually("the reserve is there", || async {
        let status = admin.ask("status", json!({})).await;
        status["reserve"] == json!([6, 6])
    })
    .await;
    world.settled(&admin).await;
    assert_eq!(fill(&admin).await["reason"], "store_full");
    let refused = admin
        .send("key.suspend", "a", json!({"reason": "x"}))
        .await
        .unwrap_err();
    assert_eq!(refused["reason"], "store_full", "{refused}");
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .contains("restart nats-server")
    );
    let reason = json!({"reason": "left"});
    admin.send("user.revoke", "eve", reason).await.unwrap();
    let lost = json!({"reason": "lost", "revocation_reason": "key_compromise"});
    admin.send("key.revoke", "lost", lost).await.unwrap();
    let gone = json!({"reason": "lost"});
    admin.send("key.destroy", "lost", gone).await.unwrap();
    // The servers refuse eve, and that is recorded.
    world.settled(&admin).await;
    eventually("the material is erased", || async {
        admin.key("lost").await["state"] == "destroyed-compromised"
    })
    .await;
    world.verify(&admin).await;
    service.stop().await;
    // Another instance sees at once how full the servers are; `doctor` judges by that.
    let service = world.serve().await;
    let status = admin.ask("status", json!({})).await;
    let disk = &status["servers"][0]["disk"];
    assert!(
        disk["used"].as_u64().unwrap() * 10 > disk["most"].as_u64().unwrap() * 9,
        "{status}"
    );
    service.stop().await;
}

/// Sends a command for key `a`, and not again; null if no answer comes while a client waits.
async fn send_once(admin: &Admin, command: &str, body: Value) -> Value {
    let subject = format!("keys.commands.{command}.a");
    let nats = admin.client.nats();
    let reply = send_within(
        CLIENT_WAITS,
        nats,
        &subject,
        Default::default(),
        body.to_string(),
    )
    .await;
    reply.unwrap_or_default()
}

/// How long a client waits for an answer, unless it is told otherwise: `nats` too.
const CLIENT_WAITS: Duration = Duration::from_secs(5);

/// A disk that is full is not a store that is: nats-server acknowledges nothing then, and writes nothing until it is restarted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_said_and_what_to_do_about_it() {
    let mut world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let body = json!({"algorithm": "ed25519"});
    admin.send("key.generate", "a", body).await.unwrap();
    world.settled(&admin).await;
    let [ledger] = &blocks(world.server.directory(), "KEYS_EVENTS")[..] else {
        panic!("the ledger is small yet");
    };
    let written = std::fs::metadata(ledger).unwrap().len();
    world.server.limit_files(written + 100_000);
    fill(&admin).await;
    // Nobody is left without an answer, and each one says what to do.
    let describe = || json!({"usage": "again"});
    for (command, body) in [("key.activate", json!({})), ("key.describe", describe())] {
        let refused = send_once(&admin, command, body).await;
        assert_eq!(refused["reason"], "store_unavailable", "{refused}");
        let said = refused["message"].as_str().unwrap();
        assert!(
            said.contains("nats-server cannot write KEYS_EVENTS: file too large; make room"),
            "{said}"
        );
        assert!(said.contains("restart nats-server"), "{said}");
    }
    let status = admin.ask("status", json!({})).await;
    let unwritable = &status["servers"][0]["unwritable"];
    assert_eq!(
        unwritable[0],
        json!({"stream": "KEYS_EVENTS", "said": "file too large"}),
        "{status}"
    );

    // Room alone does not help.
    world.server.limit_files(1 << 30);
    assert_eq!(
        send_once(&admin, "key.describe", describe()).await["status"],
        "rejected"
    );
    world.server.restart().await;
    eventually("commands are taken again", || async {
        send_once(&admin, "key.describe", describe()).await["status"] == "accepted"
    })
    .await;
    world.verify(&admin).await;
    service.stop().await;
}

/// An atomic batch that is begun and not ended counts in no account's storage, but among those that the server has open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_an_account_leaves_open_hold_up_no_revocation() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let tenant = json!({"jetstream_disk_mib": 64});
    admin
        .send("account.create", "tenant", tenant)
        .await
        .unwrap();
    let everything = json!({"account": "tenant", "publish": [">"], "subscribe": [">"]});
    let creds = issue(&world, &admin, "worker", everything).await;
    let body = json!({"account": "services", "role": "service"});
    issue(&world, &admin, "orders", body).await;
    world.settled(&admin).await;
    let tenant = world.connect(&creds).await;
    // More than the 1,000 that nats-server has room for by itself.
    for stream in 0..48 {
        let body = json!({"name": format!("S{stream}"), "subjects": [format!("s{stream}")], "storage": "file",
            "retention": "limits", "max_bytes": 65_536, "num_replicas": 1, "allow_atomic": true});
        let create = format!("$JS.API.STREAM.CREATE.S{stream}");
        let made = tenant
            .request(create, body.to_string().into())
            .await
            .unwrap();
        let made: Value = serde_json::from_slice(&made.payload).unwrap();
        assert!(made["error"].is_null(), "{made}");
    }
    let mut open = JoinSet::new();
    for n in 0..48 * 24 {
        let tenant = tenant.clone();
        open.spawn(async move {
            let mut headers = async_nats::HeaderMap::new();
            headers.insert("Nats-Batch-Id", format!("batch-{n}"));
            headers.insert("Nats-Batch-Sequence", "1");
            let subject = format!("s{}", n % 48);
            let sent = tenant.request_with_headers(subject, headers, "x".into());
            sent.await.is_ok_and(|reply| reply.payload.is_empty())
        });
    }
    let open = open.join_all().await;
    assert!(open.iter().filter(|is_open| **is_open).count() >= 1_000);
    let body = json!({"reason": "left"});
    admin.send("user.revoke", "orders", body).await.unwrap();
    let body = json!({"algorithm": "ed25519", "activate": true});
    admin.send("key.generate", "a", body).await.unwrap();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_store_within_limits_that_leave_room_for_the_ledger() {
    let world = World::with_config(narrow).await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    // 1 GiB, where nobody says: more than there is.
    for body in [json!({"jetstream": true}), json!({"jetstream_disk_mib": 4})] {
        let refused = admin
            .send("account.create", "greedy", body)
            .await
            .unwrap_err();
        assert_eq!(refused["reason"], "limit_reached", "{refused}");
    }
    let tenant = json!({"jetstream_disk_mib": 2});
    admin
        .send("account.create", "tenant", tenant.clone())
        .await
        .unwrap();
    let second = admin.send("account.create", "second", tenant).await;
    assert_eq!(second.unwrap_err()["reason"], "limit_reached");
    world.settled(&admin).await;
    let everything = json!({"account": "tenant", "publish": [">"], "subscribe": [">"]});
    let creds = issue(&world, &admin, "worker", everything).await;
    let jetstream = async_nats::jetstream::new(world.connect(&creds).await);
    let jobs = async_nats::jetstream::stream::Config {
        name: "JOBS".to_owned(),
        subjects: vec!["jobs".to_owned()],
        ..Default::default()
    };
    jetstream.create_stream(jobs).await.unwrap();
    let mut stored = 0;
    for _ in 0..100 {
        let sent = jetstream.publish("jobs", vec![0; 64 * 1024].into()).await;
        match sent.unwrap().await {
            Ok(_) => stored += 64 * 1024,
            Err(_) => break,
        }
    }
    assert!((1 << 20..=2 << 20).contains(&stored), "{stored} bytes");
    let body = json!({"algorithm": "ed25519"});
    admin.send("key.generate", "a", body).await.unwrap();
    service.stop().await;
}
