//! Dates: what was yesterday, what falls due, and a clock that jumped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use keyledger_domain::Timestamp;
use keyledger_service::{Service, handler::Clock};
use serde_json::{Value, json};

use crate::world::{Admin, World, eventually, now};

const DAY_MS: i64 = 86_400_000;

/// A clock that tells what it is told.
#[derive(Clone)]
struct Hand(Arc<AtomicI64>);

impl Hand {
    fn at(time: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(time.ms())))
    }

    fn ahead(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::Relaxed))
    }

    fn clock(&self) -> Option<Clock> {
        let hand = self.clone();
        Some(Arc::new(move || hand.now()))
    }
}

/// A moment so many milliseconds from now, as the world has it.
fn soon(ms: i64) -> Value {
    json!(Timestamp::from_ms(now().ms() + ms))
}

async fn events(admin: &Admin, key: &str) -> Vec<String> {
    let timeline = admin.ask(&format!("history.key.{key}"), json!({})).await;
    let timeline = timeline.as_array().unwrap().iter();
    timeline
        .map(|e| e["event"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_inventory_gives_yesterdays_answer() {
    let world = World::new().await;
    let hand = Hand::at(Timestamp::from_ms(now().ms() + DAY_MS));
    let service = world
        .serve_with(|options| {
            options.clock = hand.clock();
            options.accept_clock = true;
        })
        .await;
    let admin = world.administrator().await;
    let body = json!({"algorithm": "ed25519", "activate": true, "title": "of the first day"});
    admin.send("key.generate", "a", body).await.unwrap();
    let first_day = hand.now();
    hand.ahead(DAY_MS);
    let body = json!({"revocation_reason": "key_compromise", "reason": "laptop stolen"});
    admin.send("key.revoke", "a", body).await.unwrap();
    admin
        .send("key.generate", "b", json!({"algorithm": "ed25519"}))
        .await
        .unwrap();
    let second_day = hand.now();

    let at = async |at: Timestamp, name: &str| {
        let page = admin
            .ask("inventory.locate", json!({"name": name, "at": at}))
            .await;
        let rows = page["rows"].as_array().unwrap();
        rows.first()
            .map(|row| row["state"].as_str().unwrap().to_owned())
    };
    assert_eq!(at(first_day, "a").await.as_deref(), Some("active"));
    assert_eq!(at(first_day, "b").await, None);
    assert_eq!(at(second_day, "a").await.as_deref(), Some("compromised"));
    assert_eq!(at(second_day, "b").await.as_deref(), Some("pre-active"));
    let before = Timestamp::from_ms(first_day.ms() - 1);
    assert_eq!(at(before, "a").await, None);
    // Now is the second day.
    assert_eq!(admin.key("a").await["state"], "compromised");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_falls_due_becomes_an_event() {
    let world = World::new().await;
    let instances = (world.serve().await, world.serve().await);
    let admin = world.administrator().await;
    let body =
        json!({"algorithm": "ed25519", "activation_at": soon(900), "protect_stop_at": soon(1_800)});
    let done = admin.send("key.generate", "a", body).await.unwrap();
    assert_eq!(done["state"], "pre-active");
    eventually("it has come to its end", || async {
        admin.key("a").await["state"] == "deactivated"
    })
    .await;
    // Two instances saw the dates, and each fell due once.
    assert_eq!(
        events(&admin, "a").await,
        ["generated", "activated", "deactivated"]
    );
    let timeline = admin.ask("history.key.a", json!({})).await;
    assert_eq!(timeline[1]["who"]["verified_by"], "service");
    let row = admin.key("a").await;
    assert!(
        row["activated_at"].as_str() >= row["activation_at"].as_str(),
        "{row}"
    );
    world.verify(&admin).await;
    instances.0.stop().await;
    instances.1.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fell_due_while_nobody_served_fires_once_at_the_next_start() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let body = json!({"algorithm": "ed25519", "activation_at": soon(700)});
    admin.send("key.generate", "a", body).await.unwrap();
    service.stop().await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    let instances = (world.serve().await, world.serve().await);
    eventually("it is active", || async {
        admin.key("a").await["state"] == "active"
    })
    .await;
    instances.0.stop().await;
    instances.1.stop().await;
    let service = world.serve().await;
    assert_eq!(events(&admin, "a").await, ["generated", "activated"]);
    service.stop().await;
}

/// Serves under a clock of which the time that it is ahead comes later; it is taken for right only where that is `accepted`.
async fn jumping(world: &World, accepted: bool) -> (Service, Arc<AtomicI64>) {
    let ahead = Arc::new(AtomicI64::new(0));
    let by = Arc::clone(&ahead);
    let clock: Clock =
        Arc::new(move || Timestamp::from_ms(now().ms() + by.load(Ordering::Relaxed)));
    let service = world
        .serve_with(|options| {
            options.clock = Some(clock);
            options.accept_clock = accepted;
        })
        .await;
    (service, ahead)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumped_fires_nothing() {
    let world = World::new().await;
    let (service, ahead) = jumping(&world, false).await;
    let admin = world.administrator().await;
    let far = soon(200 * DAY_MS);
    let body = json!({"algorithm": "ed25519", "activate": true, "protect_stop_at": far});
    admin.send("key.generate", "a", body).await.unwrap();
    ahead.store(300 * DAY_MS, Ordering::Relaxed);
    // Longer than the scheduler ever naps.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(events(&admin, "a").await, ["generated", "activated"]);
    let status = admin.ask("status", json!({})).await;
    assert!(
        status["clock_ahead_ms"].as_i64().unwrap() > 299 * DAY_MS,
        "{status}"
    );
    // Set right again, what is due then still fires.
    ahead.store(0, Ordering::Relaxed);
    let body = json!({"algorithm": "ed25519", "activation_at": soon(500)});
    admin.send("key.generate", "b", body).await.unwrap();
    eventually("the right clock fires", || async {
        admin.key("b").await["state"] == "active"
    })
    .await;
    assert_eq!(events(&admin, "a").await, ["generated", "activated"]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_refused_while_the_clocks_are_apart() {
    let world = World::new().await;
    let (service, ahead) = jumping(&world, false).await;
    let admin = world.administrator().await;
    world.settled(&admin).await;
    let body = || json!({"algorithm": "ed25519", "activate": true});
    for (n, jump) in [DAY_MS / 2, -365 * DAY_MS, 61_000, -61_000]
        .into_iter()
        .enumerate()
    {
        let last = world.last().await;
        // From the very first command: nothing need be compared first.
        ahead.store(jump, Ordering::Relaxed);
        let refused = admin.send("key.generate", "a", body()).await.unwrap_err();
        assert_eq!(refused["reason"], "clock_skewed", "{refused}");
        assert_eq!(refused["code"], 503, "{refused}");
        assert_eq!(world.last().await, last, "something was written");
        // Set right, it is believed at once.
        ahead.store(0, Ordering::Relaxed);
        let name = format!("k{n}");
        admin.send("key.generate", &name, body()).await.unwrap();
    }
    // Within NTP's reach nothing is refused, and nothing is dated before what was there.
    ahead.store(20_000, Ordering::Relaxed);
    admin.send("key.generate", "fast", body()).await.unwrap();
    ahead.store(-20_000, Ordering::Relaxed);
    admin.send("key.generate", "slow", body()).await.unwrap();
    let moment = async |key: &str| admin.key(key).await["activated_at"].clone();
    let (fast, slow) = (moment("fast").await, moment("slow").await);
    assert!(fast.as_str() <= slow.as_str(), "{fast} {slow}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_is_ahead_of_every_clock_is_not_written_to() {
    let world = World::new().await;
    let (service, ahead) = jumping(&world, true).await;
    let admin = world.administrator().await;
    ahead.store(DAY_MS, Ordering::Relaxed);
    let body = || json!({"algorithm": "ed25519", "activate": true});
    admin
        .send("key.generate", "tomorrow", body())
        .await
        .unwrap();
    service.stop().await;
    // The clock was set right. Nobody can say which of the two is: the ledger's time or this one.
    let service = world.serve().await;
    let refused = admin.send("key.generate", "a", body()).await.unwrap_err();
    assert_eq!(refused["reason"], "clock_skewed", "{refused}");
    let said = refused["message"].as_str().unwrap();
    assert!(said.contains("--accept-clock"), "{said}");
    service.stop().await;
    let service = world
        .serve_with(|options| options.accept_clock = true)
        .await;
    admin.send("key.generate", "a", body()).await.unwrap();
    // What falls due in twelve hours does so by the clock, not by the ledger's time.
    let soon = soon(DAY_MS / 2);
    let later = json!({"algorithm": "ed25519", "activation_at": soon});
    admin.send("key.generate", "b", later).await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(admin.key("b").await["state"], "pre-active");
    world.verify(&admin).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_without_dates_get_those_of_their_class_and_show_when_they_expire() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    for (key, body, class, days) in [
        ("tls", json!({"algorithm": "ed25519"}), "other", 730),
        (
            "disk",
            json!({"algorithm": "aes-256", "purposes": ["encrypt"]}),
            "data",
            90,
        ),
        (
            "ca",
            json!({"algorithm": "p-384", "purposes": ["certify"]}),
            "certificate",
            1_825,
        ),
    ] {
        let mut body = body;
        body["activate"] = json!(true);
        admin.send("key.generate", key, body).await.unwrap();
        let row = admin.key(key).await;
        assert_eq!(row["class"], class, "{row}");
        assert_eq!(row["rotation_period_days"], days, "{row}");
        let due: Timestamp = serde_json::from_value(row["rotation_due_at"].clone()).unwrap();
        let from: Timestamp = serde_json::from_value(row["activated_at"].clone()).unwrap();
        assert_eq!(due.ms() - from.ms(), days * DAY_MS);
    }
    let expiring = async |days: u16| {
        let question = json!({"expiring_days": days, "sort": "rotation_due_at"});
        let page = admin.ask("inventory.locate", question).await;
        let rows = page["rows"].as_array().unwrap().clone();
        let mine = rows
            .iter()
            .filter_map(|row| row["name"].as_str().map(str::to_owned));
        mine.filter(|name| ["tls", "disk", "ca"].contains(&name.as_str()))
            .collect::<Vec<_>>()
    };
    assert_eq!(expiring(89).await, Vec::<String>::new());
    assert_eq!(expiring(91).await, ["disk"]);
    assert_eq!(expiring(731).await, ["disk", "tls"]);
    assert_eq!(expiring(1_826).await, ["disk", "tls", "ca"]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_that_falls_due_is_recorded_until_it_is_done() {
    let world = World::new().await;
    let (service, ahead) = jumping(&world, true).await;
    let admin = world.administrator().await;
    let body = json!({"algorithm": "ed25519", "activate": true, "rotation_period_days": 1});
    admin.send("key.generate", "a", body).await.unwrap();
    // A day later, less a moment: the day's rotation falls due in that moment.
    ahead.store(DAY_MS - 500, Ordering::Relaxed);
    eventually("the rotation is due", || async {
        admin.key("a").await["rotation_overdue"] == true
    })
    .await;
    assert_eq!(
        events(&admin, "a").await,
        ["generated", "activated", "rotation_due"]
    );
    let done = admin.send("key.rotate", "a", json!({})).await.unwrap();
    assert_eq!(done["state"], "active");
    assert_eq!(admin.key("a").await["rotation_overdue"], false);
    service.stop().await;
}
