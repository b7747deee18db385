//! The whole life of a key.

use keyledger_domain::Algorithm;
use keyledger_wire::Ids;
use serde_json::json;
use uuid::Uuid;

use crate::world::{World, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_lives_its_whole_life_through_messages() {
    let world = World::new().await;
    let service = world.serve().await;
    assert_eq!(service.durability(), "durable");
    let admin = world.administrator().await;

    let alice = json!({"kind": "person", "title": "Alice"});
    admin
        .send("principal.register", "alice", alice)
        .await
        .unwrap();

    let generate = json!({
        "algorithm": "ed25519", "owner": "alice", "classification": "confidential",
        "title": "signs orders", "labels": {"team": "shop"},
    });
    let done = admin
        .send("key.generate", "orders-db", generate)
        .await
        .unwrap();
    assert_eq!(done["status"], "accepted");
    assert_eq!(done["state"], "pre-active");
    assert_eq!(done["revision"], 1);
    assert_eq!(done["durable"], true);
    assert!(done["cid"].as_str().unwrap().starts_with("bafkr4i"));

    let occurred = crate::world::now().to_string();
    for (verb, body, state) in [
        ("key.activate", json!({}), "active"),
        ("key.suspend", json!({"reason": "audit"}), "suspended"),
        ("key.resume", json!({}), "active"),
        ("key.rotate", json!({"ticket": "SEC-1"}), "active"),
        (
            "key.describe",
            json!({"usage": "order confirmations only"}),
            "active",
        ),
        (
            "key.schedule",
            json!({"rotation_period_days": 30}),
            "active",
        ),
        ("key.deactivate", json!({}), "deactivated"),
        ("key.archive", json!({}), "deactivated"),
        ("key.recover", json!({"reason": "a dispute"}), "deactivated"),
        (
            "key.revoke",
            json!({"revocation_reason": "key_compromise", "reason": "laptop stolen", "ticket": "SEC-1123",
                   "compromise_occurred_at": occurred}),
            "compromised",
        ),
        (
            "key.destroy",
            json!({"reason": "compromised"}),
            "destroyed-compromised",
        ),
    ] {
        let done = admin
            .send(verb, "orders-db", body)
            .await
            .unwrap_or_else(|e| panic!("{verb}: {e}"));
        assert_eq!(done["state"], state, "{verb}");
    }
    // The effect of the destruction comes back as an event.
    eventually("the material is erased", || async {
        admin.key("orders-db").await["erased"] == true
    })
    .await;

    let row = admin.key("orders-db").await;
    assert_eq!(row["owner"], "alice");
    assert_eq!(row["state"], "destroyed-compromised");
    let timeline = admin.ask("history.key.orders-db", json!({})).await;
    let timeline = timeline.as_array().unwrap();
    let events: Vec<_> = timeline
        .iter()
        .map(|e| e["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        events,
        [
            "generated",
            "activated",
            "suspended",
            "resumed",
            "rotated",
            "described",
            "scheduled",
            "deactivated",
            "archived",
            "recovered",
            "revoked",
            "destroyed",
            "material_erased",
        ]
    );
    let revoked = &timeline[10];
    assert_eq!(revoked["who"]["name"], "admin");
    assert_eq!(revoked["who"]["verified_by"], "request_info");
    assert_eq!(revoked["ticket"], "SEC-1123");
    assert_eq!(revoked["reason"], "laptop stolen");

    // There is no way back.
    let refused = admin
        .send("key.activate", "orders-db", json!({}))
        .await
        .unwrap_err();
    assert_eq!(refused["reason"], "not_allowed");
    let refused = admin
        .send("key.generate", "orders-db", json!({"algorithm": "ed25519"}))
        .await;
    assert_eq!(refused.unwrap_err()["reason"], "name_taken");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_algorithm_can_be_generated_and_rotated() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    for algorithm in Algorithm::ALL.map(Algorithm::as_str) {
        let body = json!({"algorithm": algorithm, "activate": true});
        let done = admin.send("key.generate", algorithm, body).await;
        done.unwrap_or_else(|e| panic!("{algorithm}: {e}"));
        admin
            .send("key.rotate", algorithm, json!({}))
            .await
            .unwrap();
        let row = admin.key(algorithm).await;
        assert_eq!(row["version"], 2, "{row}");
        assert_eq!(row["public_key"].is_string(), algorithm != "aes-256");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_message_id_gets_the_same_answer_also_after_a_restart() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let ids = Ids::root(Uuid::now_v7());
    let body = json!({"algorithm": "ed25519", "activate": true});
    let first = admin
        .send_as("key.generate", "a", body.clone(), ids)
        .await
        .unwrap();
    // The key goes on; the answer stays.
    admin
        .send("key.suspend", "a", json!({"reason": "x"}))
        .await
        .unwrap();
    let again = admin
        .send_as("key.generate", "a", body.clone(), ids)
        .await
        .unwrap();
    assert_eq!(first, again);
    service.stop().await;

    let service = world.serve().await;
    let again = admin
        .send_as("key.generate", "a", body.clone(), ids)
        .await
        .unwrap();
    assert_eq!(first, again);
    let reused = admin
        .send_as("key.activate", "a", json!({}), ids)
        .await
        .unwrap_err();
    assert_eq!(reused["reason"], "message_id_reused");
    let reused = admin
        .send_as("key.generate", "b", body, ids)
        .await
        .unwrap_err();
    assert_eq!(reused["reason"], "message_id_reused");
    assert_eq!(
        admin
            .ask("history.key.a", json!({}))
            .await
            .as_array()
            .unwrap()
            .len(),
        3
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledgers_own_signing_key_is_rotated_under_way() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let key = |name: &'static str| {
        let admin = &admin;
        async move {
            admin
                .send("key.generate", name, json!({"algorithm": "ed25519"}))
                .await
                .unwrap()
        }
    };
    key("before").await;
    admin
        .send("key.rotate", "ledger-signing", json!({"reason": "drill"}))
        .await
        .unwrap();
    eventually("the new version signs", || async {
        let head = admin.ask("ledger.head", json!({})).await;
        head["signer"] == admin.key("ledger-signing").await["nkey"]
    })
    .await;
    key("after").await;
    let report = world.verify(&admin).await;
    // The operator signed the genesis, and each version of the key what came in its time.
    assert_eq!(report.signers.len(), 3, "{:?}", report.signers);
    service.stop().await;

    // A restart signs with the newest version.
    let service = world.serve().await;
    key("later").await;
    assert_eq!(world.verify(&admin).await.signers.len(), 3);
    service.stop().await;
}
