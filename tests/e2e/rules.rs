//! Rules over several histories hold between two instances under load: whatever they looked at was still so when the events were stored.
//!
//! The answers are held against each other, and the stored events are folded one after the other: before each event the ledger must allow it.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use futures::future::{join, join_all, join3};
use keyledger_domain::{Event, EventCid, Ledger, Name, Record, Role, key, principal, user};
use serde_json::{Value, json};

use crate::{
    credentials::issue,
    world::{Admin, World},
};

/// How many senders race at once, and how often each.
const RACERS: usize = 16;
const ROUNDS: usize = 6;

/// Sends, and counts what was answered.
struct Racer {
    admin: Admin,
    answered: Arc<AtomicUsize>,
}

impl Racer {
    async fn send(&self, verb: &str, name: &str, body: Value) -> Result<Value, Value> {
        let answer = self.admin.send(verb, name, body).await;
        self.answered.fetch_add(1, Ordering::Relaxed);
        answer
    }

    async fn sent(&self, verb: &str, name: &str, body: Value) {
        self.send(verb, name, body).await.unwrap();
    }

    /// Two users want one nkey.
    async fn nkey(&self, round: &str) {
        let nkey = nkeys::KeyPair::new_user().public_key();
        let body = json!({"account": "admin", "role": "auditor", "nkey": nkey});
        let (one, other) = (format!("one-{round}"), format!("other-{round}"));
        let (one, other) = join(
            self.send("user.issue", &one, body.clone()),
            self.send("user.issue", &other, body),
        )
        .await;
        assert!(one.is_ok() != other.is_ok(), "{one:?}\n{other:?}");
    }

    /// Two units want to belong to each other.
    async fn units(&self, round: &str) {
        let (a, b) = (format!("a-{round}"), format!("b-{round}"));
        for unit in [&a, &b] {
            let body = json!({"kind": "unit", "title": unit});
            self.sent("principal.register", unit, body).await;
        }
        let (one, other) = join(
            self.send("principal.describe", &a, json!({"unit": b})),
            self.send("principal.describe", &b, json!({"unit": a})),
        )
        .await;
        assert!(one.is_ok() != other.is_ok(), "{one:?}\n{other:?}");
    }

    /// A person leaves while a user and a key are given to it.
    async fn owner(&self, round: &str) {
        let person = format!("person-{round}");
        let body = json!({"kind": "person", "title": person});
        self.sent("principal.register", &person, body).await;
        let nkey = nkeys::KeyPair::new_user().public_key();
        let user =
            json!({"account": "admin", "role": "auditor", "nkey": nkey, "principal": person});
        let key = json!({"algorithm": "ed25519", "owner": person});
        let (offboarded, ..) = join3(
            self.send("principal.offboard", &person, json!({"reason": "left"})),
            self.send("user.issue", &format!("user-{round}"), user),
            self.send("key.generate", &format!("key-{round}"), key),
        )
        .await;
        offboarded.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_rule_is_lost_between_two_instances_under_load() {
    let world = World::new().await;
    let (first, second) = (world.serve().await, world.serve().await);
    let admin = world.administrator().await;
    let answered = Arc::<AtomicUsize>::default();
    let began = Instant::now();
    let racers = (0..RACERS).map(|racer| {
        let racer = (racer, admin.clone(), Arc::clone(&answered));
        tokio::spawn(async move {
            let (number, admin, answered) = racer;
            let racer = Racer { admin, answered };
            for round in 0..ROUNDS {
                let round = format!("{number}-{round}");
                join3(racer.nkey(&round), racer.units(&round), racer.owner(&round)).await;
            }
        })
    });
    for raced in join_all(racers).await {
        raced.unwrap();
    }
    let (count, took) = (answered.load(Ordering::Relaxed), began.elapsed());
    println!(
        "{count} commands that read other histories, two instances: {:.0}/s",
        count as f64 / took.as_secs_f64()
    );
    duel(&world, admin).await;
    hold(&world).await;
    first.stop().await;
    second.stop().await;
}

/// The only two administrators revoke each other, again and again: each time one of them stays.
async fn duel(world: &World, admin: Admin) {
    let mut stays = ("admin".to_owned(), admin);
    for round in 0..5 {
        let name = format!("admin-{round}");
        let body = json!({"account": "admin", "role": "administrator"});
        let creds = issue(world, &stays.1, &name, body).await;
        let client = world.connect(&creds).await;
        let client = keyledger_wire::Client::new(client, world.organisation.prefix());
        let other = (name, Admin { client });
        let why = json!({"reason": "a duel"});
        let (of_other, of_this) = join(
            stays.1.send("user.revoke", &other.0, why.clone()),
            other.1.send("user.revoke", &stays.0, why),
        )
        .await;
        assert!(
            of_other.is_ok() != of_this.is_ok(),
            "{of_other:?}\n{of_this:?}"
        );
        if of_this.is_ok() {
            stays = other;
        }
    }
}

/// Folds what is stored, event by event, and asks of each whether the rules held when it was stored.
async fn hold(world: &World) {
    let mut ledger = Ledger::new();
    let mut nkeys = BTreeSet::new();
    let (mut left, mut issued) = (0, 0);
    for stored in world.stored().await {
        let record = Record::read(&stored.payload).unwrap();
        let acts = |principal: &Name| {
            let principal = ledger.principal(principal);
            principal.is_some_and(|principal| principal.state.offboarded_at.is_none())
        };
        let subject = &stored.subject;
        if let Event::User(user::Event::Issued(new)) = &record.event {
            issued += 1;
            let is_new = nkeys.insert(new.nkey.clone());
            assert!(is_new, "{subject}: its nkey is another's");
            let principal = new.principal.as_ref();
            assert!(
                principal.is_none_or(acts),
                "{subject}: it stands for who has left"
            );
        }
        if let Event::Key(key::Event::Generated(new)) = &record.event {
            let owner = new.description.owner.as_ref();
            assert!(
                owner.is_none_or(acts),
                "{subject}: it belongs to who has left"
            );
        }
        if let Event::Principal(principal::Event::Offboarded(_)) = &record.event {
            left += 1;
        }
        let cid = EventCid::of(&stored.payload);
        ledger.apply(&record, cid, stored.sequence).unwrap();
        if let Event::Principal(_) = &record.event {
            assert!(
                !is_below_itself(&ledger, &record.history.name),
                "{subject}: a circle"
            );
        }
        if let Event::User(user::Event::Revoked(_)) = &record.event {
            let commands = ledger.users().any(|(_, user)| {
                user.state.role == Some(Role::Administrator) && user.state.revoked_at.is_none()
            });
            assert!(commands, "{subject}: nobody commands any more");
        }
    }
    assert_eq!(left, RACERS * ROUNDS);
    assert!(issued > RACERS * ROUNDS, "{issued}");
}

fn is_below_itself(ledger: &Ledger, unit: &Name) -> bool {
    let above = |name: &Name| ledger.principal(name)?.state.unit.as_ref();
    let mut next = above(unit);
    for _ in 0..ledger.principals().count() {
        match next {
            Some(name) if name == unit => return true,
            Some(name) => next = above(name),
            None => return false,
        }
    }
    true
}
