//! Tampering is found: offline in what was exported, and by the service in its stream.

use keyledger_domain::verify::{
    Broken, Fault, Options, SignedHead, StoredEvent, Verifier,
    export::{Line, parse_line},
};
use keyledger_service::{
    StartError,
    handler::LoadError,
    store::{Append, Store},
};
use keyledger_wire::{header, query::EventsPage};
use serde_json::json;

use crate::world::{Admin, World, blocks, eventually};

/// The whole ledger, by the queries that `keyledger ledger export` asks.
async fn export(admin: &Admin) -> (Vec<StoredEvent>, SignedHead) {
    let head = admin.head().await;
    let mut events: Vec<StoredEvent> = Vec::new();
    while (events.len() as u64) < head.events {
        let after = events.last().map_or(0, |e| e.sequence);
        let question = json!({"after": after, "limit": 7});
        let page: EventsPage = admin
            .client
            .query("ledger.events", &question)
            .await
            .unwrap();
        assert!(!page.lines.is_empty(), "the ledger ends at {after}");
        for line in page.lines {
            let Line::Event(event) = parse_line(&line).unwrap() else {
                panic!("no event: {line}");
            };
            events.push(event);
        }
    }
    events.truncate(usize::try_from(head.events).unwrap());
    (events, head)
}

fn verify(options: Options, events: &[StoredEvent], head: &SignedHead) -> Result<(), Broken> {
    let mut verifier = Verifier::new(options);
    for event in events {
        verifier.take(event)?;
    }
    verifier.finish(Some(head)).map(|_| ())
}

async fn written(admin: &Admin) {
    for key in ["a", "b"] {
        let body = json!({"algorithm": "ed25519", "activate": true});
        admin.send("key.generate", key, body).await.unwrap();
        admin.send("key.rotate", key, json!({})).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tampering_with_an_export_is_found_and_names_the_event() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    written(&admin).await;
    world.settled(&admin).await;
    let (events, head) = export(&admin).await;
    let pinned = || world.pinned();
    verify(pinned(), &events, &head).unwrap();
    let at = events
        .iter()
        .position(|e| e.subject.ends_with("key.a.rotated"))
        .unwrap();
    let sequence = events[at].sequence;
    // A thief who may write to the store renumbers what he leaves.
    let renumbered = |mut events: Vec<StoredEvent>| {
        for (n, event) in (1..).zip(&mut events) {
            event.sequence = n;
        }
        events
    };

    let mut removed = events.clone();
    removed.remove(at);
    let broken = verify(pinned(), &removed, &head).unwrap_err();
    assert_eq!(
        broken.fault,
        Fault::Removed {
            first: sequence,
            last: sequence
        }
    );
    assert_eq!(broken.sequence, sequence + 1);
    let broken = verify(pinned(), &renumbered(removed), &head).unwrap_err();
    assert!(
        matches!(
            broken.fault.reason(),
            "unchained" | "truncated" | "other_head"
        ),
        "{broken}"
    );

    let mut altered = events.clone();
    let text = String::from_utf8(altered[at].payload.clone()).unwrap();
    altered[at].payload = text.replace("\"version\":2", "\"version\":3").into_bytes();
    assert_ne!(altered[at], events[at]);
    let broken = verify(pinned(), &altered, &head).unwrap_err();
    assert_eq!(
        (broken.sequence, broken.fault.reason()),
        (sequence, "altered")
    );
    assert!(broken.to_string().contains("key.a.rotated"), "{broken}");
    // With the CID made to fit, the signature does not.
    let cid = keyledger_domain::EventCid::of(&altered[at].payload);
    altered[at]
        .headers
        .insert(header::CID.to_owned(), cid.to_string());
    let broken = verify(pinned(), &altered, &head).unwrap_err();
    assert_eq!(
        (broken.sequence, broken.fault.reason()),
        (sequence, "bad_signature")
    );

    let mut reordered = events.clone();
    reordered.swap(at, at + 1);
    let broken = verify(pinned(), &reordered, &head).unwrap_err();
    assert_eq!(broken.sequence, sequence + 1);
    assert!(
        matches!(broken.fault.reason(), "reordered" | "removed"),
        "{broken}"
    );
    let broken = verify(pinned(), &renumbered(reordered), &head).unwrap_err();
    assert!(broken.sequence >= sequence, "{broken}");

    let mut reinserted = events.clone();
    reinserted.push(StoredEvent {
        sequence: head.sequence + 1,
        ..events[at].clone()
    });
    let broken = verify(pinned(), &reinserted, &head).unwrap_err();
    assert_eq!(broken.fault, Fault::Reinserted { first: sequence });
    assert_eq!(broken.sequence, head.sequence + 1);

    let broken = verify(pinned(), &events[..events.len() - 1], &head).unwrap_err();
    assert_eq!(broken.fault.reason(), "truncated");

    // Another organisation's operator vouches for nothing here.
    let other = Options {
        expected_operator: Some(nkeys::KeyPair::new_operator().public_key()),
        ..world.pinned()
    };
    let broken = verify(other, &events, &head).unwrap_err();
    assert_eq!(
        (broken.sequence, broken.fault.reason()),
        (1, "other_operator")
    );
    service.stop().await;
}

/// Writes what an intruder with the setup creds might, straight into the stream; its sequence.
async fn intrude(
    world: &World,
    subject: &str,
    headers: Vec<(&'static str, String)>,
    payload: Vec<u8>,
) -> u64 {
    let append = Append {
        subject: subject.to_owned(),
        expected: None,
        headers,
        payload: payload.into(),
    };
    world
        .store()
        .await
        .append(vec![append], None)
        .await
        .unwrap()
}

/// Holds that the running service takes no command more, that another one does not start, and that both say where.
async fn is_found(
    world: &World,
    admin: &Admin,
    service: keyledger_service::Service,
    sequence: u64,
) {
    eventually("the service stops taking commands", || async {
        let done = admin
            .send("key.generate", "after", json!({"algorithm": "ed25519"}))
            .await;
        done.is_err_and(|r| r["reason"] == "ledger_broken" && r["code"] == 500)
    })
    .await;
    assert_eq!(
        world.last().await,
        sequence,
        "something was written after it"
    );
    let said = service.live().broken().unwrap();
    assert!(said.contains(&format!("sequence {sequence}")), "{said}");
    service.stop().await;
    let refused = world.try_serve().await.unwrap_err();
    assert!(
        matches!(&refused, StartError::Load(LoadError::Broken { sequence: at, .. }) if *at == sequence),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_event_stops_the_service() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    written(&admin).await;
    world.settled(&admin).await;
    let sequence = intrude(&world, "keys.events.key.a.rotated", vec![], b"{}".to_vec()).await;
    is_found(&world, &admin, service, sequence).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_written_again_stops_the_service() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    written(&admin).await;
    world.settled(&admin).await;
    let stored = world.stored().await;
    let old = stored
        .iter()
        .find(|e| e.subject.ends_with("key.a.generated"))
        .unwrap();
    // Not its Nats-Msg-Id: within the window the server itself would drop it.
    let cid = vec![(header::CID, old.headers[header::CID].clone())];
    let sequence = intrude(&world, &old.subject, cid, old.payload.clone()).await;
    is_found(&world, &admin, service, sequence).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_event_that_fits_is_found_by_its_signature() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    written(&admin).await;
    world.settled(&admin).await;
    let stored = world.stored().await;
    // A history of its own, well-formed, with the right CID and the signature of something else: whoever may write to
    // the stream makes himself a key, or a user.
    let old = stored
        .iter()
        .find(|e| e.subject.ends_with("key.a.generated"))
        .unwrap();
    let id = uuid::Uuid::now_v7().to_string();
    let text = String::from_utf8(old.payload.clone()).unwrap();
    let payload = text
        .replace("\"aggregate_id\":\"a\"", "\"aggregate_id\":\"c\"")
        .replace(&old.headers[header::NATS_MSG_ID], &id)
        .replace("\"command_id\":\"0", "\"command_id\":\"1")
        .into_bytes();
    let mut headers = vec![
        (header::NATS_MSG_ID, id),
        (header::AGGREGATE_ID, "c".to_owned()),
        (
            header::CID,
            keyledger_domain::EventCid::of(&payload).to_string(),
        ),
    ];
    for name in [
        header::CORRELATION_ID,
        header::CAUSATION_ID,
        header::EVENT_TYPE,
        header::SCHEMA_VERSION,
        header::SIGNATURE,
        header::SIGNER,
    ] {
        headers.push((name, old.headers[name].clone()));
    }
    let sequence = intrude(&world, "keys.events.key.c.generated", headers, payload).await;
    is_found(&world, &admin, service, sequence).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_whose_end_was_cut_off_is_not_served() {
    let mut world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    written(&admin).await;
    let last = world.settled(&admin).await;
    service.stop().await;
    world.server.stop().await;
    let blocks = blocks(world.server.directory(), "KEYS_EVENTS");
    assert_eq!(blocks.len(), 1, "{blocks:?}");
    let bytes = std::fs::read(&blocks[0]).unwrap();
    std::fs::write(&blocks[0], &bytes[..bytes.len() - 300]).unwrap();
    world.server.restart().await;
    let start = tokio::time::timeout(keyledger_testkit::PATIENCE, world.try_serve());
    let refused = start.await.expect("it does not try for ever").unwrap_err();
    let said = refused.to_string();
    assert!(said.contains(&format!("sequence {last} is gone")), "{said}");
}
