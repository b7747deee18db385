//! Who sent a command is what nats-server says, never what the sender says.

use std::sync::Arc;

use async_nats::{ConnectOptions, HeaderMap, RequestErrorKind};
use keyledger_claims::{Signer, UserClaims, encode, signer::SignError};
use keyledger_custody::NkeySigner;
use keyledger_domain::{LEDGER_SIGNING_KEY, Record};
use keyledger_wire::{Prefix, header::REQUEST_INFO};
use serde_json::{Value, json};

use crate::{
    credentials::issue,
    world::{Admin, World, now, send_raw, send_unheard},
};

pub(crate) const GENERATE: &str = r#"{"algorithm":"ed25519"}"#;

/// What nats-server would say of the user called `name`.
pub(crate) async fn stamp(admin: &Admin, account: &str, name: &str) -> Value {
    let accounts = admin.ask("accounts", json!({})).await;
    let accounts = accounts["rows"].as_array().unwrap().clone();
    let row = accounts.iter().find(|a| a["name"] == account).unwrap();
    let users = admin
        .ask(&format!("credentials.{account}"), json!({}))
        .await;
    let users = users["rows"].as_array().unwrap().clone();
    let user = users.iter().find(|u| u["name"] == name).unwrap();
    json!({
        "acc": row["nkey"], "user": user["nkey"], "issuer_key": user["issuer"], "host": "10.0.0.1",
        "name": "the chief executive", "name_tag": name, "kind": "Client",
    })
}

fn forged(stamps: &[&Value]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for stamp in stamps {
        headers.append(REQUEST_INFO, stamp.to_string());
    }
    headers
}

/// Signs with a key taken from custody's files.
struct Thief(NkeySigner);

impl Signer for Thief {
    fn public_nkey(&self) -> &str {
        self.0.public_nkey()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(self.0.sign(message))
    }
}

/// Connects as a user that no event tells of, issued by a stolen signing key.
async fn connect_minted(
    world: &World,
    claims: impl FnOnce(&str) -> UserClaims,
    key: &str,
) -> async_nats::Client {
    let pair = nkeys::KeyPair::new_user();
    let jwt = encode(&claims(&pair.public_key()), &Thief(world.steal(key))).unwrap();
    let inbox = Prefix::inbox(&pair.public_key());
    let pair = Arc::new(pair);
    ConnectOptions::with_jwt(jwt, move |nonce| {
        let pair = Arc::clone(&pair);
        async move { pair.sign(&nonce).map_err(async_nats::AuthError::new) }
    })
    .custom_inbox_prefix(inbox)
    .connect(world.server.url())
    .await
    .unwrap()
}

/// A user of the service's own account that may send anything: only who has stolen the account's signing key can be
/// one.
struct Inside(async_nats::Client);

impl Inside {
    async fn connect(world: &World) -> Self {
        let account = world.steal("nats-account-keys").public_nkey().to_owned();
        let claims = |nkey: &str| {
            let mut claims = UserClaims::new(nkey, now().seconds());
            claims.nats.issuer_account = account;
            claims
        };
        Self(connect_minted(world, claims, "nats-account-keys-signing-1").await)
    }

    /// Sends the service a command past the import, with stamps of his own: it arrives, and is nobody's.
    async fn slip(&self, subject: &str, stamps: &[&Value]) {
        let reply = send_raw(&self.0, subject, forged(stamps), GENERATE).await;
        let reply = reply.unwrap_or_else(|e| panic!("{e:?}: {stamps:?}"));
        assert_eq!(reply["reason"], "unidentified", "{reply}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_identity_is_overwritten_with_the_senders_own() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    issue(
        &world,
        &admin,
        "auditor-1",
        json!({"account": "admin", "role": "auditor"}),
    )
    .await;
    let own = stamp(&admin, "admin", "admin").await;
    let other = stamp(&admin, "admin", "auditor-1").await;
    let nats = admin.client.nats();

    let reply = send_raw(
        nats,
        "keys.commands.key.generate.a",
        forged(&[&other]),
        GENERATE,
    )
    .await;
    assert_eq!(reply.unwrap()["status"], "accepted");
    let stored = world.stored().await;
    let record = Record::read(&stored.last().unwrap().payload).unwrap();
    assert_eq!(record.history.name.as_str(), "a");
    assert_eq!(*record.principal.user, *own["user"].as_str().unwrap());
    assert_eq!(*record.principal.account, *own["acc"].as_str().unwrap());
    assert_eq!(record.principal.host.as_deref(), Some("127.0.0.1"));
    let text = String::from_utf8(stored.last().unwrap().payload.clone()).unwrap();
    assert!(
        !text.contains("chief executive") && !text.contains("10.0.0.1"),
        "{text}"
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_forged_identity_gains_nothing() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let body = json!({"account": "admin", "role": "auditor"});
    let creds = issue(&world, &admin, "auditor-1", body).await;
    let own = stamp(&admin, "admin", "admin").await;
    let other = stamp(&admin, "admin", "auditor-1").await;
    let last = world.settled(&admin).await;
    // nats-server takes away all there are, however they are spelt, before it puts its own.
    let nats = admin.client.nats();
    let mut headers = forged(&[&other, &other]);
    headers.append(REQUEST_INFO.to_ascii_lowercase(), other.to_string());
    let reply = send_raw(nats, "keys.commands.key.generate.a", headers, GENERATE).await;
    assert_eq!(reply.unwrap()["status"], "accepted");
    let stored = world.stored().await;
    let record = Record::read(&stored.last().unwrap().payload).unwrap();
    assert_eq!(*record.principal.user, *own["user"].as_str().unwrap());
    // So an auditor does not become the administrator by it either.
    let auditor = world.connect(&creds).await;
    let headers = forged(&[&own, &own]);
    let subject = "keys.commands.key.generate.b";
    send_unheard(&auditor, subject, headers, GENERATE).await;
    assert!(!world.has_key("b").await);
    assert_eq!(world.last().await, last + 1);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reaches_the_service_past_the_import() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let own = stamp(&admin, "admin", "admin").await;
    let last = world.settled(&admin).await;
    // The administrator, and whoever has the creds of the service's own account.
    for user in ["admin", "service", "setup"] {
        let client = world.connect(&world.organisation.creds(user)).await;
        for subject in [
            "svc.keys.commands.key.generate.a",
            "svc.keys.queries.status",
        ] {
            send_unheard(&client, subject, forged(&[&own]), GENERATE).await;
        }
    }
    assert_eq!(world.last().await, last);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_the_import_gets_nothing() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let own = stamp(&admin, "admin", "admin").await;
    admin
        .send("account.create", "apps", json!({}))
        .await
        .unwrap();
    let creds = issue(&world, &admin, "orders", json!({"account": "apps"})).await;
    let last = world.settled(&admin).await;
    let client = world.connect(&creds).await;
    for subject in [
        "keys.commands.key.generate.a",
        "keys.queries.status",
        "svc.keys.commands.key.generate.a",
        "keys.events.key.a.generated",
        "$JS.API.STREAM.INFO.KEYS_EVENTS",
    ] {
        let reply = send_raw(&client, subject, forged(&[&own]), GENERATE).await;
        // A reply of the server's own JetStream would be an error too: this account has none.
        assert!(
            reply == Err(RequestErrorKind::NoResponders)
                || reply.as_ref().is_ok_and(|r| r["error"].is_object()),
            "{subject}: {reply:?}"
        );
    }
    assert_eq!(world.last().await, last);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_without_a_role_where_the_service_is_imported() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let body = json!({"imports_keyledger": true});
    admin.send("account.create", "apps", body).await.unwrap();
    // Not even issued: it could answer in the service's place.
    let curve = keyledger_custody::CurveKey::generate().unwrap();
    let body = json!({"account": "apps", "seal_to": curve.public_nkey()});
    let refused = admin.send("user.issue", "orders", body).await.unwrap_err();
    assert_eq!(refused["reason"], "bad_value", "{refused}");
    let last = world.settled(&admin).await;
    // A user of the role may.
    let body = json!({"account": "apps", "role": "service"});
    let creds = issue(&world, &admin, "payments", body).await;
    let client = world.connect(&creds).await;
    assert_eq!(world.last().await, last + 1);
    let subject = "keys.commands.key.generate.payments";
    let reply = send_raw(&client, subject, HeaderMap::new(), GENERATE)
        .await
        .unwrap();
    assert_eq!(reply["status"], "accepted", "{reply}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_that_no_event_tells_of_commands_nothing() {
    let world = World::new().await;
    let service = world.serve().await;
    let account = world.steal("nats-account-admin").public_nkey().to_owned();
    let claims = |nkey: &str| {
        let mut claims = UserClaims::scoped(nkey, account, now().seconds());
        "admin".clone_into(&mut claims.name);
        claims
    };
    // Signed by the administrators' own key, and called like the administrator: nats-server believes it.
    let client = connect_minted(&world, claims, "nats-account-admin-administrator").await;
    let admin = world.administrator().await;
    let last = world.settled(&admin).await;
    for subject in ["keys.commands.key.generate.a", "keys.queries.status"] {
        let reply = send_raw(&client, subject, HeaderMap::new(), GENERATE)
            .await
            .unwrap();
        assert_eq!(reply["reason"], "unauthorised", "{subject}: {reply}");
    }
    assert_eq!(world.last().await, last);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_user_commands_nothing() {
    let world = World::new().await;
    let year = 366 * 86_400_000;
    let later = keyledger_domain::Timestamp::from_ms(now().ms() + year);
    // The server's clock says otherwise: it would let the user in for a while yet.
    let service = world
        .serve_with(|options| {
            options.clock = Some(Arc::new(move || later));
            options.accept_clock = true;
        })
        .await;
    let admin = world.administrator().await;
    let refused = admin
        .send("key.generate", "a", json!({"algorithm": "ed25519"}))
        .await;
    assert_eq!(refused.unwrap_err()["reason"], "unauthorised");
    let stored = world.stored().await;
    assert!(!stored.iter().any(|e| e.subject.contains(".key.a.")));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_asks_and_does_not_command() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let body = json!({"account": "admin", "role": "auditor"});
    let creds = issue(&world, &admin, "auditor-1", body).await;
    let auditor = world.connect(&creds).await;
    let reply = send_raw(&auditor, "keys.queries.status", HeaderMap::new(), "{}").await;
    assert_eq!(reply.unwrap()["durability"], "durable");
    let last = world.settled(&admin).await;
    for subject in [
        "keys.commands.key.generate.a",
        "keys.commands.view.rebuild.inventory",
    ] {
        send_unheard(&auditor, subject, HeaderMap::new(), GENERATE).await;
    }
    assert_eq!(world.last().await, last);
    // Inside the service's own account the stamp can be written by hand: there none counts, be it whole.
    let inside = Inside::connect(&world).await;
    let (own, stamp) = (
        stamp(&admin, "admin", "admin").await,
        stamp(&admin, "admin", "auditor-1").await,
    );
    let half = json!({"acc": own["acc"]});
    let other_key =
        json!({"acc": own["acc"], "user": own["user"], "issuer_key": stamp["issuer_key"]});
    for stamps in [
        &[][..],
        &[&own],
        &[&stamp],
        &[&half],
        &[&other_key],
        &[&own, &own],
    ] {
        inside
            .slip("svc.keys.commands.key.generate.a", stamps)
            .await;
    }
    assert!(!world.has_key("a").await);
    assert_eq!(world.last().await, last);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_issued_into_the_accounts_where_stamps_could_be_forged() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let last = world.settled(&admin).await;
    let nkey = nkeys::KeyPair::new_user().public_key();
    for account in ["keys", "sys", "views"] {
        let body = json!({"account": account, "nkey": nkey, "publish": ["svc.keys.>"]});
        let refused = admin.send("user.issue", "mallory", body).await.unwrap_err();
        assert_eq!(refused["code"].as_u64().unwrap() / 100, 4, "{refused}");
    }
    // Nor may anybody end what the ledger itself stands on.
    for verb in ["suspend", "deactivate", "destroy"] {
        let (verb, body) = (format!("key.{verb}"), json!({"reason": "x"}));
        let refused = admin
            .send(&verb, LEDGER_SIGNING_KEY, body)
            .await
            .unwrap_err();
        assert_eq!(
            refused["code"].as_u64().unwrap() / 100,
            4,
            "{verb}: {refused}"
        );
    }
    assert_eq!(world.last().await, last);
    service.stop().await;
}
