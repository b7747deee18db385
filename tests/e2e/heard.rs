//! What is heard on events' subjects counts for its signature: a subject proves nothing.

use std::time::Duration;

use async_nats::{HeaderMap, Message};
use keyledger_domain::{LEDGER_SIGNING_KEY, verify::StoredEvent};
use keyledger_testkit::PATIENCE;
use keyledger_wire::{
    Events, Prefix,
    events::{NotAnEvent, Signers},
    header,
};
use serde_json::json;

use crate::{
    credentials::issue,
    world::{World, eventually},
};

/// In the account that imports events, whoever asks a question says where the answer is published.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_on_an_events_subject_is_skipped_and_counted() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let body = json!({"account": "admin", "role": "auditor"});
    let creds = issue(&world, &admin, "auditor-1", body).await;
    let auditor = world.connect(&creds).await;
    let nats = admin.client.nats();
    let heard = nats.subscribe("keys.events.>").await.unwrap();
    nats.flush().await.unwrap();
    let mut events = Events::new(admin.client.clone(), heard);
    for subject in [
        "keys.events.key.a.revoked",
        "keys.events.user.admin.revocation_confirmed",
        "keys.events.nonsense",
    ] {
        auditor
            .publish_with_reply("keys.queries.inventory.locate", subject, "{}".into())
            .await
            .unwrap();
    }
    auditor.flush().await.unwrap();
    // They have come before the command's own events do.
    let seen = nats.subscribe("keys.events.nonsense").await.unwrap();
    drop(seen);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let body = json!({"algorithm": "ed25519"});
    admin.send("key.generate", "a", body).await.unwrap();
    let next = tokio::time::timeout(PATIENCE, async {
        loop {
            let record = events.next().await.unwrap().unwrap().record;
            if record.history.name.as_str() == "a" {
                return record;
            }
        }
    });
    assert_eq!(next.await.unwrap().event.past(), "generated");
    assert_eq!(events.skipped(), 3);
    service.stop().await;
}

fn message(event: &StoredEvent) -> Message {
    let mut headers = HeaderMap::new();
    for (name, value) in &event.headers {
        headers.insert(name.as_str(), value.as_str());
    }
    Message {
        subject: event.subject.clone().into(),
        reply: None,
        payload: event.payload.clone().into(),
        headers: Some(headers),
        status: None,
        description: None,
        length: 0,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_moved_or_signed_by_others_is_no_event() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let body = json!({"algorithm": "ed25519"});
    admin.send("key.generate", "a", body).await.unwrap();
    let mut good = None;
    eventually("the event is stored", || async { world.has_key("a").await }).await;
    for event in world.stored().await {
        if event.subject.ends_with(".key.a.generated") {
            good = Some(event);
        }
    }
    let good = good.unwrap();
    let nkey = admin.key(LEDGER_SIGNING_KEY).await["nkey"]
        .as_str()
        .unwrap()
        .to_owned();
    let prefix = Prefix::default();
    let mut signers = Signers::of([nkey.clone()]);
    let record = signers.check(&prefix, &message(&good)).unwrap().unwrap();
    assert_eq!(record.history.name.as_str(), "a");
    // Nobody is believed before it is known who signs.
    let unknown = Signers::default()
        .check(&prefix, &message(&good))
        .unwrap_err();
    assert_eq!(unknown, NotAnEvent::UnknownSigner(nkey));
    let mut refused = |change: &dyn Fn(&mut StoredEvent)| {
        let mut event = good.clone();
        change(&mut event);
        signers.check(&prefix, &message(&event)).unwrap_err()
    };
    assert_eq!(refused(&|e| e.payload.push(b' ')), NotAnEvent::Changed);
    assert_eq!(
        refused(&|e| e.subject = e.subject.replace("generated", "revoked")),
        NotAnEvent::OtherSubject
    );
    assert_eq!(
        refused(&|e| e.subject = e.subject.replace(".a.", ".b.")),
        NotAnEvent::OtherSubject
    );
    for name in [header::CID, header::SIGNER, header::SIGNATURE] {
        let lacking = refused(&|e| {
            e.headers.remove(name);
        });
        assert_eq!(lacking, NotAnEvent::Header(name));
    }
    let stranger = nkeys::KeyPair::new_user().public_key();
    let by_another = refused(&|e| {
        e.headers
            .insert(header::SIGNER.to_owned(), stranger.clone());
    });
    assert_eq!(by_another, NotAnEvent::UnknownSigner(stranger.clone()));
    let bad = refused(&|e| {
        let signature = e.headers.get_mut(header::SIGNATURE).unwrap();
        let first = if signature.starts_with('A') { "B" } else { "A" };
        signature.replace_range(..1, first);
    });
    assert!(matches!(bad, NotAnEvent::BadSignature(_)), "{bad:?}");
    service.stop().await;
}
