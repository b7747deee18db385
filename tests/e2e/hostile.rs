//! Users who ask for more than their share: everything is answered, and nobody else waits for them.

use std::time::Duration;

use async_nats::HeaderMap;
use futures::{FutureExt, StreamExt, future::join_all};
use keyledger_testkit::PATIENCE;
use keyledger_wire::header;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    credentials::issue,
    world::{Admin, World, eventually, send_within},
};

/// Requests that are sent without waiting for an answer to any.
struct Flood {
    answers: async_nats::Subscriber,
    sent: usize,
}

impl Flood {
    async fn send(
        client: &async_nats::Client,
        subject: &str,
        payload: Vec<u8>,
        count: usize,
    ) -> Self {
        let inbox = client.new_inbox();
        let answers = client.subscribe(inbox.clone()).await.unwrap();
        for _ in 0..count {
            let (subject, payload) = (subject.to_owned(), payload.clone().into());
            let sent = client.publish_with_reply(subject, inbox.clone(), payload);
            sent.await.unwrap();
        }
        client.flush().await.unwrap();
        Self {
            answers,
            sent: count,
        }
    }

    /// An answer to each request: those that were turned away, and the others.
    async fn answers(self) -> (Vec<Value>, Vec<Value>) {
        let answers = self.answers.take(self.sent).map(|message| {
            let answer: Value = serde_json::from_slice(&message.payload).unwrap();
            answer
        });
        let answers = tokio::time::timeout(Duration::from_secs(60), answers.collect::<Vec<_>>());
        let answers = answers.await.expect("every request is answered");
        answers
            .into_iter()
            .partition(|answer| answer["reason"] == "busy")
    }
}

/// A user of the role `service`, for the key that bears its name.
async fn service_user(world: &World, admin: &Admin, name: &str) -> Admin {
    let creds = issue(
        world,
        admin,
        name,
        json!({"account": "admin", "role": "service"}),
    )
    .await;
    let nats = world.connect(&creds).await;
    Admin {
        client: keyledger_wire::Client::new(nats, world.organisation.prefix()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_answered_and_nobody_else_waits_for_it() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let orders = service_user(&world, &admin, "orders").await;
    issue(
        &world,
        &admin,
        "leaver",
        json!({"account": "admin", "role": "auditor"}),
    )
    .await;
    let body = json!({"algorithm": "ed25519", "activate": true});
    orders.send("key.generate", "orders", body).await.unwrap();
    for _ in 0..30 {
        orders
            .send("key.rotate", "orders", json!({}))
            .await
            .unwrap();
    }

    let nats = orders.client.nats();
    let past = json!({"at": crate::world::now()}).to_string();
    let floods = [
        ("keys.queries.history.key.orders", b"{}".to_vec(), 600),
        ("keys.queries.inventory.locate", b"{}".to_vec(), 600),
        ("keys.queries.inventory.locate", past.into_bytes(), 40),
        // Refused by rule, and large: 32 MiB in all.
        (
            "keys.commands.key.describe.orders",
            vec![b' '; 64 * 1_024],
            500,
        ),
    ];
    let floods = floods.map(|(subject, payload, count)| Flood::send(nats, subject, payload, count));
    let floods = join_all(floods).await;

    // Others ask the same, and the client asks again by itself where it must.
    let history = admin.ask("history.key.orders", json!({})).await;
    assert_eq!(history.as_array().unwrap().len(), 32);
    let inventory = admin
        .ask("inventory.locate", json!({"name": "orders"}))
        .await;
    assert_eq!(inventory["total"], 1);
    let done = admin
        .send("user.revoke", "leaver", json!({"reason": "left"}))
        .await;
    assert_eq!(done.unwrap()["state"], "revoked");

    let mut turned_away = Vec::new();
    for flood in floods {
        let (busy, answered) = flood.answers().await;
        for busy in &busy {
            let wait = busy["retry_after_ms"].as_u64().unwrap();
            assert!((100..=30_000).contains(&wait), "{busy}");
            assert_eq!(busy["code"], 503);
        }
        assert!(!answered.is_empty());
        turned_away.push(busy.len());
    }
    // Its share of what reads the store is 34 at a time, and of the past 3.
    assert!(turned_away[0] > 0 && turned_away[2] > 0, "{turned_away:?}");
    eventually("the revocation is confirmed", || async {
        let users = admin.ask("credentials.admin", json!({})).await;
        let rows = users["rows"].as_array().unwrap().clone();
        let leaver = rows.iter().find(|row| row["name"] == "leaver");
        leaver.is_some_and(|row| row["revocation_took_ms"].is_u64())
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_goes_before_the_commands_that_wait() {
    let world = World::new().await;
    let service = world
        .serve_with(|options| options.user_allowance.commands_per_hour = 100_000)
        .await;
    let admin = world.administrator().await;
    let orders = service_user(&world, &admin, "orders").await;
    let leaver = json!({"account": "admin", "role": "auditor"});
    issue(&world, &admin, "leaver", leaver).await;
    let body = json!({"algorithm": "ed25519"});
    orders.send("key.generate", "orders", body).await.unwrap();
    // Each is of the same history: they are written one after the other.
    let inbox = orders.client.nats().new_inbox();
    let answers = orders.client.nats().subscribe(inbox.clone()).await.unwrap();
    for n in 0..900 {
        let body = json!({"usage": format!("for the {n}. time")}).to_string();
        let subject = "keys.commands.key.describe.orders";
        let sent = orders
            .client
            .nats()
            .publish_with_reply(subject, inbox.clone(), body.into());
        sent.await.unwrap();
    }
    let mut answers = answers;
    answers.next().await.unwrap();
    let done = admin
        .send("user.revoke", "leaver", json!({"reason": "left"}))
        .await;
    assert_eq!(done.unwrap()["state"], "revoked");
    let mut answered = 1;
    while let Some(Some(_)) = answers.next().now_or_never() {
        answered += 1;
    }
    assert!(
        answered < 450,
        "{answered} of 900 were written before the revocation"
    );
    service.stop().await;
}

/// Rotates a key, under one message id until that is done; how often the service refused it as the store did not answer.
async fn rotated(admin: &Admin, key: &str) -> u64 {
    let subject = format!("keys.commands.key.rotate.{key}");
    let mut headers = HeaderMap::new();
    headers.insert(header::MESSAGE_ID, Uuid::now_v7().to_string());
    let rotating = async {
        let mut refused = 0;
        loop {
            let sent = send_within(
                PATIENCE,
                admin.client.nats(),
                &subject,
                headers.clone(),
                "{}",
            );
            let reply = sent.await.unwrap();
            if reply["status"] == "accepted" {
                return refused;
            }
            assert_eq!(reply["reason"], "store_unavailable", "{reply}");
            refused += 1;
        }
    };
    let ended = tokio::time::timeout(PATIENCE, rotating).await;
    ended.unwrap_or_else(|_| panic!("{key} is not rotated within {PATIENCE:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_made_once_for_each_rotation_however_many_come_at_once() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let body = |algorithm: &str| json!({"algorithm": algorithm, "activate": true});
    for (key, algorithm) in [("quick", "ed25519"), ("slow", "rsa-3072")] {
        admin
            .send("key.generate", key, body(algorithm))
            .await
            .unwrap();
    }
    let setup = world.connect(&world.organisation.creds("setup")).await;
    let material = async_nats::jetstream::new(setup);
    // The service fills its reserve in this stream meanwhile, an entry for each part of it.
    let written = || async {
        let stream = material.get_stream("KV_KEYS_MATERIAL").await.unwrap();
        let reserve = "$KV.KEYS_MATERIAL.reserve.*";
        let seen = stream.info_with_subjects(reserve).await.unwrap();
        let written = seen.info.state.last_sequence;
        written - seen.count().await as u64
    };
    let before = written().await;
    let keys = ["quick"; 24].into_iter().chain(["slow"; 3]);
    let rotations = keys.map(|key| rotated(&admin, key));
    let refused: u64 = join_all(rotations).await.into_iter().sum();
    // An entry for each, and none in vain but for a command that was refused for want of an answer of the store.
    let made = written().await - before;
    assert!(
        (27..=27 + refused).contains(&made),
        "{made} entries for 27 versions, and {refused} refusals"
    );
    assert_eq!(admin.key("quick").await["versions"], 25);
    assert_eq!(admin.key("slow").await["versions"], 4);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_a_long_history_is_the_same_wherever_reading_begins() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    admin
        .send("key.generate", "long", json!({"algorithm": "ed25519"}))
        .await
        .unwrap();
    for n in 0..300 {
        let body = json!({"usage": format!("for the {n}. time")});
        admin.send("key.describe", "long", body).await.unwrap();
    }
    let page = async |after: usize, limit: usize| {
        let page = admin
            .ask("history.key.long", json!({"after": after, "limit": limit}))
            .await;
        page.as_array().unwrap().clone()
    };
    // Backwards first: nothing was folded yet.
    let near_the_end = page(295, 500).await;
    let whole = page(0, 500).await;
    assert_eq!(whole.len(), 301);
    assert_eq!(near_the_end, whole[295..]);
    for after in [1, 127, 128, 129, 200, 255, 256, 300] {
        let end = (after + 7).min(301);
        assert_eq!(page(after, 7).await, whole[after..end], "after {after}");
    }
    assert_eq!(whole[200]["changes"][0]["from"], "for the 198. time");
    assert!(page(301, 7).await.is_empty());

    // A past moment is asked page by page as well.
    let at = whole[100]["at"].clone();
    let mut question = json!({"at": at, "limit": 3});
    let mut names = Vec::new();
    loop {
        let page = admin.ask("inventory.locate", question.clone()).await;
        let rows = page["rows"].as_array().unwrap().clone();
        if let Some(row) = rows.iter().find(|row| row["name"] == "long") {
            let last = whole.iter().rfind(|e| e["at"].as_str() <= at.as_str());
            assert_eq!(row["revision"], last.unwrap()["revision"]);
        }
        names.extend(rows.into_iter().map(|row| row["name"].clone()));
        if page["next"].is_null() {
            assert_eq!(page["total"], names.len());
            break;
        }
        question["after"] = page["next"].clone();
    }
    assert!(names.contains(&json!("long")) && names.len() > 3);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_that_has_used_its_allowance_waits_and_nobody_else_does() {
    let world = World::new().await;
    let service = world
        .serve_with(|options| options.user_allowance.commands_per_hour = 40)
        .await;
    let admin = world.administrator().await;
    let orders = service_user(&world, &admin, "orders").await;
    let body = json!({"algorithm": "ed25519", "activate": true});
    orders.send("key.generate", "orders", body).await.unwrap();
    let describe = async |who: &Admin, n: usize| {
        let body = json!({"usage": format!("for the {n}. time")});
        who.send("key.describe", "orders", body).await
    };
    for n in 0..9 {
        // What changes nothing writes nothing, and costs nothing.
        let again = orders.send("key.activate", "orders", json!({})).await;
        again.unwrap();
        describe(&orders, n).await.unwrap();
    }
    let refused = describe(&orders, 9).await.unwrap_err();
    assert_eq!(refused["reason"], "allowance_used", "{refused}");
    let wait = refused["retry_after_ms"].as_u64().unwrap();
    assert!((60_000..=90_001).contains(&wait), "{wait}");
    // It reads on, and whoever has to act acts.
    assert_eq!(orders.key("orders").await["usage"], "for the 8. time");
    for n in 10..30 {
        describe(&admin, n).await.unwrap();
    }
    let body = json!({"reason": "left", "revocation_reason": "unspecified"});
    admin.send("key.revoke", "orders", body).await.unwrap();
    service.stop().await;
}
