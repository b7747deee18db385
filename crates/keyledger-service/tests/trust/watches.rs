//! Watching the inventory: everybody who may see it, with consumers that only the service makes.

use std::{sync::Arc, time::Duration};

use async_nats::{Client, ConnectOptions};
use futures::StreamExt as _;
use keyledger_custody::UserSeed;
use keyledger_service::{Service, trust::outdated_users};
use keyledger_testkit::PATIENCE;
use keyledger_wire::Prefix;
use serde_json::{Value, json};

use crate::{
    permissions::{ask, stolen},
    resolver::{command, serve},
    support::World,
};

const STREAM: &str = "KV_KEYS_INVENTORY";
const CREATE: &str = "$JS.keys.API.CONSUMER.CREATE.KV_KEYS_INVENTORY";

/// A world with an instance that serves, and two keys.
struct Served {
    world: World,
    service: Service,
    admin: keyledger_wire::Client,
}

impl Served {
    async fn new() -> Self {
        let world = World::set_up().await;
        let service = serve(&world.organisation, world.server.url()).await;
        let nats = world.connect("admin").await;
        let admin = keyledger_wire::Client::new(nats, Prefix::default());
        let served = Self {
            world,
            service,
            admin,
        };
        for key in ["orders-db", "billing"] {
            served.generate(key).await;
        }
        served
    }

    async fn generate(&self, key: &str) {
        let body = json!({ "algorithm": "ed25519", "activate": true });
        command(&self.admin, "key.generate", key, body).await;
    }

    /// Somebody of a role in the administrators' account, who hears what is not for `deliver` inboxes.
    async fn somebody(&self, name: &str, role: &str) -> Somebody {
        let seed = UserSeed::generate().unwrap();
        let nkey = seed.public_nkey().to_owned();
        let body = json!({ "account": "admin", "role": role, "nkey": nkey });
        let done = command(&self.admin, "user.issue", name, body).await;
        let key = Arc::new(seed.signer().unwrap());
        let jwt = done["jwt"].as_str().unwrap().to_owned();
        let nats = ConnectOptions::with_jwt(jwt, move |nonce| {
            let key = Arc::clone(&key);
            async move { Ok(key.sign(&nonce).to_vec()) }
        })
        .custom_inbox_prefix(Prefix::inbox(&nkey))
        .connect(self.world.server.url())
        .await
        .unwrap();
        let account = &self.world.organisation.admin_account;
        let deliver = Prefix::default().deliver(account, &nkey);
        Somebody {
            nats,
            nkey,
            deliver,
        }
    }

    async fn status(&self) -> Value {
        self.admin.query("status", &json!({})).await.unwrap()
    }

    async fn bucket(&self) -> Option<Value> {
        let setup = self.world.connect("setup").await;
        let info = ask(&setup, &format!("$JS.keys.API.STREAM.INFO.{STREAM}"), "").await?;
        let info: Value = serde_json::from_str(&info).unwrap();
        info["error"].is_null().then_some(info)
    }

    /// Waits until the bucket shows every key.
    async fn shown(&self) {
        let keys = self.service.live().ledger.read().keys().count();
        for _ in 0..300 {
            let messages = self
                .bucket()
                .await
                .map(|info| info["state"]["messages"].as_u64());
            if messages == Some(Some(keys as u64)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!(
            "the bucket does not show every key: {:?}",
            self.bucket().await
        );
    }
}

struct Somebody {
    nats: Client,
    nkey: String,
    deliver: String,
}

impl Somebody {
    /// Asks for a consumer; JetStream's answer.
    async fn watch(&self, name: &str, change: impl FnOnce(&mut Value)) -> Value {
        let mut config = json!({
            "deliver_subject": format!("{}.{name}", self.deliver), "deliver_policy": "last_per_subject",
            "ack_policy": "none", "filter_subject": "$KV.KEYS_INVENTORY.>", "flow_control": true,
            "idle_heartbeat": 5_000_000_000_u64, "mem_storage": true, "num_replicas": 1,
        });
        change(&mut config);
        let request = json!({ "stream_name": STREAM, "config": config }).to_string();
        let subject = format!("{CREATE}.{name}.$KV.KEYS_INVENTORY.>");
        let answer = ask(&self.nats, &subject, &request).await;
        serde_json::from_str(&answer.expect("the service answers")).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nats_cli_reads_lists_and_watches_the_inventory() {
    let served = Served::new().await;
    let nats = served.world.nats();
    served.shown().await;
    let with = |arguments: &[&str]| {
        let all = ["--context", "keyledger-admin"]
            .into_iter()
            .chain(arguments.iter().copied());
        nats.run(all.map(str::to_owned).collect::<Vec<_>>())
    };
    let got = with(&["kv", "get", "KEYS_INVENTORY", "orders-db", "--raw"]).await;
    assert!(got.expect_success().contains(r#""state":"active""#));
    let listed = with(&["kv", "ls", "KEYS_INVENTORY"]).await.expect_success();
    assert!(
        listed.contains("orders-db") && listed.contains("billing"),
        "{listed}"
    );
    let mut watch = nats.spawn([
        "--context",
        "keyledger-admin",
        "kv",
        "watch",
        "KEYS_INVENTORY",
    ]);
    watch.wait_for_line("billing", PATIENCE).await;
    served.generate("late").await;
    watch.wait_for_line("late", PATIENCE).await;
    served.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_chooses_nothing_of_a_consumer() {
    let served = Served::new().await;
    served.shown().await;
    let auditor = served.somebody("auditor-1", "auditor").await;
    // What delivered, was stalled and then asked for flow control made the server publish this, in the bucket's account.
    let evil = "$JS.API.STREAM.DELETE.KV_KEYS_INVENTORY";
    for (why, change) in [
        ("its own subject", ("deliver_subject", json!(evil))),
        (
            "another's inbox",
            (
                "deliver_subject",
                json!(format!(
                    "{}.x",
                    served.somebody("auditor-2", "auditor").await.deliver
                )),
            ),
        ),
        ("a durable one", ("durable_name", json!("for-ever"))),
        ("a shared one", ("deliver_group", json!("group"))),
    ] {
        let (field, value) = change;
        let answer = auditor.watch("evil", |config| config[field] = value).await;
        assert!(
            answer["error"]["description"].is_string(),
            "{why}: {answer}"
        );
    }
    let made = auditor.watch("good", |_| ()).await;
    assert_eq!(made["name"], format!("{}_good", auditor.nkey), "{made}");
    assert_ne!(made["config"]["flow_control"], true, "{made}");
    assert_eq!(made["config"]["ack_policy"], "none", "{made}");
    // Neither does it reach JetStream's own API by any other name.
    for subject in [
        format!("$JS.API.CONSUMER.CREATE.{STREAM}.x"),
        CREATE.to_owned(),
        format!("$JS.keys.API.CONSUMER.DURABLE.CREATE.{STREAM}.x"),
        format!("$JS.keys.API.CONSUMER.NAMES.{STREAM}"),
        format!("$JS.keys.API.CONSUMER.PAUSE.{STREAM}.{}_good", auditor.nkey),
        format!(
            "$JS.keys.API.CONSUMER.MSG.NEXT.{STREAM}.{}_good",
            auditor.nkey
        ),
        format!("$JS.FC.{STREAM}.{}_good.x", auditor.nkey),
    ] {
        let answer = ask(&auditor.nats, &subject, r#"{"name":"x"}"#).await;
        let reached = answer.is_some_and(|text| !text.contains("\"error\""));
        assert!(!reached, "{subject}");
    }
    assert!(served.bucket().await.is_some());
    served.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_delivers_to_the_viewer_that_asked_and_only_that_one_ends_it() {
    let served = Served::new().await;
    served.shown().await;
    let auditor = served.somebody("auditor-1", "auditor").await;
    let other = served.somebody("auditor-2", "auditor").await;
    let mut inbox = auditor
        .nats
        .subscribe(format!("{}.w", auditor.deliver))
        .await
        .unwrap();
    auditor.nats.flush().await.unwrap();
    let made = auditor.watch("w", |_| ()).await;
    let name = made["name"].as_str().unwrap();
    let entry = tokio::time::timeout(PATIENCE, inbox.next()).await;
    let entry = entry.unwrap().unwrap();
    let row: Value = serde_json::from_slice(&entry.payload).unwrap();
    assert!(row["name"].is_string(), "{row}");
    let end = format!("$JS.keys.API.CONSUMER.DELETE.{STREAM}.{name}");
    let refused = ask(&other.nats, &end, "").await.unwrap();
    assert!(refused.contains("no such watch"), "{refused}");
    let ended = ask(&auditor.nats, &end, "").await.unwrap();
    assert!(ended.contains("\"success\":true"), "{ended}");
    // A program does not watch it at all.
    let program = served.somebody("orders", "service").await;
    let subject = format!("{CREATE}.x");
    assert_eq!(ask(&program.nats, &subject, "{}").await, None);
    served.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_viewer_leaves_the_others_their_watches() {
    let served = Served::new().await;
    served.shown().await;
    let greedy = served.somebody("auditor-1", "auditor").await;
    let mut made = 0;
    for at in 0..40 {
        let answer = greedy.watch(&format!("w{at}"), |_| ()).await;
        made += usize::from(answer["error"].is_null());
    }
    assert_eq!(made, 16);
    let other = served.somebody("auditor-2", "auditor").await;
    let answer = other.watch("w", |_| ()).await;
    assert!(answer["error"].is_null(), "{answer}");
    served.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_gone_is_made_anew_and_that_is_said() {
    let served = Served::new().await;
    served.shown().await;
    assert!(served.status().await["inventory_remade"].is_null());
    let setup = served.world.connect("setup").await;
    let delete = format!("$JS.keys.API.STREAM.DELETE.{STREAM}");
    // Not even setup's creds reach that; so it is deleted where it lies.
    assert_eq!(ask(&setup, &delete, "").await, None);
    served.delete_bucket().await;
    assert!(served.bucket().await.is_none());
    served.shown().await;
    let status = served.status().await;
    assert_eq!(status["inventory_remade"]["times"], 1, "{status}");
    // What is taken out of it is put back as well.
    let purge = format!("$JS.keys.API.STREAM.PURGE.{STREAM}");
    let purged = ask(&setup, &purge, "").await.unwrap();
    assert!(purged.contains("\"success\":true"), "{purged}");
    served.shown().await;
    served.service.stop().await;
}

impl Served {
    /// Deletes the bucket with the authority of its own account: only who has stolen its signing key can, and the operator's,
    /// for nobody may connect there.
    async fn delete_bucket(&self) {
        use keyledger_claims::{AccountBody, UserClaims, decode, encode};
        let organisation = &self.world.organisation;
        let jwt = std::fs::read_to_string(organisation.directory().join("jwt/views.jwt")).unwrap();
        let mut account = decode::<AccountBody>(jwt.trim()).unwrap();
        account.nats.limits.conn = -1;
        account.iat = crate::support::now().seconds() + 1;
        let operator = stolen(organisation, "nats-operator-signing-1");
        let jwt = encode(&account, &operator).unwrap();
        let system = self.world.connect("system").await;
        let pushed = ask(&system, "$SYS.REQ.CLAIMS.UPDATE", &jwt).await.unwrap();
        assert!(pushed.contains("\"code\":200"), "{pushed}");
        let signer = stolen(organisation, "nats-account-views-signing-1");
        let pair = Arc::new(nkeys::KeyPair::new_user());
        let mut claims = UserClaims::new(pair.public_key(), crate::support::now().seconds());
        organisation
            .views_account
            .clone_into(&mut claims.nats.issuer_account);
        let jwt = encode(&claims, &signer).unwrap();
        let connect = ConnectOptions::with_jwt(jwt, move |nonce| {
            let pair = Arc::clone(&pair);
            async move { pair.sign(&nonce).map_err(async_nats::AuthError::new) }
        });
        let views = connect.connect(self.world.server.url()).await.unwrap();
        let deleted = ask(&views, &format!("$JS.API.STREAM.DELETE.{STREAM}"), "").await;
        assert!(deleted.unwrap().contains("\"success\":true"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_users_of_an_organisation_of_this_version_lack_nothing() {
    let served = Served::new().await;
    let lacks = outdated_users(&served.service.live().ledger.read(), &Prefix::default());
    assert_eq!(lacks, Vec::<String>::new());
    served.service.stop().await;
}
