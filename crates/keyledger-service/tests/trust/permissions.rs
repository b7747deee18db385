//! What each credential may do on a real server, and what it may not.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, HeaderMap};
use futures::StreamExt;
use keyledger_claims::{
    AccountClaims, KeyPairSigner, UserClaims,
    account::{ExportType, Import},
    decode, encode,
};
use keyledger_service::trust::Organisation;
use keyledger_testkit::PATIENCE;
use nkeys::KeyPair;

use crate::support::World;

const SOON: Duration = Duration::from_millis(700);

/// What a request is answered: nothing where the server forbids it or nobody is there.
pub(crate) async fn ask(client: &Client, subject: &str, payload: &str) -> Option<String> {
    let request = async_nats::Request::new()
        .payload(payload.to_owned().into())
        .timeout(Some(SOON));
    let reply = client
        .send_request(subject.to_owned(), request)
        .await
        .ok()?;
    Some(String::from_utf8_lossy(&reply.payload).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_creds_file_connects() {
    let world = World::new().await;
    for user in ["service", "setup", "system", "admin"] {
        world.connect(user).await.flush().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_cannot_delete_change_or_purge_the_ledger() {
    let world = World::set_up().await;
    let service = world.connect("service").await;
    for (subject, payload) in [
        ("$JS.API.STREAM.DELETE.KEYS_EVENTS", ""),
        ("$JS.API.STREAM.PURGE.KEYS_EVENTS", ""),
        (
            "$JS.API.STREAM.UPDATE.KEYS_EVENTS",
            r#"{"name":"KEYS_EVENTS","max_msgs":1}"#,
        ),
        ("$JS.API.STREAM.MSG.DELETE.KEYS_EVENTS", r#"{"seq":1}"#),
        (
            "$JS.API.STREAM.CREATE.OTHER",
            r#"{"name":"OTHER","subjects":["other"]}"#,
        ),
        ("$JS.API.STREAM.DELETE.KV_KEYS_MATERIAL", ""),
    ] {
        assert_eq!(ask(&service, subject, payload).await, None, "{subject}");
    }
    let info = ask(&service, "$JS.API.STREAM.INFO.KEYS_EVENTS", "")
        .await
        .unwrap();
    assert!(info.contains("\"deny_purge\":true"), "{info}");
    // What it needs, it may.
    assert!(
        ask(&service, "$KV.KEYS_MATERIAL.x", "sealed")
            .await
            .unwrap()
            .contains("\"seq\"")
    );
    let erase = ask(
        &service,
        "$JS.API.STREAM.MSG.DELETE.KV_KEYS_MATERIAL",
        r#"{"seq":1}"#,
    )
    .await;
    assert!(erase.unwrap().contains("\"success\":true"));
    let put = ask(&service, "$KV.KEYS_INVENTORY.x", "{}").await.unwrap();
    assert!(put.contains("\"stream\":\"KV_KEYS_INVENTORY\""), "{put}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_system_user_may_do_just_what_it_needs() {
    let world = World::new().await;
    let system = world.connect("system").await;
    let varz = ask(&system, "$SYS.REQ.SERVER.PING.VARZ", "").await.unwrap();
    assert!(varz.contains("\"sync_always\":true"), "{varz}");
    assert_eq!(ask(&system, "$SYS.REQ.CLAIMS.LIST", "").await, None);
    assert_eq!(ask(&system, "$SYS.REQ.CLAIMS.DELETE", "").await, None);
    let id = system.server_info().server_id;
    assert_eq!(
        ask(&system, &format!("$SYS.REQ.SERVER.{id}.RELOAD"), "").await,
        None
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_says_who_sends_a_command_whatever_the_sender_says() {
    let world = World::set_up().await;
    let service = world.connect("service").await;
    let mut commands = service
        .queue_subscribe("svc.keys.commands.>", "q".into())
        .await
        .unwrap();
    service.flush().await.unwrap();
    let admin = world.connect("admin").await;
    let mut forged = HeaderMap::new();
    forged.insert("Nats-Request-Info", r#"{"acc":"AFORGED","user":"UFORGED"}"#);
    let request = tokio::spawn(async move {
        admin
            .request_with_headers("keys.commands.key.revoke.x", forged, "{}".into())
            .await
    });
    let message = commands.next().await.unwrap();
    assert_eq!(message.subject.as_str(), "svc.keys.commands.key.revoke.x");
    let said = message
        .headers
        .as_ref()
        .unwrap()
        .get("Nats-Request-Info")
        .unwrap()
        .to_string();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["acc"], world.organisation.admin_account.as_str());
    assert!(said["user"].as_str().unwrap().starts_with('U'));
    assert_ne!(said["user"], "UFORGED");
    assert_eq!(said["name_tag"], "admin");
    assert!(said["issuer_key"].as_str().unwrap().starts_with('A'));
    // The service may answer.
    service
        .publish(message.reply.unwrap(), "done".into())
        .await
        .unwrap();
    assert_eq!(&*request.await.unwrap().unwrap().payload, b"done");
}

/// A signing key of the bootstrap, as a thief of the root key and the directory would open it.
pub(crate) fn stolen(organisation: &Organisation, key: &str) -> impl keyledger_claims::Signer {
    use keyledger_custody::{MaterialContext, NkeySigner};
    use keyledger_domain::{Name, Purpose, Purposes};
    struct Thief(NkeySigner);
    impl keyledger_claims::Signer for Thief {
        fn public_nkey(&self) -> &str {
            self.0.public_nkey()
        }
        fn sign(&self, message: &[u8]) -> Result<[u8; 64], keyledger_claims::SignError> {
            Ok(self.0.sign(message))
        }
    }
    let custody = organisation.custody(None).unwrap();
    let sealed = organisation
        .directory()
        .join(format!("material/{key}.1.sealed"));
    let context = MaterialContext {
        key: Name::new(key).unwrap(),
        version: 1,
        purposes: Purposes::of(&[Purpose::Certify]),
    };
    let sealed = std::fs::read(sealed).unwrap();
    Thief(custody.open_signer(&sealed, &context).unwrap())
}

/// A user of another account of the same operator: it imports the service without an activation, or with one that is
/// for somebody else. Nothing if the server refuses the account for it.
async fn stranger(world: &World, token: String) -> Option<Client> {
    let organisation = &world.organisation;
    let operator = stolen(organisation, "nats-operator-signing-1");
    let identity = KeyPair::new_account().public_key();
    let signing = KeyPair::new_account();
    let iat = world.organisation.created_at.seconds();
    let mut claims = AccountClaims::new(&identity, iat);
    claims.nats.signing_keys = vec![keyledger_claims::SigningKey::Plain(signing.public_key())];
    claims.nats.imports = vec![Import {
        subject: "svc.keys.commands.>".to_owned(),
        local_subject: "keys.commands.>".to_owned(),
        account: organisation.service_account.clone(),
        kind: ExportType::Service,
        share: true,
        token,
        ..Import::default()
    }];
    let jwt = encode(&claims, &operator).unwrap();
    let system = world.connect("system").await;
    ask(&system, "$SYS.REQ.CLAIMS.UPDATE", &jwt).await.unwrap();
    let user = KeyPair::new_user();
    let mut claims = UserClaims::new(user.public_key(), iat);
    claims.nats.issuer_account = identity;
    let jwt = encode(&claims, &KeyPairSigner::new(signing)).unwrap();
    let user = std::sync::Arc::new(user);
    let client = ConnectOptions::with_jwt(jwt, move |nonce| {
        let user = std::sync::Arc::clone(&user);
        async move { user.sign(&nonce).map_err(async_nats::AuthError::new) }
    });
    client
        .max_reconnects(1)
        .connect(world.server.url())
        .await
        .ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_an_activation_of_its_own_reaches_nothing() {
    let world = World::set_up().await;
    let service = world.connect("service").await;
    let mut commands = service.subscribe("svc.keys.commands.>").await.unwrap();
    service.flush().await.unwrap();
    let admin = std::fs::read_to_string(world.organisation.directory().join("jwt/admin.jwt"));
    let admin = decode::<keyledger_claims::AccountBody>(&admin.unwrap()).unwrap();
    let imports = admin.nats.imports;
    let stolen = imports
        .iter()
        .find(|i| i.subject.contains("commands"))
        .unwrap()
        .token
        .clone();
    let none = stranger(&world, String::new())
        .await
        .expect("an account that may do nothing here");
    assert_eq!(ask(&none, "keys.commands.key.revoke.x", "{}").await, None);
    // The activation of another account makes the whole account invalid.
    assert!(stranger(&world, stolen).await.is_none());
    assert!(tokio::time::timeout(SOON, commands.next()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_written_contexts_work_with_the_nats_cli() {
    let world = World::set_up().await;
    let service = world.connect("service").await;
    for key in ["orders-db", "billing"] {
        let entry = format!("$KV.KEYS_INVENTORY.{key}");
        assert!(
            ask(&service, &entry, r#"{"state":"active"}"#)
                .await
                .is_some()
        );
    }
    let nats = world.nats();
    let admin = world.organisation.context("admin").display().to_string();
    for context in ["keyledger-admin", &admin] {
        let with = |arguments: &[&str]| {
            let all = ["--context", context]
                .into_iter()
                .chain(arguments.iter().copied());
            nats.run(all.map(str::to_owned).collect::<Vec<_>>())
        };
        let got = with(&["kv", "get", "KEYS_INVENTORY", "orders-db", "--raw"]).await;
        assert!(got.expect_success().contains(r#"{"state":"active"}"#));
        let _ = with(&["kv", "put", "KEYS_INVENTORY", "orders-db", "forged"])
            .await
            .expect_failure();
        let _ = with(&["kv", "get", "KEYS_MATERIAL", "nats-operator-signing-1.1"])
            .await
            .expect_failure();
    }
    let mut events = nats.spawn(["--context", "keyledger-admin", "sub", "keys.events.>"]);
    while !events.stderr().contains("Subscribing") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    ask(&service, "keys.events.key.x.generated", "{}")
        .await
        .unwrap();
    events
        .wait_for_line("keys.events.key.x.generated", PATIENCE)
        .await;
    let system = nats.run(["--context", "keyledger-system", "server", "ping", "1"]);
    let _ = system.await.expect_success();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_see_the_inventory_makes_no_consumer_past_the_service() {
    let world = World::set_up().await;
    let service = world.connect("service").await;
    ask(&service, "$KV.KEYS_INVENTORY.x", "{}").await.unwrap();
    let admin = world.connect("admin").await;
    // A push consumer delivers where its maker says, and asks for flow control there too.
    let target = "keys.events.key.x.activated";
    let consumer = serde_json::json!({ "stream_name": "KV_KEYS_INVENTORY", "config": {
        "name": "evil", "deliver_subject": target, "deliver_policy": "all", "ack_policy": "none" }});
    let subject = "$JS.keys.API.CONSUMER.CREATE.KV_KEYS_INVENTORY.evil";
    // Nobody serves, so nobody answers.
    assert_eq!(ask(&admin, subject, &consumer.to_string()).await, None);
    let request = r#"{"subjects_filter":"keys.events.key.x.>"}"#;
    let info = ask(&service, "$JS.API.STREAM.INFO.KEYS_EVENTS", request)
        .await
        .unwrap();
    assert!(!info.contains(target), "{info}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_listens_on_its_own_inbox_only() {
    let world = World::set_up().await;
    let service = world.connect("service").await;
    let mut asked = service.subscribe("svc.keys.queries.>").await.unwrap();
    service.flush().await.unwrap();
    let admin = world.connect("admin").await;
    let denied = |user: &str| {
        let (told, heard) = tokio::sync::mpsc::unbounded_channel();
        let creds = world.organisation.creds(user);
        let url = world.server.url();
        async move {
            let options = keyledger_wire::creds::options(&creds).await.unwrap();
            let options = options.event_callback(move |event| {
                let _ = told.send(event.to_string());
                async {}
            });
            (options.connect(url).await.unwrap(), heard)
        }
    };
    for user in ["admin", "service", "setup", "system"] {
        let (client, mut heard) = denied(user).await;
        let _everything = client.subscribe("_INBOX.>").await.unwrap();
        client.flush().await.unwrap();
        let refused = async {
            while let Some(event) = heard.recv().await {
                if event.to_lowercase().contains("permissions violation") {
                    return event;
                }
            }
            String::new()
        };
        let refused = tokio::time::timeout(SOON, refused).await;
        assert!(refused.is_ok_and(|said| said.contains("_INBOX")), "{user}");
    }
    // The own one is answered.
    let answer = tokio::spawn(async move { ask(&admin, "keys.queries.status", "").await });
    let question = asked.next().await.unwrap();
    service
        .publish(question.reply.unwrap(), "well".into())
        .await
        .unwrap();
    assert_eq!(answer.await.unwrap().as_deref(), Some("well"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_makes_the_inventory_anew_after_a_restart_of_the_server() {
    use keyledger_service::trust::ensure_inventory;
    let mut world = World::set_up().await;
    let prefix = world.organisation.prefix();
    let service = world.connect("service").await;
    assert!(!ensure_inventory(&service, &prefix, 1).await.unwrap());
    world.server.restart().await;
    let service = world.connect("service").await;
    assert!(ensure_inventory(&service, &prefix, 1).await.unwrap());
    assert!(ask(&service, "$KV.KEYS_INVENTORY.x", "{}").await.is_some());
    // Nobody else may.
    let admin = world.connect("admin").await;
    for verb in ["CREATE", "UPDATE", "PURGE", "DELETE"] {
        let subject = format!("$JS.keys.API.STREAM.{verb}.KV_KEYS_INVENTORY");
        assert_eq!(ask(&admin, &subject, "{}").await, None, "{verb}");
    }
}
