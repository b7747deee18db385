//! Rules over several histories hold whatever comes at the same moment, at one instance and at two.

use std::ops::Range;

use futures::future::{join_all, join3};
use keyledger_domain::{Ledger, Record};
use keyledger_service::Service;
use serde_json::{Value, json};

use crate::{
    credentials::issue,
    world::{Admin, World, eventually, name},
};

async fn register(admin: &Admin, person: &str) {
    let body = json!({"kind": "person", "title": person});
    admin
        .send("principal.register", person, body)
        .await
        .unwrap();
}

/// Offboards a person while a user and a key are given to him, again and again.
async fn offboarding(world: &World, admin: &Admin, service: &Service, rounds: Range<usize>) {
    for round in rounds {
        let person = format!("person-{round}");
        register(admin, &person).await;
        let nkey = nkeys::KeyPair::new_user().public_key();
        let user =
            json!({"account": "admin", "role": "auditor", "nkey": nkey, "principal": person});
        let key = json!({"algorithm": "ed25519", "owner": person});
        let (user_name, key_name) = (format!("user-{round}"), format!("key-{round}"));
        let (offboarded, user, key) = join3(
            admin.send("principal.offboard", &person, json!({"reason": "left"})),
            admin.send("user.issue", &user_name, user),
            admin.send("key.generate", &key_name, key),
        )
        .await;
        service.live().reached(world.last().await).await;
        let ledger = service.live().ledger.read();
        let said = format!("{offboarded:?}\n{user:?}\n{key:?}");
        let gone = ledger.principal(&name(&person)).unwrap();
        if gone.state.offboarded_at.is_none() {
            continue;
        }
        let lives = ledger
            .user(&name(&user_name))
            .is_some_and(|u| u.state.revoked_at.is_none());
        assert!(!lives, "a user of nobody lives on: {said}");
        let owned = ledger
            .key(&name(&key_name))
            .is_some_and(|k| k.state.owner == Some(name(&person)));
        assert!(!owned, "a key belongs to who has left: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_given_to_a_person_who_is_offboarded_meanwhile() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    offboarding(&world, &admin, &service, 0..20).await;
    let second = world.serve().await;
    offboarding(&world, &admin, &service, 20..40).await;
    world.verify(&admin).await;
    second.stop().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_nkey_is_given_to_one_user_only() {
    let world = World::new().await;
    let (first, second) = (world.serve().await, world.serve().await);
    let admin = world.administrator().await;
    for round in 0..5 {
        let nkey = nkeys::KeyPair::new_user().public_key();
        let users = (0..6).map(|n| {
            let (admin, nkey) = (&admin, &nkey);
            async move {
                let body = json!({"account": "admin", "role": "auditor", "nkey": nkey});
                admin
                    .send("user.issue", &format!("u{round}-{n}"), body)
                    .await
            }
        });
        let answers = join_all(users).await;
        let accepted = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(accepted, 1, "{answers:?}");
    }
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_do_not_come_to_belong_to_each_other() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    for round in 0..6 {
        let (a, b) = (format!("a{round}"), format!("b{round}"));
        for unit in [&a, &b] {
            let body = json!({"kind": "unit", "title": unit});
            admin.send("principal.register", unit, body).await.unwrap();
        }
        let answers = join_all([
            admin.send("principal.describe", &a, json!({"unit": b})),
            admin.send("principal.describe", &b, json!({"unit": a})),
        ])
        .await;
        let accepted = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(accepted, 1, "{answers:?}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_revoked_users_is_written_behind_his_revocation() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let body = json!({"account": "admin", "role": "administrator"});
    let creds = issue(&world, &admin, "leaver", body).await;
    let leaver = Admin {
        client: keyledger_wire::Client::new(
            world.connect(&creds).await,
            world.organisation.prefix(),
        ),
    };
    // Slow ones and quick ones, under way while he is revoked.
    let commands = (0..40).map(|n| {
        let leaver = leaver.clone();
        tokio::spawn(async move {
            let algorithm = if n % 8 == 0 { "rsa-3072" } else { "ed25519" };
            let body = json!({"algorithm": algorithm});
            let key = format!("k{n}");
            let sent = leaver.send("key.generate", &key, body);
            let _ = tokio::time::timeout(std::time::Duration::from_secs(10), sent).await;
        })
    });
    let commands: Vec<_> = commands.collect();
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    admin
        .send("user.revoke", "leaver", json!({"reason": "left"}))
        .await
        .unwrap();
    // Whatever custody still makes for him comes to nothing.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let mut revoked = false;
    let mut of_his = 0;
    for event in world.stored().await {
        let record = Record::read(&event.payload).unwrap();
        if event.subject.ends_with("user.leaver.revoked") {
            revoked = true;
        } else if record.principal.name.as_deref() == Some("leaver") {
            assert!(!revoked, "{} came behind his revocation", event.subject);
            of_his += 1;
        }
    }
    assert!(revoked);
    println!("{of_his} of his events came before");
    for command in commands {
        command.abort();
    }
    world.verify(&admin).await;
    service.stop().await;
}

/// A fold is the same however the acknowledgements came: authority must not change with a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_written_by_two_folds_alike() {
    let world = World::new().await;
    let (first, second) = (world.serve().await, world.serve().await);
    let admin = world.administrator().await;
    register(&admin, "owner").await;
    let sends = (0..120).map(|n: u32| {
        let admin = admin.clone();
        async move {
            let body: Value = match n % 3 {
                0 => json!({"algorithm": "ed25519", "owner": "owner"}),
                1 => json!({"algorithm": "ed25519", "activate": true}),
                _ => json!({"account": "admin", "role": "auditor", "nkey": nkeys::KeyPair::new_user().public_key()}),
            };
            let verb = if n % 3 == 2 { "user.issue" } else { "key.generate" };
            admin.send(verb, &format!("n{n}"), body).await.unwrap();
        }
    });
    join_all(sends).await;
    let last = world.settled(&admin).await;
    first.live().reached(last).await;
    second.live().reached(last).await;
    let mut anew = Ledger::new();
    for event in world.stored().await {
        let record = Record::read(&event.payload).unwrap();
        let cid = keyledger_domain::EventCid::of(&event.payload);
        anew.apply(&record, cid, event.sequence).unwrap();
    }
    assert!(*first.live().ledger.read() == anew);
    assert!(*second.live().ledger.read() == anew);
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rotation_that_is_asked_for_at_once_takes_place() {
    let world = World::new().await;
    let (first, second) = (world.serve().await, world.serve().await);
    let admin = world.administrator().await;
    let body = json!({"algorithm": "ed25519", "activate": true});
    admin.send("key.generate", "k", body).await.unwrap();
    for key in ["k", "ledger-signing"] {
        let rotations = (0..5).map(|_| admin.send("key.rotate", key, json!({})));
        for answer in join_all(rotations).await {
            answer.unwrap();
        }
        // The instance that is asked may be a moment behind the one that answered.
        let is_there = || async { admin.key(key).await["version"] == 6 };
        eventually(&format!("the sixth version of {key} is there"), is_there).await;
    }
    world.verify(&admin).await;
    first.stop().await;
    second.stop().await;
}
