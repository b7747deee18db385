//! NATS users: issued, connected, revoked, and cut off.

use std::time::Duration;

use async_nats::{ConnectOptions, Event};
use keyledger_claims::Creds;
use keyledger_custody::{CurveKey, Delivery};
use keyledger_testkit::{PATIENCE, run, tools};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::world::{Admin, World, eventually};

/// Issues a user with a generated seed, and writes its creds.
pub(crate) async fn issue(
    world: &World,
    admin: &Admin,
    name: &str,
    body: Value,
) -> std::path::PathBuf {
    let curve = CurveKey::generate().unwrap();
    let mut body = body;
    body["seal_to"] = json!(curve.public_nkey());
    let done = admin.send("user.issue", name, body).await.unwrap();
    let sealed = &done["creds"];
    let delivery = Delivery {
        sender: sealed["sender"].as_str().unwrap().to_owned(),
        ciphertext: data_encoding::BASE64
            .decode(sealed["sealed"].as_str().unwrap().as_bytes())
            .unwrap(),
    };
    let creds = curve.open(&delivery).unwrap();
    let path = world.path(&format!("{name}.creds"));
    keyledger_custody::write_secret_file(&path, creds.expose()).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_user_is_cut_off_and_stays_out() {
    let mut world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    admin
        .send("account.create", "apps", json!({"title": "Applications"}))
        .await
        .unwrap();
    eventually("the account is confirmed", || async {
        let accounts = admin.ask("accounts", json!({})).await;
        let rows = accounts["rows"].as_array().unwrap().clone();
        rows.iter()
            .any(|row| row["name"] == "apps" && row["confirmed"] == true)
    })
    .await;
    let creds = issue(&world, &admin, "orders", json!({"account": "apps"})).await;

    let (events, mut seen) = mpsc::unbounded_channel();
    let client = ConnectOptions::with_credentials_file(&creds)
        .await
        .unwrap()
        .max_reconnects(2)
        .event_callback(move |event| {
            let _ = events.send(event);
            async {}
        })
        .connect(world.server.url())
        .await
        .unwrap();
    client.flush().await.unwrap();
    assert!(matches!(seen.recv().await, Some(Event::Connected)));

    let done = admin
        .send("user.revoke", "orders", json!({"reason": "left"}))
        .await
        .unwrap();
    assert_eq!(done["state"], "revoked");
    let dropped = tokio::time::timeout(PATIENCE, async {
        loop {
            if matches!(seen.recv().await, Some(Event::Disconnected) | None) {
                break;
            }
        }
    });
    dropped.await.expect("the live connection drops");

    // It is seen on the server, and the milliseconds are recorded.
    eventually("the revocation is confirmed", || async {
        let users = admin.ask("credentials.apps", json!({})).await;
        let row = &users["rows"][0];
        row["state"] == "revoked" && row["revocation_took_ms"].is_u64()
    })
    .await;
    // A reconnect is refused, also by a server that was restarted since.
    for _ in 0..2 {
        let again = ConnectOptions::with_credentials_file(&creds).await.unwrap();
        assert!(
            again
                .max_reconnects(1)
                .connect(world.server.url())
                .await
                .is_err()
        );
        world.server.restart().await;
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_commands_its_own_keys_and_no_others() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let body = json!({"account": "admin", "role": "service", "keys": ["orders-tls"]});
    let creds = issue(&world, &admin, "orders", body).await;
    let nats = world.connect(&creds).await;
    let orders = Admin {
        client: keyledger_wire::Client::new(nats, world.organisation.prefix()),
    };
    let body = json!({"algorithm": "ed25519", "activate": true});
    for key in ["orders", "orders-tls"] {
        orders
            .send("key.generate", key, body.clone())
            .await
            .unwrap();
        orders.send("key.rotate", key, json!({})).await.unwrap();
    }
    // nats-server itself refuses the rest: to the client that is silence.
    let timeout = Duration::from_millis(500);
    for subject in [
        "keys.commands.key.generate.payments",
        "keys.commands.key.destroy.orders",
        "keys.commands.user.issue.orders",
        "svc.keys.commands.key.generate.orders",
    ] {
        let request = async_nats::Request::new()
            .payload("{}".into())
            .timeout(Some(timeout));
        let reply = orders.client.nats().send_request(subject, request).await;
        assert!(reply.is_err(), "{subject}: {reply:?}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_jwt_we_mint_is_read_by_the_codec_that_agrees_with_go() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let creds = issue(
        &world,
        &admin,
        "auditor-1",
        json!({"account": "admin", "role": "auditor"}),
    )
    .await;
    let text = std::fs::read_to_string(creds).unwrap();
    let creds = Creds::parse(&text).unwrap();
    let claims = creds.claims();
    assert_eq!(claims.name, "auditor-1");
    assert!(!claims.nats.limits.bearer_token);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_revoked_without_whom_nobody_could_command() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    for user in ["service", "system", "setup", "admin"] {
        let refused = admin
            .send("user.revoke", user, json!({"reason": "x"}))
            .await;
        assert_eq!(refused.unwrap_err()["reason"], "in_use", "{user}");
    }
    // A second administrator makes the first dispensable; who is the last then is not.
    let body = json!({"account": "admin", "role": "administrator"});
    let creds = issue(&world, &admin, "admin-2", body).await;
    let nats = world.connect(&creds).await;
    let second = Admin {
        client: keyledger_wire::Client::new(nats, world.organisation.prefix()),
    };
    // By the second: who revokes itself may be cut off before it is answered.
    second
        .send("user.revoke", "admin", json!({"reason": "left"}))
        .await
        .unwrap();
    let refused = second
        .send("user.revoke", "admin-2", json!({"reason": "x"}))
        .await;
    assert_eq!(refused.unwrap_err()["reason"], "in_use");
    // The names of keys behind NATS trust cannot be taken first.
    for name in ["nats-account-apps", "nats-operator-signing-2"] {
        let taken = second
            .send("key.generate", name, json!({"algorithm": "ed25519"}))
            .await;
        assert_eq!(taken.unwrap_err()["reason"], "bad_name");
    }
    service.stop().await;
}

/// The server may cut the connection before the answer is read, with a word of why or without. What the command says is true each time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_that_revokes_itself_is_told_what_is_known() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    issue(
        &world,
        &admin,
        "heir",
        json!({"account": "admin", "role": "administrator"}),
    )
    .await;
    for n in 0..5 {
        let name = format!("own-{n}");
        let creds = issue(
            &world,
            &admin,
            &name,
            json!({"account": "admin", "role": "administrator"}),
        )
        .await;
        let mut command = std::process::Command::new(tools::keyledger());
        command
            .args(["user", "revoke", &name, "--reason", "left"])
            // On a busy machine it may take the server long to refuse the creds three times.
            .args(["--timeout", "45s", "--dir"])
            .arg(world.organisation.directory())
            .args(["--server", &world.server.url(), "--creds"])
            .arg(&creds)
            .env("HOME", world.path(""))
            .current_dir(world.path(""));
        let ran = run(command, b"", Duration::from_secs(60)).await;
        let (out, err) = (&ran.stdout, &ran.stderr);
        match ran.code {
            Some(0) => assert!(out.contains(&format!("revoked {name}")), "{ran}"),
            Some(3) => assert!(err.contains("was not answered"), "{ran}"),
            other => panic!("{other:?}: {ran}"),
        }
        let row = admin.ask(&format!("users.show.{name}"), json!({})).await;
        assert_eq!(row["state"], "revoked", "{row}");
    }
    service.stop().await;
}
