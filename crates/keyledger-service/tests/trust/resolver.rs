//! Account JWTs on real servers: pushed, confirmed, and put right again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::{Client, ConnectOptions, Event};
use keyledger_claims::{AccountBody, decode};
use keyledger_custody::{NkeySigner, UserSeed, Vault};
use keyledger_domain::Name;
use keyledger_service::{
    Options, Service, StartError,
    trust::{Organisation, initialise, setup},
};
use keyledger_testkit::{Cluster, PATIENCE};
use keyledger_wire::Ids;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::support::{World, options};

pub(crate) async fn serve(organisation: &Organisation, url: String) -> Service {
    serve_with(organisation, url, |_| {}).await.unwrap()
}

/// An instance with other options.
pub(crate) async fn serve_with(
    organisation: &Organisation,
    url: String,
    change: impl FnOnce(&mut Options),
) -> Result<Service, StartError> {
    let mut options = Options {
        url,
        service_creds: organisation.creds("service"),
        system_creds: organisation.creds("system"),
        tls_ca: None,
        tls_client: None,
        prefix: organisation.prefix(),
        vault: Arc::new(Vault::opened(organisation.custody(None).unwrap())),
        snapshot: None,
        directory: Some(organisation.directory().to_owned()),
        genesis: None,
        accept_rollback: false,
        accept_clock: false,
        accept_data_loss: false,
        attestation_test_root: None,
        require_token_signature: Default::default(),
        user_allowance: Default::default(),
        crl_url: None,
        clock: None,
    };
    change(&mut options);
    Service::start(options).await
}

pub(crate) async fn connect(organisation: &Organisation, user: &str, url: &str) -> Client {
    let options = keyledger_wire::creds::options(&organisation.creds(user)).await;
    options.unwrap().connect(url).await.unwrap()
}

pub(crate) async fn command(
    admin: &keyledger_wire::Client,
    verb: &str,
    name: &str,
    body: Value,
) -> Value {
    let (aggregate, verb) = verb.split_once('.').unwrap();
    let subject = admin.prefix().command(aggregate, verb, name);
    let payload = bytes::Bytes::from(serde_json::to_vec(&body).unwrap());
    let ids = Ids::root(Uuid::now_v7());
    // A stream that lost its leader takes its time; the same id is the same command.
    for _ in 0..3 {
        let done = admin
            .command_raw(subject.clone(), payload.clone(), ids)
            .await;
        match done {
            Ok(done) => return serde_json::to_value(done).unwrap(),
            Err(error) => println!("again: {error}"),
        }
    }
    panic!("{subject} is not answered");
}

/// A command with a reason, sent once: what it was refused for, in words.
pub(crate) async fn try_command(
    admin: &keyledger_wire::Client,
    verb: &str,
    name: &str,
) -> Result<(), String> {
    let (aggregate, verb) = verb.split_once('.').unwrap();
    let subject = admin.prefix().command(aggregate, verb, name);
    let payload = bytes::Bytes::from_static(b"{\"reason\":\"because\"}");
    let done = admin
        .command_raw(subject, payload, Ids::root(Uuid::now_v7()))
        .await;
    done.map(|_| ()).map_err(|error| error.to_string())
}

/// A user of the administrators' account, who kept the seed.
pub(crate) struct Person {
    jwt: String,
    key: Arc<NkeySigner>,
}

impl Person {
    pub(crate) async fn issue(admin: &keyledger_wire::Client, name: &str) -> Self {
        let seed = UserSeed::generate().unwrap();
        let body = json!({ "account": "admin", "role": "auditor", "nkey": seed.public_nkey() });
        let done = command(admin, "user.issue", name, body).await;
        let jwt = done["jwt"].as_str().unwrap().to_owned();
        Self {
            jwt,
            key: Arc::new(seed.signer().unwrap()),
        }
    }

    pub(crate) async fn connect(
        &self,
        url: &str,
    ) -> Result<(Client, mpsc::UnboundedReceiver<Event>), async_nats::ConnectError> {
        let key = Arc::clone(&self.key);
        let (events, seen) = mpsc::unbounded_channel();
        let client = ConnectOptions::with_jwt(self.jwt.clone(), move |nonce| {
            let key = Arc::clone(&key);
            async move { Ok(key.sign(&nonce).to_vec()) }
        })
        .max_reconnects(1)
        .event_callback(move |event| {
            let _ = events.send(event);
            async {}
        })
        .connect(url)
        .await?;
        Ok((client, seen))
    }
}

/// What each server that answers holds of the administrators' account.
pub(crate) async fn held(organisation: &Organisation, url: &str) -> String {
    let system = connect(organisation, "system", url).await;
    let subject = format!(
        "$SYS.REQ.ACCOUNT.{}.CLAIMS.LOOKUP",
        organisation.admin_account
    );
    let reply = system.request(subject, "".into()).await.unwrap();
    String::from_utf8(reply.payload.to_vec()).unwrap()
}

pub(crate) async fn eventually(what: &str, mut is_true: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if is_true().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not come to pass within {PATIENCE:?}: {what}");
}

pub(crate) fn took_ms(service: &Service, user: &str) -> Option<u64> {
    let ledger = service.live().ledger.read();
    ledger
        .user(&Name::new(user).unwrap())
        .unwrap()
        .state
        .revocation_took_ms
}

pub(crate) fn revision(service: &Service, account: &str) -> u32 {
    let ledger = service.live().ledger.read();
    ledger
        .account(&Name::new(account).unwrap())
        .unwrap()
        .head
        .revision
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_account_of_the_bootstrap_is_confirmed_at_the_start() {
    let world = World::set_up().await;
    let service = serve(&world.organisation, world.server.url()).await;
    eventually("all are confirmed", async || {
        let ledger = service.live().ledger.read();
        ledger
            .accounts()
            .all(|(_, a)| a.state.confirmed == Some(a.state.issued_at))
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoking_drops_live_connections() {
    let world = World::set_up().await;
    let url = world.server.url();
    let service = serve(&world.organisation, url.clone()).await;
    let nats = connect(&world.organisation, "admin", &url).await;
    let admin = keyledger_wire::Client::new(nats, world.organisation.prefix());
    let mut took = Vec::new();
    for at in 0..20 {
        let name = format!("person-{at}");
        let person = Person::issue(&admin, &name).await;
        let (client, mut seen) = person.connect(&url).await.unwrap();
        client.flush().await.unwrap();
        let begin = Instant::now();
        command(&admin, "user.revoke", &name, json!({ "reason": "left" })).await;
        let dropped =
            async { while !matches!(seen.recv().await, Some(Event::Disconnected) | None) {} };
        tokio::time::timeout(PATIENCE, dropped)
            .await
            .expect("the connection drops");
        took.push(begin.elapsed());
        assert!(person.connect(&url).await.is_err(), "{name} connects again");
        eventually("it is confirmed", async || {
            took_ms(&service, &name).is_some()
        })
        .await;
    }
    took.sort_unstable();
    println!(
        "command to dropped connection: median {:?}, longest {:?}",
        took[10], took[19]
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_revocations_at_once_are_all_confirmed() {
    let world = World::set_up().await;
    let url = world.server.url();
    let service = serve(&world.organisation, url.clone()).await;
    let nats = connect(&world.organisation, "admin", &url).await;
    let admin = keyledger_wire::Client::new(nats, world.organisation.prefix());
    let names: Vec<_> = (0..30).map(|at| format!("person-{at}")).collect();
    let mut people = Vec::new();
    for name in &names {
        people.push(Person::issue(&admin, name).await);
    }
    let revoke = |name| command(&admin, "user.revoke", name, json!({ "reason": "left" }));
    futures::future::join_all(names.iter().map(|name| revoke(name))).await;
    eventually("all are confirmed", async || {
        names.iter().all(|name| took_ms(&service, name).is_some())
    })
    .await;
    for person in &people {
        assert!(person.connect(&url).await.is_err());
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_jwt_that_somebody_pushed_is_put_right_and_recorded() {
    let world = World::set_up().await;
    let (organisation, url) = (&world.organisation, world.server.url());
    let service = serve(organisation, url.clone()).await;
    let nats = connect(organisation, "admin", &url).await;
    let admin = keyledger_wire::Client::new(nats, organisation.prefix());
    let person = Person::issue(&admin, "person").await;
    command(&admin, "user.revoke", "person", json!({ "reason": "left" })).await;
    eventually("it is confirmed", async || {
        took_ms(&service, "person").is_some()
    })
    .await;
    let good = held(organisation, &url).await;
    let before = revision(&service, "admin");
    service.stop().await;

    let old = std::fs::read_to_string(organisation.directory().join("jwt/admin.jwt")).unwrap();
    let system = connect(organisation, "system", &url).await;
    let said = system
        .request("$SYS.REQ.CLAIMS.UPDATE", old.clone().into())
        .await
        .unwrap();
    assert!(String::from_utf8_lossy(&said.payload).contains("200"));
    assert_eq!(held(organisation, &url).await, old);
    person
        .connect(&url)
        .await
        .expect("the server took the older JWT: this is why we look");

    let service = serve(organisation, url.clone()).await;
    eventually("it is put right", async || {
        held(organisation, &url).await == good
    })
    .await;
    eventually("it is recorded", async || {
        revision(&service, "admin") > before
    })
    .await;
    assert!(person.connect(&url).await.is_err());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_keeps_the_newer_jwt_on_its_disk() {
    let mut world = World::set_up().await;
    let url = world.server.url();
    let service = serve(&world.organisation, url.clone()).await;
    let nats = connect(&world.organisation, "admin", &url).await;
    let admin = keyledger_wire::Client::new(nats, world.organisation.prefix());
    let person = Person::issue(&admin, "person").await;
    command(&admin, "user.revoke", "person", json!({ "reason": "left" })).await;
    eventually("it is confirmed", async || {
        took_ms(&service, "person").is_some()
    })
    .await;
    service.stop().await;
    // Nobody else of the account may connect at the same moment: nats-server 2.15 takes whoever comes while it loads an
    // account for the first time for not revoked, and cuts him off when it has.
    drop(admin);
    // Nobody is there to push again: what `trust.conf` preloads must not revive the user.
    world.server.restart().await;
    assert!(person.connect(&url).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_down_learns_of_a_revocation_when_it_comes_back() {
    let home = tempfile::tempdir().unwrap();
    let organisation = initialise(options(home.path().join("acme"))).unwrap();
    let mut cluster = Cluster::operator_mode(organisation.trust_conf().parent().unwrap()).await;
    let url = cluster.server(0).url();
    let client = connect(&organisation, "setup", &url).await;
    setup(&client, &organisation, 3).await.unwrap();
    let service = serve(&organisation, url.clone()).await;
    let nats = connect(&organisation, "admin", &url).await;
    let admin = keyledger_wire::Client::new(nats, organisation.prefix());
    let person = Person::issue(&admin, "person").await;
    let other = cluster.server(2).url();
    person.connect(&other).await.unwrap();

    cluster.kill9(2);
    command(&admin, "user.revoke", "person", json!({ "reason": "left" })).await;
    eventually("the two that are there confirm", async || {
        took_ms(&service, "person").is_some()
    })
    .await;
    {
        let ledger = service.live().ledger.read();
        let account = ledger.account(&Name::new("admin").unwrap()).unwrap();
        assert_eq!(account.state.confirmed, Some(account.state.issued_at));
    }
    cluster.restart(2).await;
    let begin = Instant::now();
    eventually("the third refuses too", async || {
        person.connect(&other).await.is_err()
    })
    .await;
    println!("refused {:?} after it was healthy again", begin.elapsed());
    eventually("it holds the newest JWT", async || {
        let claims = decode::<AccountBody>(&held(&organisation, &other).await).unwrap();
        claims.nats.revocations.len() == 1
    })
    .await;
    assert!(person.connect(&other).await.is_err());
    service.stop().await;
}
