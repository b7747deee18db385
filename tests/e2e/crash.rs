//! kill -9 in mid-load: what was acknowledged is there, and nothing was done twice.

use std::process::Command;

use futures::{StreamExt as _, stream};
use keyledger_service::Service;
use keyledger_testkit::{PATIENCE, Process, tools};
use keyledger_wire::Ids;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use crate::{
    load::{Load, nothing_lost_but, nothing_lost_nothing_twice},
    world::{Admin, World, eventually},
};

const SENDERS: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_that_was_acknowledged() {
    let mut world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let load = Load::start(&admin, SENDERS);
    for _ in 0..2 {
        load.more(200).await;
        world.server.kill9();
        world.server.restart().await;
    }
    load.more(200).await;
    let acks = load.finish().await;
    nothing_lost_nothing_twice(&world, &admin, &acks).await;
    service.stop().await;
}

/// An instance that can be lost as if its process were killed.
struct Mortal {
    runtime: Runtime,
    service: Service,
}

impl Mortal {
    async fn start(world: &World) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let start = Service::start(world.options());
        let service = runtime.spawn(start).await.unwrap().unwrap();
        Self { runtime, service }
    }

    /// Every task ends where it stands, and the connections with them.
    fn kill(self) {
        self.runtime.shutdown_background();
        drop(self.service);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_service_loses_nothing_that_was_acknowledged() {
    let world = World::new().await;
    let admin = world.administrator().await;
    let mut instance = Mortal::start(&world).await;
    let load = Load::start(&admin, SENDERS);
    for _ in 0..3 {
        load.more(200).await;
        instance.kill();
        instance = Mortal::start(&world).await;
    }
    load.more(200).await;
    let acks = load.finish().await;
    nothing_lost_nothing_twice(&world, &admin, &acks).await;
    instance.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_instances_killed_is_not_noticed() {
    let world = World::new().await;
    let admin = world.administrator().await;
    let (first, second) = (Mortal::start(&world).await, Mortal::start(&world).await);
    let load = Load::start(&admin, SENDERS);
    load.more(200).await;
    first.kill();
    load.more(400).await;
    let acks = load.finish().await;
    nothing_lost_nothing_twice(&world, &admin, &acks).await;
    second.kill();
}

/// `keyledger serve` on this world's server, with a fault point if one is named.
async fn serve(world: &World, fault_point: Option<&str>) -> Process {
    let mut command = Command::new(tools::keyledger());
    command
        .args(["serve", "--url", &world.server.url(), "--dir"])
        .arg(world.organisation.directory());
    if let Some(point) = fault_point {
        command.env("KEYLEDGER_FAULT_POINT", point);
    }
    let mut process = Process::spawn(command);
    process.wait_for_line("serving", PATIENCE).await;
    process
}

/// What cannot go on ends the process, whichever task it was; a service that lacks one of its tasks would take what it does not do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_ends_the_process_with_the_reason_and_nothing_is_lost() {
    for point in ["engine", "endpoint", "effect"] {
        let world = World::new().await;
        let admin = world.administrator().await;
        let mut process = serve(&world, Some(&format!("{point}:unlucky"))).await;
        let load = Load::start(&admin, SENDERS);
        load.more(100).await;
        let (verb, body) = match point {
            // Its material is to be erased.
            "effect" => {
                let body = json!({ "algorithm": "ed25519" });
                admin.send("key.generate", "unlucky", body).await.unwrap();
                ("key.destroy", json!({ "reason": "not needed" }))
            }
            _ => ("key.generate", json!({ "algorithm": "ed25519" })),
        };
        let ids = Ids::root(Uuid::now_v7());
        let asked = {
            let (admin, body) = (admin.clone(), body.clone());
            tokio::spawn(async move { admin.send_as(verb, "unlucky", body, ids).await })
        };
        let ended = process.wait(PATIENCE).await;
        assert_eq!(ended.code(), Some(70), "{point}");
        let said = process.stderr();
        let reason = format!("fault point {point}, over unlucky");
        assert!(said.contains(&reason), "{point}: {said}");

        let mut next = serve(&world, None).await;
        load.more(100).await;
        let acks = load.finish().await;
        let destroyed: &[&str] = if point == "effect" { &["unlucky"] } else { &[] };
        nothing_lost_but(&world, &admin, &acks, destroyed).await;
        // Under its id it goes on, also if nobody heard that it was done.
        drop(asked.await.unwrap());
        let done = admin.send_as(verb, "unlucky", body, ids).await.unwrap();
        assert_eq!(done["status"], "accepted", "{point}");
        if point == "effect" {
            eventually("the material is erased", || async {
                let erased = "keys.events.key.unlucky.material_erased";
                world.stored().await.iter().any(|e| e.subject == erased)
            })
            .await;
        }
        assert!(next.terminate().await.success(), "{}", next.stderr());
    }
}

/// More than three decisions of an offboarding hand over.
const OWNED: usize = 3_000;

/// How many keys somebody answers for.
async fn owned(admin: &Admin, owner: &str) -> u64 {
    let page = admin
        .ask("inventory.locate", json!({ "owner": owner, "limit": 1 }))
        .await;
    page["total"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offboarding_that_is_cut_off_half_way_is_finished_by_the_next_start() {
    let world = World::new().await;
    let admin = world.administrator().await;
    let mut instance = Mortal::start(&world).await;
    let person = |name: &str| json!({ "kind": "person", "title": name });
    admin
        .send("principal.register", "heir", person("heir"))
        .await
        .unwrap();
    let mut inherited = 0;
    for round in 0..5 {
        let leaver = format!("leaver-{round}");
        admin
            .send("principal.register", &leaver, person(&leaver))
            .await
            .unwrap();
        let user = json!({ "role": "auditor", "account": "admin", "principal": leaver, "nkey": nkeys::KeyPair::new_user().public_key() });
        admin.send("user.issue", &leaver, user).await.unwrap();
        let made = stream::iter(0..OWNED).map(|n| {
            let (admin, leaver) = (&admin, &leaver);
            async move {
                let body = json!({ "algorithm": "ed25519", "owner": leaver });
                let name = format!("{leaver}-key-{n}");
                admin.send("key.generate", &name, body).await.unwrap();
            }
        });
        made.buffer_unordered(SENDERS).collect::<Vec<_>>().await;
        let leave = json!({ "reason": "left", "to": "heir" });
        admin
            .send("principal.offboard", &leaver, leave)
            .await
            .unwrap();
        instance.kill();
        let events = world.stored().await;
        let handed = |subject: &str| {
            subject.starts_with(&format!("keys.events.key.{leaver}-"))
                && subject.ends_with(".handed_over")
        };
        let done = events.iter().filter(|event| handed(&event.subject)).count();
        // Its user ended with the command itself, whatever else was left.
        let revoked = format!("keys.events.user.{leaver}.revoked");
        assert!(events.iter().any(|event| event.subject == revoked));
        instance = Mortal::start(&world).await;
        inherited += OWNED;
        eventually("nothing is the leaver's any more", || async {
            owned(&admin, &leaver).await == 0
        })
        .await;
        assert_eq!(owned(&admin, "heir").await, inherited as u64);
        println!("cut off after {done} of {OWNED}");
        if done < OWNED {
            let _ = world.verify(&admin).await;
            instance.kill();
            return;
        }
    }
    panic!("each offboarding was finished before it was cut off");
}
