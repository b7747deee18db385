//! A server that is cut off from the two others, and a cluster that is rolled back as a whole: the first harms nothing, and
//! the second is refused.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use keyledger_service::{Options, Service, StartError, handler::LoadError};
use keyledger_testkit::Proxy;
use keyledger_wire::Ids;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Admin, ClusterWorld, copy, eventually, eventually_within};

const LEDGER: &str = "KEYS_EVENTS";
/// How often a leader is cut off until an instance comes to it while it believes that it leads: for 10 to 20 s, of which the
/// others take 4 to 10 s to elect the next.
const TRIES: u32 = 4;
/// How long the instance stays there: until the old leader has given up, and longer than a contradiction is borne.
const STAYS: Duration = Duration::from_secs(30);
/// How long an election takes at most, and whatever follows it.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

async fn generate(admin: &Admin, key: &str) -> Result<Value, Value> {
    let body = json!({"algorithm": "ed25519"});
    admin.send("key.generate", key, body).await
}

/// Waits until a command is taken again.
async fn goes_on(admin: &Admin, key: &str) {
    let ids = Ids::root(Uuid::now_v7());
    eventually_within(SETTLED_WITHIN, "commands are taken again", || async {
        let body = json!({"algorithm": "ed25519"});
        let sent = admin.send_as("key.generate", key, body, ids);
        sent.await.is_ok()
    })
    .await;
}

fn knows(service: &Service, key: &str) -> bool {
    let ledger = service.live().ledger.read();
    ledger.key(&crate::world::name(key)).is_some()
}

/// An instance whose connections all go to one server, which can be another from now on.
async fn serve_behind_proxy(world: &ClusterWorld) -> (Service, Proxy) {
    let way = Proxy::to(world.cluster.server(0).port()).await;
    let url = format!("nats://127.0.0.1:{}", way.port());
    let service = world.serve_with(|options| options.url = url).await;
    (service, way)
}

/// Cuts the ledger's leader off and brings an instance that knows more than it there, while it believes that it leads; its index.
/// Who stays goes to another server.
async fn come_to_a_stale_leader(
    world: &ClusterWorld,
    (moved, way): (&Service, &Proxy),
    stays: &Proxy,
) -> usize {
    for cut in 0..TRIES {
        let stale = world.cluster.wait_for_stream_leader(LEDGER).await;
        let other = world.cluster.server((stale + 1) % 3);
        way.turn_to(other.port());
        stays.turn_to(other.port());
        let here = world.administrator_at(&other.url()).await;
        world.cluster.wait_until_current(LEDGER).await;
        world.cluster.cut_off(stale);
        let key = format!("meanwhile-{cut}");
        goes_on(&here, &key).await;
        eventually("the instance knows of it", || async { knows(moved, &key) }).await;
        way.turn_to(world.cluster.server(stale).port());
        let end = Instant::now() + Duration::from_secs(3);
        while Instant::now() < end {
            // Only what a leader says of an earlier end is a reason for doubt.
            if moved.live().doubt().is_some() {
                return stale;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // It has noticed before the instance came.
        world.cluster.rejoin(stale);
        world.cluster.wait_until_healthy().await;
    }
    panic!("no leader believed for long enough that it leads");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_leader_breaks_nothing_and_has_nothing_acknowledged() {
    let world = ClusterWorld::severable().await;
    let (stays, way_of_stays) = serve_behind_proxy(&world).await;
    let (moved, way) = serve_behind_proxy(&world).await;
    let stale = come_to_a_stale_leader(&world, (&moved, &way), &way_of_stays).await;
    let there = world
        .administrator_at(&world.cluster.server(stale).url())
        .await;
    let end = Instant::now() + STAYS;
    let mut sent = 0;
    while Instant::now() < end {
        sent += 1;
        let answer = generate(&there, &format!("there-{sent}")).await;
        let refused = answer.expect_err("it was acknowledged by a leader that was cut off");
        let reason = refused["reason"].as_str().unwrap_or("silence");
        let reasons = ["not_ready", "store_unavailable", "not_durable", "silence"];
        assert!(reasons.contains(&reason), "{refused}");
        assert_eq!(moved.live().broken(), None);
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    world.cluster.rejoin(stale);
    goes_on(&there, "afterwards").await;
    for service in [&moved, &stays] {
        eventually_within(SETTLED_WITHIN, "each instance goes on", || async {
            knows(service, "afterwards") && service.live().doubt().is_none()
        })
        .await;
        assert_eq!(service.live().broken(), None);
    }
    world.verify(&there).await;
    moved.stop().await;
    stays.stop().await;
}

fn with_snapshot(world: &ClusterWorld) -> Options {
    let mut options = world.options();
    options.snapshot = Some(world.path("snapshot"));
    options
}

/// The storage of one server's JetStream, and where it is kept meanwhile.
fn storage(world: &ClusterWorld, server: usize) -> (PathBuf, PathBuf) {
    let kept = world.path(&format!("kept-{server}"));
    let directory = world.cluster.server(server).directory();
    (directory.join("jetstream"), kept)
}

/// Stops all servers, does something with the storage of each, and starts them again.
async fn with_storage(world: &mut ClusterWorld, what: fn(PathBuf, PathBuf)) {
    for server in 0..3 {
        world.cluster.stop(server).await;
    }
    for server in 0..3 {
        let (storage, kept) = storage(world, server);
        what(storage, kept);
    }
    for server in 0..3 {
        world.cluster.restart(server).await;
    }
    world.cluster.wait_for_stream_leader(LEDGER).await;
    world.cluster.wait_until_healthy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_was_rolled_back_is_refused() {
    let mut world = ClusterWorld::new().await;
    let service = Service::start(with_snapshot(&world)).await.unwrap();
    let admin = world.administrator().await;
    generate(&admin, "before").await.unwrap();
    world.settled(&admin).await;
    with_storage(&mut world, |storage, kept| copy(&storage, &kept)).await;
    let last = world.last().await;
    goes_on(&admin, "lost").await;
    service.stop().await;

    let running = world.serve().await;
    with_storage(&mut world, |storage, kept| {
        fs::remove_dir_all(&storage).unwrap();
        copy(&kept, &storage);
    })
    .await;
    eventually_within(SETTLED_WITHIN, "the running instance sees it", || async {
        let answer = generate(&admin, "new").await;
        let refused = answer.expect_err("it was acknowledged onto a stream that was rolled back");
        refused["reason"] == "ledger_broken"
    })
    .await;
    let said = running.live().broken().unwrap();
    assert!(said.contains("rolled back"), "{said}");
    running.stop().await;
    match Service::start(with_snapshot(&world)).await {
        Err(StartError::Load(LoadError::RolledBack { .. })) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(world.last().await, last, "something was written");
}
