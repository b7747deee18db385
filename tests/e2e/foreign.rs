//! What is not this organisation's, or not there, is refused at the start, with the remedy.

use std::time::Duration;

use async_nats::jetstream;
use keyledger_domain::text::in_full;
use keyledger_service::{
    Service, StartError,
    store::{JetStreamStore, OpenError},
    trust::{SetupError, setup},
};
use keyledger_testkit::Nats;
use keyledger_wire::creds::Holder;
use serde_json::json;

use crate::world::{Admin, World, organisation};

/// Starts, and fails within seconds.
async fn refused(options: keyledger_service::Options) -> StartError {
    let start = tokio::time::timeout(Duration::from_secs(8), Service::start(options));
    start.await.expect("it says so within seconds").unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_with_another_root_key_does_not_sign_this_ledger() {
    let (world, other) = (World::new().await, World::new().await);
    let mut options = world.options();
    options.vault = other.options().vault;
    let error = refused(options).await;
    assert!(matches!(error, StartError::Signer(_)), "{error}");
    let said = error.to_string();
    assert!(said.contains("root key"), "{said}");
    // The right one is not in its way.
    world.serve().await.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_organisations_ledger_is_not_set_up_over() {
    let world = World::new().await;
    let before = world.last().await;
    let stranger = organisation(&world.path("stranger"), "keys");
    let client = world.connect(&world.organisation.creds("setup")).await;
    let error = setup(&client, &stranger, 1).await.unwrap_err();
    assert!(matches!(error, SetupError::OtherLedger { .. }), "{error}");
    assert_eq!(world.last().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_prefixes_are_two_ledgers_in_two_streams() {
    let (world, other) = (World::new().await, World::with_prefix("acme.vault").await);
    for world in [&world, &other] {
        let service = world.serve().await;
        let admin = world.administrator().await;
        admin
            .send("key.generate", "a", json!({"algorithm": "ed25519"}))
            .await
            .unwrap();
        let report = world.verify(&admin).await;
        assert_eq!(report.prefix, world.organisation.prefix().as_str());
        let stored = world.stored().await;
        let prefix = format!("{}.events.", world.organisation.prefix());
        assert!(stored.iter().all(|e| e.subject.starts_with(&prefix)));
        service.stop().await;
    }
    let mut options = world.options();
    options.prefix = other.organisation.prefix();
    let error = refused(options).await;
    assert!(matches!(error, StartError::Stream(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_prefix_works_beside_the_first_on_the_same_server() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    admin
        .send("key.generate", "a", json!({"algorithm": "ed25519"}))
        .await
        .unwrap();
    let last = world.settled(&admin).await;
    // A stream of another prefix, in the same account: nothing of it is seen under this one.
    let client = world.connect(&world.organisation.creds("setup")).await;
    let second: keyledger_wire::Prefix = "vault".parse().unwrap();
    let config = JetStreamStore::config(&second, 1);
    assert_ne!(config.name, world.organisation.prefix().events_stream());
    jetstream::new(client.clone())
        .create_stream(config)
        .await
        .unwrap();
    JetStreamStore::open(client, &second).await.unwrap();
    let vault = Admin {
        client: keyledger_wire::Client::new(admin.client.nats().clone(), second),
    };
    let lost = tokio::time::timeout(
        Duration::from_millis(700),
        vault.send("key.generate", "b", json!({"algorithm": "ed25519"})),
    );
    assert!(
        lost.await.is_err(),
        "this organisation grants nothing under another prefix"
    );
    assert_eq!(world.last().await, last);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_without_genesis_is_not_served() {
    let world = World::bare("keys", |config| config).await;
    // Nothing is there.
    let error = refused(world.options()).await;
    assert!(
        matches!(error, StartError::Stream(OpenError::Missing { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("keyledger setup"), "{error}");
    // The streams, and no event.
    let client = world.connect(&world.organisation.creds("setup")).await;
    let prefix = world.organisation.prefix();
    let context = jetstream::new(client);
    context
        .create_stream(JetStreamStore::config(&prefix, 1))
        .await
        .unwrap();
    let error = refused(world.options()).await;
    assert!(error.to_string().contains("keyledger setup"), "{error}");
    // A bucket as `nats kv add` makes it: nothing in it could be erased.
    let bucket = jetstream::kv::Config {
        bucket: prefix.material_bucket(),
        history: 1,
        ..Default::default()
    };
    context.create_key_value(bucket).await.unwrap();
    let error = refused(world.options()).await.to_string();
    assert!(
        error.contains("KV_KEYS_MATERIAL has deny_delete = true"),
        "{error}"
    );
    let bucket = context.get_stream("KV_KEYS_MATERIAL").await.unwrap();
    let mut bucket = bucket.cached_info().config.clone();
    bucket.deny_delete = false;
    context.delete_stream(&bucket.name).await.unwrap();
    context.create_stream(bucket).await.unwrap();
    let error = refused(world.options()).await;
    assert!(matches!(error, StartError::NoGenesis), "{error}");
    assert!(error.to_string().contains("keyledger setup"), "{error}");
    // The remedy helps.
    world.set_up(1).await;
    world.serve().await.stop().await;
}

/// What nats-server does not set back is mended as the refusal says, with the creds of the setup and the plain `nats`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_is_restored_with_the_setting_put_right() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let body = json!({"algorithm": "ed25519", "activate": true});
    admin.send("key.generate", "before", body).await.unwrap();
    service.stop().await;

    let creds = world.organisation.creds("setup");
    let context = jetstream::new(world.connect(&creds).await);
    let stream = context.get_stream("KV_KEYS_MATERIAL").await.unwrap();
    let messages = stream.cached_info().state.messages;
    let mut spoilt = stream.cached_info().config.clone();
    spoilt.deny_delete = true;
    context.update_stream(&spoilt).await.unwrap();
    let said = refused(world.options()).await.to_string();
    let restore = "stream restore BACKUP --config FILE";
    assert!(
        said.contains("KV_KEYS_MATERIAL has deny_delete = true") && said.contains(restore),
        "{said}"
    );

    let text = std::fs::read_to_string(&creds).unwrap();
    let inbox = Holder::of(&text).unwrap().inbox();
    let url = world.server.url();
    let nats = Nats::new();
    let creds = creds.display().to_string();
    let fields = [
        ("url", &*url),
        ("creds", &*creds),
        ("inbox_prefix", &*inbox),
    ];
    nats.add_context_with("setup", fields);
    let run = async |arguments: &[&str]| {
        let arguments = [&["--context", "setup"][..], arguments].concat();
        nats.run(arguments).await.expect_success()
    };
    let (backup, file) = (world.path("backup"), world.path("put-right.json"));
    let (to, config) = (backup.to_str().unwrap(), file.to_str().unwrap());
    run(&["stream", "backup", "KV_KEYS_MATERIAL", to]).await;
    let kept = std::fs::read(backup.join("backup.json")).unwrap();
    let mut kept: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    assert_eq!(kept["config"]["deny_delete"], true, "{kept}");
    kept["config"]["deny_delete"] = false.into();
    std::fs::write(&file, kept.to_string()).unwrap();
    run(&["pub", "$JS.SNAPSHOT.RESTORE.TRY", "x"]).await;
    run(&["stream", "rm", "KV_KEYS_MATERIAL", "--force"]).await;
    run(&["stream", "restore", to, "--config", config]).await;

    let stream = context.get_stream("KV_KEYS_MATERIAL").await.unwrap();
    assert_eq!(stream.cached_info().state.messages, messages);
    let service = world.serve().await;
    // It opened what was sealed before: the ledger's own signing key, with which this is signed.
    let rotated = admin.send("key.rotate", "before", json!({})).await;
    rotated.unwrap();
    world.verify(&admin).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_with_other_settings_is_refused_by_name() {
    let world = World::new().await;
    let client = world.connect(&world.organisation.creds("setup")).await;
    let context = jetstream::new(client);
    let good = JetStreamStore::config(&world.organisation.prefix(), 1);
    for (setting, config) in [
        (
            "max_age",
            jetstream::stream::Config {
                max_age: Duration::from_secs(3_600),
                ..good.clone()
            },
        ),
        (
            "max_msgs",
            jetstream::stream::Config {
                max_messages: 1_000_000,
                ..good.clone()
            },
        ),
        (
            "max_bytes",
            jetstream::stream::Config {
                max_bytes: 1_000_000_000,
                ..good.clone()
            },
        ),
        (
            "allow_direct",
            jetstream::stream::Config {
                allow_direct: false,
                ..good.clone()
            },
        ),
    ] {
        context.update_stream(config).await.unwrap();
        let error = refused(world.options()).await;
        assert!(
            matches!(error, StartError::Stream(OpenError::Setting { setting: ref found, .. }) if found == setting),
            "{setting}: {error}"
        );
        assert!(
            error.to_string().contains("stream edit KEYS_EVENTS`"),
            "{error}"
        );
        context.update_stream(good.clone()).await.unwrap();
    }
    world.serve().await.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_said_within_seconds() {
    let (world, other) = (World::new().await, World::new().await);
    let mut options = world.options();
    options.service_creds = other.organisation.creds("service");
    let error = refused(options).await;
    let said = error.to_string();
    assert!(matches!(error, StartError::Connect { .. }), "{said}");
    assert!(
        said.contains("service.creds") && said.contains(&world.server.url()),
        "{said}"
    );
    // The right organisation's, and the wrong user's.
    let mut options = world.options();
    options.service_creds = world.organisation.creds("admin");
    refused(options).await;
    let mut options = world.options();
    options.service_creds = world.path("nowhere.creds");
    let error = refused(options).await;
    assert!(error.to_string().contains("nowhere.creds"), "{error}");
    // Nobody listens there.
    let mut options = world.options();
    "nats://127.0.0.1:1".clone_into(&mut options.url);
    let error = refused(options).await;
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

/// A queue is opened only once somebody writes to it: a start would wait without end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_in_the_place_of_a_file_is_refused() {
    let world = World::new().await;
    let queue = world.path("queue");
    let made = std::process::Command::new("mkfifo").arg(&queue).status();
    assert!(made.unwrap().success());
    type Spoil = fn(&mut keyledger_service::Options, std::path::PathBuf);
    let spoils: [Spoil; 4] = [
        |options, queue| options.attestation_test_root = Some(queue),
        |options, queue| options.service_creds = queue,
        |options, queue| options.tls_ca = Some(queue),
        |options, queue| options.tls_client = Some((queue.clone(), queue)),
    ];
    for spoil in spoils {
        let mut options = world.options();
        spoil(&mut options, queue.clone());
        let error = in_full(&refused(options).await);
        assert!(error.contains("it is no ordinary file"), "{error}");
    }
}
