//! What others push, what servers lose, what a ledger forgot and what no longer opens: nothing is acknowledged that the
//! servers are not made to enforce.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use keyledger_claims::{
    AccountBody, AccountClaims, Creds, KeyPairSigner, UserBody, decode, encode, signer::SignError,
};
use keyledger_custody::{MaterialContext, NkeySigner};
use keyledger_domain::{Name, Purpose, Purposes};
use keyledger_service::{Service, StartError, trust::Organisation};
use keyledger_wire::query::{Severity, StatusFinding};
use nkeys::KeyPair;
use serde_json::{Value, json};

use crate::{
    resolver::{
        Person, command, connect, eventually, held, revision, serve, serve_with, took_ms,
        try_command,
    },
    support::World,
};

const UPDATE: &str = "$SYS.REQ.CLAIMS.UPDATE";

/// A key of the bootstrap, opened from the organisation's directory as whoever stole it would.
struct Stolen(NkeySigner);

impl Stolen {
    fn open(organisation: &Organisation, key: &str) -> Self {
        let custody = organisation.custody(None).unwrap();
        let context = MaterialContext {
            key: Name::new(key).unwrap(),
            version: 1,
            purposes: Purposes::of(&[Purpose::Certify]),
        };
        let sealed = std::fs::read(material(organisation, key)).unwrap();
        Self(custody.open_signer(&sealed, &context).unwrap())
    }
}

impl keyledger_claims::Signer for Stolen {
    fn public_nkey(&self) -> &str {
        self.0.public_nkey()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(self.0.sign(message))
    }
}

const OPERATOR_KEY: &str = "nats-operator-signing-1";

fn material(organisation: &Organisation, key: &str) -> PathBuf {
    let directory = organisation.directory().join("material");
    directory.join(format!("{key}.1.sealed"))
}

fn first_jwt(organisation: &Organisation, account: &str) -> String {
    let path = format!("jwt/{account}.jwt");
    std::fs::read_to_string(organisation.directory().join(path)).unwrap()
}

async fn push(organisation: &Organisation, url: &str, jwt: &str) {
    let system = connect(organisation, "system", url).await;
    let said = system.request(UPDATE, jwt.to_owned().into()).await.unwrap();
    let said = String::from_utf8_lossy(&said.payload).into_owned();
    assert!(said.contains("200"), "{said}");
}

pub(crate) async fn client(organisation: &Organisation, url: &str) -> keyledger_wire::Client {
    let nats = connect(organisation, "admin", url).await;
    keyledger_wire::Client::new(nats, organisation.prefix())
}

/// A service in a world, and its administrator.
async fn served(world: &World) -> (&Organisation, String, Service, keyledger_wire::Client) {
    let (organisation, url) = (&world.organisation, world.server.url());
    let service = serve(organisation, url.clone()).await;
    let admin = client(organisation, &url).await;
    (organisation, url, service, admin)
}

async fn revoked(admin: &keyledger_wire::Client, service: &Service, url: &str) -> Person {
    let person = Person::issue(admin, "person").await;
    command(admin, "user.revoke", "person", json!({ "reason": "left" })).await;
    eventually("it is confirmed", async || {
        took_ms(service, "person").is_some()
    })
    .await;
    assert!(person.connect(url).await.is_err());
    person
}

async fn findings(admin: &keyledger_wire::Client) -> Vec<StatusFinding> {
    let status: Value = admin.query("status", &json!({})).await.unwrap();
    serde_json::from_value(status["findings"].clone()).unwrap()
}

fn of<'a>(findings: &'a [StatusFinding], what: &str) -> &'a StatusFinding {
    let found = findings.iter().find(|finding| finding.what == what);
    found.unwrap_or_else(|| panic!("nothing of {what}: {findings:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_pushes_is_pushed_over_at_once_and_written_down_now_and_then() {
    let world = World::set_up().await;
    let (organisation, url, service, admin) = served(&world).await;
    let person = revoked(&admin, &service, &url).await;
    let good = held(organisation, &url).await;
    let before = revision(&service, "admin");
    // Within two seconds it might be another instance that has not folded the change.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let old = first_jwt(organisation, "admin");
    let mut took = Vec::new();
    for _ in 0..15 {
        let begin = Instant::now();
        push(organisation, &url, &old).await;
        eventually("it is put right", async || {
            held(organisation, &url).await == good
        })
        .await;
        took.push(begin.elapsed());
    }
    took.sort_unstable();
    println!("pushed over: median {:?}, longest {:?}", took[7], took[14]);
    // The scan came every 30 s.
    assert!(took[14] < Duration::from_secs(20), "{took:?}");
    eventually("the person is refused", async || {
        person.connect(&url).await.is_err()
    })
    .await;
    eventually("it is recorded", async || {
        revision(&service, "admin") > before
    })
    .await;
    assert_eq!(
        revision(&service, "admin"),
        before + 1,
        "once, not each time"
    );
    let findings = findings(&admin).await;
    let pushes = of(&findings, "pushes by others");
    assert_eq!(pushes.severity, Severity::Fail);
    assert!(
        pushes.found.contains("an older JWT of this operator"),
        "{pushes:?}"
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_jwt_is_pushed_over_whosever_account_it_is_for() {
    let world = World::set_up().await;
    let (organisation, url, service, admin) = served(&world).await;
    let person = revoked(&admin, &service, &url).await;
    let good = held(organisation, &url).await;
    let stranger = KeyPairSigner::new(KeyPair::new_operator());
    for account in ["admin", "sys"] {
        let mut claims: AccountClaims = decode(&first_jwt(organisation, account)).unwrap();
        claims.iat += 1_000;
        let forged = encode(&claims, &stranger).unwrap();
        push(organisation, &url, &forged).await;
        eventually("the account is put right", async || {
            held(organisation, &url).await == good
        })
        .await;
        eventually("the service is in the system account", async || {
            let done = try_command(&admin, "account.create", &format!("after-{account}")).await;
            done.is_ok()
        })
        .await;
    }
    let sys = connect(organisation, "system", &url).await;
    let lookup = format!(
        "$SYS.REQ.ACCOUNT.{}.CLAIMS.LOOKUP",
        organisation.system_account
    );
    let reply = sys.request(lookup, "".into()).await.unwrap();
    let claims = decode::<AccountBody>(std::str::from_utf8(&reply.payload).unwrap()).unwrap();
    assert_ne!(claims.iss, KeyPair::new_operator().public_key());
    assert!(person.connect(&url).await.is_err());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_a_strangers_jwt_for_the_system_account_ended_starts_again_as_is_advised() {
    let mut world = World::set_up().await;
    let url = world.server.url();
    let mut claims: AccountClaims = decode(&first_jwt(&world.organisation, "sys")).unwrap();
    claims.iat += 1_000;
    let stranger = KeyPairSigner::new(KeyPair::new_operator());
    // Nobody is there to push over it.
    push(
        &world.organisation,
        &url,
        &encode(&claims, &stranger).unwrap(),
    )
    .await;
    // A server that is started again with it ends at once: `Can't set system account`. What `serve` advises then helps.
    world.server.stop().await;
    let organisation = &world.organisation;
    let resolver = world.server.directory().join("resolver");
    let theirs = resolver.join(format!("{}.jwt", organisation.system_account));
    std::fs::copy(organisation.directory().join("jwt/sys.jwt"), theirs).unwrap();
    world.server.restart().await;
    serve(&world.organisation, url).await.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_a_server_lost_is_replaced_by_a_newer_one() {
    let world = World::set_up().await;
    let (organisation, url, service, admin) = served(&world).await;
    revoked(&admin, &service, &url).await;
    service.stop().await;
    let file = format!("resolver/{}.jwt", organisation.admin_account);
    std::fs::remove_file(world.server.directory().join(&file)).unwrap();
    let service = serve(organisation, url.clone()).await;
    eventually("it is there again", async || {
        let held = decode::<AccountBody>(&held(organisation, &url).await);
        held.is_ok_and(|claims| claims.nats.revocations.len() == 1)
    })
    .await;
    assert!(world.server.directory().join(&file).exists());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_jwt_of_this_operator_is_never_pushed_over_and_refuses_service() {
    let world = World::set_up().await;
    let (organisation, url, service, admin) = served(&world).await;
    // As it would be after the ledger was restored from before this: the servers hold what it does not know.
    let mut claims: AccountClaims = decode(&held(organisation, &url).await).unwrap();
    claims.iat += 5_000;
    let newer = encode(&claims, &Stolen::open(organisation, OPERATOR_KEY)).unwrap();
    push(organisation, &url, &newer).await;
    eventually("no command is taken", async || {
        let refused = try_command(&admin, "principal.offboard", "nobody").await;
        refused.is_err_and(|said| said.contains("ledger_broken") && said.contains("rolled back"))
    })
    .await;
    let findings = findings(&admin).await;
    let jwts = of(&findings, "account JWTs");
    assert_eq!(jwts.severity, Severity::Fail);
    assert!(jwts.found.contains("NO COMMAND IS TAKEN"), "{jwts:?}");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(held(organisation, &url).await, newer);
    let before = revision(&service, "admin");
    service.stop().await;

    let refused = serve_with(organisation, url.clone(), |_| {}).await;
    assert!(
        matches!(refused, Err(StartError::RolledBack(_))),
        "{refused:?}"
    );
    assert_eq!(held(organisation, &url).await, newer);
    // Only by an administrator's word, which is recorded.
    let service = serve_with(organisation, url.clone(), |o| o.accept_rollback = true).await;
    let service = service.unwrap();
    eventually("the ledger's is above it", async || {
        let held: AccountClaims = decode(&held(organisation, &url).await).unwrap();
        held.iat == claims.iat + 1
    })
    .await;
    eventually("commands are taken", async || {
        try_command(&admin, "account.create", "after").await.is_ok()
    })
    .await;
    assert!(revision(&service, "admin") > before);
    service.stop().await;
    serve(organisation, url).await.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trust_key_that_does_not_open_is_restored_from_the_directory() {
    let world = World::set_up().await;
    let (organisation, url) = (&world.organisation, world.server.url());
    damage(&world, OPERATOR_KEY).await;
    damage(&world, "ledger-signing").await;
    let service = serve(organisation, url.clone()).await;
    let admin = client(organisation, &url).await;
    revoked(&admin, &service, &url).await;
    let keys = findings(&admin).await;
    let keys = of(&keys, "trust keys");
    assert_eq!(keys.severity, Severity::Warn);
    assert!(keys.found.contains(OPERATOR_KEY), "{keys:?}");
    service.stop().await;
    let service = serve(organisation, url.clone()).await;
    assert_eq!(
        of(&findings(&admin).await, "trust keys").severity,
        Severity::Ok
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_that_nobody_can_sign_is_refused() {
    let world = World::set_up().await;
    let (organisation, url, service, admin) = served(&world).await;
    Person::issue(&admin, "person").await;
    service.stop().await;
    damage(&world, OPERATOR_KEY).await;
    std::fs::remove_file(material(organisation, OPERATOR_KEY)).unwrap();
    let service = serve(organisation, url.clone()).await;
    let before = service.live().position().sequence;
    let refused = try_command(&admin, "user.revoke", "person")
        .await
        .unwrap_err();
    assert!(refused.contains("not_enforceable"), "{refused}");
    assert_eq!(
        service.live().position().sequence,
        before,
        "nothing is written"
    );
    let findings = findings(&admin).await;
    let keys = of(&findings, "trust keys");
    assert_eq!(keys.severity, Severity::Fail);
    assert!(keys.found.contains(OPERATOR_KEY), "{keys:?}");
    // What needs no account's JWT goes on.
    try_command(&admin, "principal.offboard", "nobody")
        .await
        .unwrap_err();
    command(
        &admin,
        "key.generate",
        "k",
        json!({ "algorithm": "ed25519" }),
    )
    .await;
    service.stop().await;
}

/// Flips a bit of a sealed key in its bucket.
async fn damage(world: &World, key: &str) {
    let mut sealed = std::fs::read(material(&world.organisation, key)).unwrap();
    let last = sealed.len() - 1;
    sealed[last] ^= 1;
    let setup = world.connect("setup").await;
    let entry = format!("$KV.KEYS_MATERIAL.{key}.1");
    let said = setup.request(entry, sealed.into()).await.unwrap();
    assert!(String::from_utf8_lossy(&said.payload).contains("\"seq\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organisation_from_before_is_compared_more_often_and_told_so() {
    let world = World::set_up().await;
    let (organisation, url) = (&world.organisation, world.server.url());
    // Its system user was allowed less.
    let path = organisation.creds("system");
    let text = std::fs::read_to_string(&path).unwrap();
    let creds = Creds::parse(&text).unwrap();
    let mut claims = creds.claims();
    let allowed: &mut Vec<String> = &mut claims.nats.limits.subscribe.allow;
    allowed.retain(|subject| !subject.starts_with("$SYS.REQ."));
    let signer = Stolen::open(organisation, "nats-account-sys-signing-1");
    let jwt = encode(&claims, &signer).unwrap();
    assert!(decode::<UserBody>(&jwt).is_ok());
    std::fs::write(&path, text.replace(creds.jwt(), &jwt)).unwrap();

    let service = serve(organisation, url.clone()).await;
    let admin = client(organisation, &url).await;
    revoked(&admin, &service, &url).await;
    let good = held(organisation, &url).await;
    let pushes = findings(&admin).await;
    assert_eq!(of(&pushes, "pushes by others").severity, Severity::Warn);
    let begin = Instant::now();
    push(organisation, &url, &first_jwt(organisation, "admin")).await;
    eventually("it is put right", async || {
        held(organisation, &url).await == good
    })
    .await;
    println!("compared within {:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(25), "it was 30 s");
    service.stop().await;
}
