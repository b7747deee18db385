//! Every store keeps every promise: one suite, run against each of them.
#![allow(clippy::unwrap_used)] // a test has nobody to return an error to

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, future::join_all};
use keyledger_domain::{
    Name,
    name::{Aggregate, HistoryId},
};
use keyledger_service::store::{
    Append, AppendError, JetStreamStore, MemoryStore, OpenError, Store,
};
use keyledger_testkit::{Config, NatsServer};
use keyledger_wire::Prefix;

/// An event of the history `name`, which must be at `expected`.
fn event(name: &str, expected: Option<u64>, payload: &str) -> Append {
    let history = HistoryId::new(Aggregate::Key, Name::new(name).unwrap());
    let prefix = Prefix::default();
    Append {
        subject: prefix.event(&history, "activated"),
        expected: expected.map(|sequence| (prefix.history(&history), sequence)),
        headers: vec![("X-Test", payload.to_owned())],
        payload: Bytes::copy_from_slice(payload.as_bytes()),
    }
}

/// A server, and a store in it.
async fn jetstream() -> (NatsServer, JetStreamStore) {
    let server = NatsServer::simple_jetstream(true).await;
    let client = server.connect().await;
    let prefix = Prefix::default();
    async_nats::jetstream::new(client.clone())
        .create_stream(JetStreamStore::config(&prefix, 1))
        .await
        .unwrap();
    let store = JetStreamStore::open(client, &prefix).await.unwrap();
    (server, store)
}

/// The promises, one after the other, on one empty store.
async fn keeps_its_promises(store: Arc<dyn Store>) {
    // An empty store.
    assert_eq!(store.last_sequence().await.unwrap(), 0);
    assert!(store.read(0, 10).await.unwrap().is_empty());

    // A lone event, then its history moved on: the same expectation is a conflict and stores nothing.
    assert_eq!(
        store
            .append(vec![event("a", Some(0), "a1")], None)
            .await
            .unwrap(),
        1
    );
    let late = store.append(vec![event("a", Some(0), "late")], None).await;
    assert!(matches!(late, Err(AppendError::Conflict)), "{late:?}");
    assert_eq!(store.last_sequence().await.unwrap(), 1);

    // A batch over several histories, two events in one of them: contiguous, in order.
    let batch = vec![
        event("a", Some(1), "a2"),
        event("b", Some(0), "b1"),
        event("b", None, "b2"),
        event("c", Some(0), "c1"),
    ];
    assert_eq!(store.append(batch, None).await.unwrap(), 2);
    assert_eq!(store.last_sequence().await.unwrap(), 5);

    // What stands on the end of the stream is refused when anything came behind it, a batch as a lone event.
    for batch in [
        vec![event("x", Some(0), "x1")],
        vec![event("x", Some(0), "x1"), event("y", Some(0), "y1")],
    ] {
        let late = store.append(batch, Some(4)).await;
        assert!(matches!(late, Err(AppendError::Conflict)), "{late:?}");
    }
    assert_eq!(store.last_sequence().await.unwrap(), 5);

    // One stale expectation refuses the whole batch.
    let stale = vec![
        event("d", Some(0), "d1"),
        event("a", Some(1), "stale"),
        event("e", Some(0), "e1"),
    ];
    let stale = store.append(stale, None).await;
    assert!(matches!(stale, Err(AppendError::Conflict)), "{stale:?}");
    assert_eq!(store.last_sequence().await.unwrap(), 5);

    // The exact bytes and headers come back, in order, from anywhere.
    let all = store.read(0, 100).await.unwrap();
    let texts: Vec<_> = all
        .iter()
        .map(|e| String::from_utf8_lossy(&e.payload).into_owned())
        .collect();
    assert_eq!(texts, ["a1", "a2", "b1", "b2", "c1"]);
    assert_eq!(
        all.iter().map(|e| e.sequence).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
    assert!(
        all[2]
            .headers
            .contains(&("X-Test".to_owned(), "b1".to_owned()))
    );
    assert_eq!(store.read(3, 1).await.unwrap()[0].sequence, 4);

    // One history.
    let history = HistoryId::new(Aggregate::Key, Name::new("b").unwrap());
    let b = async |after, count| {
        let filter = Prefix::default().history(&history);
        let events = store.history(filter, after, count).await.unwrap();
        events.iter().map(|e| e.sequence).collect::<Vec<_>>()
    };
    assert_eq!(b(0, 2).await, [3, 4]);
    assert_eq!(b(0, 1).await, [3]);
    assert_eq!(b(3, 1).await, [4]);
    assert_eq!(b(2, 2).await, [3, 4]);

    // The tail: what is there, and then what comes.
    let mut tail = store.tail(4).await.unwrap();
    assert_eq!(tail.next().await.unwrap().unwrap().sequence, 5);
    store
        .append(vec![event("f", Some(0), "f1")], None)
        .await
        .unwrap();
    assert_eq!(tail.next().await.unwrap().unwrap().sequence, 6);

    // Of many who append to one history with the same expectation, one wins.
    let racers = (0..32).map(|i| {
        let store = Arc::clone(&store);
        async move {
            store
                .append(vec![event("race", Some(0), &format!("r{i}"))], None)
                .await
                .is_ok()
        }
    });
    let won = join_all(racers)
        .await
        .into_iter()
        .filter(|won| *won)
        .count();
    assert_eq!(won, 1);

    // The largest batch, and one more.
    let last = store.last_sequence().await.unwrap();
    let many: Vec<_> = (0..1_000)
        .map(|i| event(&format!("m{i}"), Some(0), "m"))
        .collect();
    assert_eq!(store.append(many, None).await.unwrap(), last + 1);

    // However many are read at once, an event is the same.
    let all = store.read(0, 5_000).await.unwrap();
    assert_eq!(all.len() as u64, last + 1_000);
    assert_eq!(store.read(3, 2).await.unwrap(), all[3..5]);
    assert_eq!(store.read(last + 995, 100).await.unwrap().len(), 5);
    let more: Vec<_> = (0..1_001)
        .map(|i| event(&format!("n{i}"), Some(0), "n"))
        .collect();
    let more = store.append(more, None).await;
    assert!(
        matches!(
            more,
            Err(AppendError::Refused(_) | AppendError::Unacknowledged(_))
        ),
        "{more:?}"
    );
    assert_eq!(store.last_sequence().await.unwrap(), last + 1_000);
    assert!(matches!(
        store.append(vec![], None).await,
        Err(AppendError::Refused(_))
    ));
}

#[tokio::test]
async fn the_store_in_memory() {
    keeps_its_promises(Arc::new(MemoryStore::new())).await;
}

#[tokio::test]
async fn the_store_in_jetstream() {
    let (_server, store) = jetstream().await;
    keeps_its_promises(Arc::new(store)).await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let (mut server, store) = jetstream().await;
    let batch = (0..50)
        .map(|i| event(&format!("k{i}"), Some(0), "k"))
        .collect();
    store.append(batch, None).await.unwrap();
    server.kill9();
    server.restart().await;
    let store = JetStreamStore::open(server.connect().await, &Prefix::default())
        .await
        .unwrap();
    assert_eq!(store.read(0, 100).await.unwrap().len(), 50);
}

#[tokio::test]
async fn a_missing_stream_is_not_made() {
    let server = NatsServer::simple_jetstream(true).await;
    let opened = JetStreamStore::open(server.connect().await, &Prefix::default()).await;
    assert!(
        matches!(opened, Err(OpenError::Missing { .. })),
        "{opened:?}"
    );
}

#[tokio::test]
async fn a_stream_with_a_wrong_setting_is_refused_with_the_remedy() {
    type Spoil = fn(&mut async_nats::jetstream::stream::Config);
    let spoils: [(&str, Spoil); 10] = [
        ("compression", |c| {
            c.compression = Some(async_nats::jetstream::stream::Compression::S2)
        }),
        ("max_age", |c| {
            c.max_age = std::time::Duration::from_secs(60)
        }),
        ("deny_purge", |c| c.deny_purge = false),
        ("deny_delete", |c| c.deny_delete = false),
        ("max_msgs", |c| c.max_messages = 10),
        ("allow_atomic", |c| c.allow_atomic_publish = false),
        ("allow_rollup_hdrs", |c| {
            (c.allow_rollup, c.deny_purge) = (true, false);
        }),
        ("allow_msg_ttl", |c| c.allow_message_ttl = true),
        ("republish", |c| {
            c.republish = Some(async_nats::jetstream::stream::Republish {
                source: ">".to_owned(),
                destination: "copy.>".to_owned(),
                headers_only: false,
            });
        }),
        ("storage", |c| {
            c.storage = async_nats::jetstream::stream::StorageType::Memory
        }),
    ];
    let server = NatsServer::simple_jetstream(true).await;
    let prefix = Prefix::default();
    for (expected, spoil) in spoils {
        let context = async_nats::jetstream::new(server.connect().await);
        let mut config = JetStreamStore::config(&prefix, 1);
        spoil(&mut config);
        context.create_stream(config).await.unwrap();
        match JetStreamStore::open(server.connect().await, &prefix).await {
            Err(ref error @ OpenError::Setting { ref setting, .. }) => {
                assert_eq!(setting, expected);
                if setting == "compression" {
                    let edit = "stream edit KEYS_EVENTS --compression none --force`, then restart";
                    assert!(error.to_string().contains(edit), "{error}");
                }
            }
            other => panic!("{expected}: {other:?}"),
        }
        context.delete_stream(prefix.events_stream()).await.unwrap();
    }
}

#[tokio::test]
async fn what_an_administrator_may_choose_is_no_fault() {
    let (server, store) = jetstream().await;
    let mut config = JetStreamStore::config(&Prefix::default(), 1);
    config.description = Some("ours".to_owned());
    config.metadata = [("team".to_owned(), "keys".to_owned())].into();
    let context = async_nats::jetstream::new(server.connect().await);
    context.update_stream(config).await.unwrap();
    store.examine().await.unwrap();
}

#[tokio::test]
async fn another_prefix_is_refused_on_this_stream() {
    let (server, _) = jetstream().await;
    let other: Prefix = "acme.keys".parse().unwrap();
    let opened = JetStreamStore::open(server.connect().await, &other).await;
    assert!(
        matches!(opened, Err(OpenError::Missing { .. })),
        "{opened:?}"
    );
}

#[tokio::test]
async fn reading_makes_no_consumer() {
    // A consumer that was just made is not known everywhere in a cluster: reading failed there now and then.
    let server = NatsServer::start(Config::text(
        "jetstream { sync_interval: always, max_memory_store: 256MB, max_file_store: 1GB }\n\
         accounts { APP { jetstream: enabled, users: [\n\
           { user: app, password: app }\n\
           { user: reader, password: reader, permissions: { publish: { deny: \"$JS.API.CONSUMER.>\" } } }\n\
         ] } }\n\
         no_auth_user: app\n",
    ))
    .await;
    let prefix = Prefix::default();
    let writer = server.connect().await;
    async_nats::jetstream::new(writer.clone())
        .create_stream(JetStreamStore::config(&prefix, 1))
        .await
        .unwrap();
    let store = JetStreamStore::open(writer, &prefix).await.unwrap();
    for batch in 0..3 {
        let many = (0..1_000).map(|i| event(&format!("k{batch}-{i}"), Some(0), "k"));
        store.append(many.collect(), None).await.unwrap();
    }
    let reader =
        async_nats::ConnectOptions::with_user_and_password("reader".into(), "reader".into())
            .connect(server.url())
            .await
            .unwrap();
    let store = JetStreamStore::open(reader, &prefix).await.unwrap();
    let all = store.read(0, 10_000).await.unwrap();
    assert!((1..=3_000).eq(all.iter().map(|e| e.sequence)));
    let test = ("X-Test".to_owned(), "k".to_owned());
    assert!(all[2_000].headers.contains(&test));
    let answers = |(name, _): &(String, String)| name == "Nats-Num-Pending";
    assert!(!all[2_000].headers.iter().any(answers));
    let history = HistoryId::new(Aggregate::Key, Name::new("k1-7").unwrap());
    let one = store.history(prefix.history(&history), 0, 1).await.unwrap();
    assert_eq!(one, all[1_007..1_008]);
}
