//! A ledger that was rolled back, cut, or taken over, on a real nats-server: nothing starts on it, and what runs stops.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use keyledger_domain::{
    EventCid, Ledger, Record,
    verify::{StoredEvent, Verifier, header},
};
use keyledger_service::{
    Options, Service, StartError,
    handler::LoadError,
    store::{Append, JetStreamStore, Store},
};
use keyledger_testkit::{Run, ledger::broken::take_over, run, tools};
use serde_json::{Value, json};

use crate::world::{Admin, World, copy, eventually};

/// The files of the ledger's stream.
fn stream(world: &World) -> PathBuf {
    let mut folders = vec![world.server.directory().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("streams/KEYS_EVENTS") {
                return path;
            }
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    panic!("the server keeps no ledger");
}

/// Copies the ledger's storage away, while the server stands.
async fn back_up(world: &mut World) -> PathBuf {
    world.server.stop().await;
    let kept = world.path("kept");
    copy(&stream(world), &kept);
    world.server.restart().await;
    kept
}

/// Puts older storage in the place of the ledger's.
async fn restore(world: &mut World, kept: &Path) {
    world.server.stop().await;
    let files = stream(world);
    fs::remove_dir_all(&files).unwrap();
    copy(kept, &files);
    world.server.restart().await;
}

/// Changes the one block of the ledger's stream on the disk of a server that stands; its index is made anew.
fn change(world: &World, how: impl FnOnce(&mut Vec<u8>)) {
    let msgs = stream(world).join("msgs");
    let entries = fs::read_dir(&msgs).unwrap();
    let entries = entries.map(|entry| entry.unwrap().path());
    let is_block = |path: &PathBuf| path.extension().is_some_and(|e| e == "blk");
    let blocks: Vec<_> = entries.filter(is_block).collect();
    assert_eq!(blocks.len(), 1, "{blocks:?}");
    let mut bytes = fs::read(&blocks[0]).unwrap();
    how(&mut bytes);
    fs::write(&blocks[0], bytes).unwrap();
    let _ = fs::remove_file(msgs.join("index.db"));
}

/// Where each event's record lies in a block: it begins with its length, in 32 bits of which the highest is a mark.
fn records(block: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut records = Vec::new();
    let mut at = 0;
    while at + 4 <= block.len() {
        let length = u32::from_le_bytes(block[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        let end = at + usize::try_from(length).unwrap();
        records.push(at..end);
        at = end;
    }
    records
}

async fn some_keys(admin: &Admin, names: &[&str]) {
    for name in names {
        let body = json!({"algorithm": "ed25519", "activate": true});
        admin.send("key.generate", name, body).await.unwrap();
    }
}

async fn revoke(admin: &Admin, key: &str) {
    let body = json!({"revocation_reason": "key_compromise", "reason": "laptop stolen"});
    admin.send("key.revoke", key, body).await.unwrap();
}

fn with_snapshot(world: &World) -> Options {
    let mut options = world.options();
    options.snapshot = Some(world.path("snapshot"));
    options
}

async fn serve(world: &World) -> Service {
    Service::start(with_snapshot(world)).await.unwrap()
}

async fn refused(options: Options) -> LoadError {
    match Service::start(options).await {
        Err(StartError::Load(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// Serves with a snapshot, writes, and stops: the snapshot knows the end.
async fn a_day(world: &World) {
    let service = serve(world).await;
    let admin = world.administrator().await;
    some_keys(&admin, &["a", "b", "c"]).await;
    world.settled(&admin).await;
    service.stop().await;
}

fn fold(stored: &[StoredEvent]) -> Ledger {
    let mut ledger = Ledger::new();
    for event in stored {
        let record = Record::read(&event.payload).unwrap();
        let cid = EventCid::of(&event.payload);
        ledger.apply(&record, cid, event.sequence).unwrap();
    }
    ledger
}

/// A stranger's events are written into the stream, with the service's own creds, which may publish there.
async fn intrude(world: &World, version: u32) {
    let ledger = fold(&world.stored().await);
    let admins = &world.organisation.admin_account;
    let stranger = nkeys::KeyPair::new_user();
    let client = world.connect(&world.organisation.creds("service")).await;
    let prefix = world.organisation.prefix();
    let store = JetStreamStore::open(client, &prefix).await.unwrap();
    for event in take_over(&ledger, version, admins, &stranger) {
        let append = Append {
            subject: event.subject,
            expected: None,
            headers: header::OF_THE_EVENT
                .map(|name| (name, event.headers[name].clone()))
                .into(),
            payload: event.payload.into(),
        };
        store.append(vec![append], None).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_write_to_the_stream_takes_nothing_over() {
    let world = World::new().await;
    a_day(&world).await;
    let sequence = world.last().await + 1;
    intrude(&world, 1).await;
    let mut verifier = Verifier::new(world.pinned());
    let stored = world.stored().await;
    let broken = stored.iter().find_map(|e| verifier.take(e).err());
    assert_eq!(broken.unwrap().sequence, sequence);
    for options in [with_snapshot(&world), world.options()] {
        let refused = refused(options).await;
        assert!(
            matches!(refused, LoadError::Broken { sequence: at, .. } if at == sequence),
            "{refused}"
        );
    }
    assert_eq!(world.last().await, sequence + 2, "a start wrote something");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_restart_forgets_no_broken_ledger() {
    let world = World::new().await;
    a_day(&world).await;
    let service = serve(&world).await;
    let last = world.last().await;
    intrude(&world, 2).await;
    eventually("it is found", || async {
        service.live().broken().is_some()
    })
    .await;
    service.stop().await;
    for _ in 0..2 {
        let refused = refused(with_snapshot(&world)).await;
        assert!(
            matches!(refused, LoadError::Broken { sequence, .. } if sequence == last + 1),
            "{refused}"
        );
    }
}

/// Runs the real CLI as the first administrator.
async fn cli(world: &World, arguments: &[&str]) -> Run {
    let mut command = Command::new(tools::keyledger());
    command
        .args(arguments)
        .arg("--dir")
        .arg(world.organisation.directory())
        .args(["--server", &world.server.url(), "--creds"])
        .arg(world.organisation.creds("admin"))
        .env("HOME", world.path(""))
        .current_dir(world.path(""));
    run(command, b"", Duration::from_secs(60)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_deleted_on_the_disk_are_missed() {
    let mut world = World::new().await;
    a_day(&world).await;
    let running = serve(&world).await;
    world.server.stop().await;
    let mut cut = 0;
    change(&world, |block| {
        let records = records(block);
        cut = records.len() - 8;
        block.drain(records[cut].start..records[cut + 4].start);
    });
    world.server.restart().await;
    // The events were folded long ago: it is the instance itself that looks for them again.
    eventually("the running instance misses them", || async {
        running.live().broken().is_some()
    })
    .await;
    let verified = cli(&world, &["ledger", "verify", "--json"]).await;
    assert_eq!(verified.code, Some(5), "{}", verified.stderr);
    let said: Value = serde_json::from_str(&verified.stdout).unwrap();
    assert_eq!(said["verified"], false, "{said}");
    let advice = "`keyledger ledger verify`";
    assert!(!verified.stderr.contains(advice), "{}", verified.stderr);
    let exported = cli(&world, &["ledger", "export"]).await;
    assert_eq!(exported.code, Some(5), "{}", exported.stderr);
    running.stop().await;
    let said = refused(world.options()).await.to_string();
    let missing = format!("sequences {} to {}", cut + 1, cut + 4);
    assert!(said.contains(&missing), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_instance_writes_nothing_onto_storage_of_yesterday() {
    let mut world = World::new().await;
    a_day(&world).await;
    let kept = back_up(&mut world).await;
    let last = world.last().await;
    let service = serve(&world).await;
    let admin = world.administrator().await;
    revoke(&admin, "a").await;
    restore(&mut world, &kept).await;
    eventually("it is seen", || async {
        let body = json!({"algorithm": "ed25519"});
        let done = admin.send("key.generate", "new", body).await;
        done.is_err_and(|refusal| refusal["reason"] == "ledger_broken")
    })
    .await;
    let said = service.live().broken().unwrap();
    assert!(said.contains("rolled back"), "{said}");
    assert_eq!(world.last().await, last, "something was written");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storage_of_yesterday_is_refused_until_it_is_accepted_once() {
    let mut world = World::new().await;
    a_day(&world).await;
    let kept = back_up(&mut world).await;
    let last = world.last().await;
    let service = serve(&world).await;
    let admin = world.administrator().await;
    revoke(&admin, "a").await;
    service.stop().await;
    restore(&mut world, &kept).await;
    let error = refused(with_snapshot(&world)).await;
    let said = error.to_string();
    assert!(matches!(error, LoadError::RolledBack { .. }), "{said}");
    assert!(said.contains("the snapshot proves it"), "{said}");
    assert!(said.contains("--accept-rollback"), "{said}");
    assert_eq!(world.last().await, last, "something was written");

    let mut options = with_snapshot(&world);
    options.accept_rollback = true;
    let service = Service::start(options).await.unwrap();
    // It is recorded before anything else is.
    let recorded = &world.stored().await[usize::try_from(last).unwrap()];
    let subject = "keys.events.operator.nats-operator.rollback_accepted";
    assert_eq!(recorded.subject, subject);
    assert_eq!(admin.key("a").await["state"], "active");
    world.verify(&admin).await;
    service.stop().await;
    serve(&world).await.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_lost_to_a_flipped_bit_is_missed() {
    let mut world = World::new().await;
    a_day(&world).await;
    world.server.stop().await;
    change(&world, |block| {
        let records = records(block);
        let third_last = &records[records.len() - 3];
        block[third_last.end - 40] ^= 1;
    });
    world.server.restart().await;
    let refused = refused(with_snapshot(&world)).await;
    assert!(matches!(refused, LoadError::RolledBack { .. }), "{refused}");
}
