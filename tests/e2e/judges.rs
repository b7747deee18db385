//! NATS's own tools read every JWT that is minted here.

use std::{path::Path, process::Command};

use keyledger_claims::Creds;
use keyledger_testkit::{PATIENCE, run, tools};
use serde_json::{Value, json};

use crate::{
    credentials::issue,
    world::{Admin, World},
};

/// What `nsc` reads in a JWT.
async fn describe(world: &World, jwt: &str) -> Value {
    let (file, home) = (world.path("judged.jwt"), world.path("nsc"));
    std::fs::write(&file, jwt).unwrap();
    std::fs::create_dir_all(&home).unwrap();
    let mut command = Command::new(tools::nsc());
    command
        .args(["describe", "jwt", "--json", "--file"])
        .arg(&file)
        .env("HOME", &home)
        .env("XDG_DATA_HOME", home.join("data"))
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env("NSC_NO_GIT_IGNORE", "true")
        .env("NSC_NO_UPDATE_CHECK", "true");
    let text = run(command, b"", PATIENCE).await.expect_success();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

async fn account(admin: &Admin, name: &str) -> String {
    let accounts = admin.ask("accounts", json!({})).await;
    let accounts = accounts["rows"].as_array().unwrap().clone();
    let row = accounts.iter().find(|a| a["name"] == name).unwrap();
    row["nkey"].as_str().unwrap().to_owned()
}

/// Every JWT in a file of the organisation's directory or of a server's resolver.
pub(crate) fn jwts(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(jwts(&path));
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            let tokens = text.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
            found.extend(
                tokens
                    .filter(|t| t.starts_with("eyJ") && t.split('.').count() == 3)
                    .map(str::to_owned),
            );
        }
    }
    found.sort();
    found.dedup();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nsc_reads_every_jwt() {
    let world = World::new().await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    admin
        .send("account.create", "plain", json!({"jetstream": true}))
        .await
        .unwrap();
    let body = json!({"imports_keyledger": true, "title": "Applications"});
    admin.send("account.create", "apps", body).await.unwrap();
    let mut users = Vec::new();
    for (name, body) in [
        ("auditor-1", json!({"account": "admin", "role": "auditor"})),
        (
            "orders",
            json!({"account": "apps", "role": "service", "keys": ["orders-tls"]}),
        ),
        (
            "worker",
            json!({"account": "plain", "publish": ["jobs.>"], "subscribe": ["jobs.*"], "expires_days": 7}),
        ),
    ] {
        let creds = issue(&world, &admin, name, body).await;
        users.push((name, creds));
    }
    admin
        .send("user.revoke", "worker", json!({"reason": "left"}))
        .await
        .unwrap();
    world.settled(&admin).await;

    for (name, creds) in users {
        let creds = Creds::parse(&std::fs::read_to_string(creds).unwrap()).unwrap();
        let read = describe(&world, creds.jwt()).await;
        assert_eq!(read["name"], name, "{read}");
        assert_eq!(read["nats"]["type"], "user", "{read}");
        assert_eq!(read["sub"], creds.claims().sub, "{read}");
    }
    // What the servers hold: every account, the revocation among them; and what `init` wrote.
    let mut kinds = std::collections::BTreeMap::<String, usize>::new();
    let mut revoked = 0;
    let held = jwts(&world.server.directory().join("resolver"));
    for jwt in held.iter().chain(&jwts(world.organisation.directory())) {
        let read = describe(&world, jwt).await;
        *kinds
            .entry(read["nats"]["type"].as_str().unwrap().to_owned())
            .or_default() += 1;
        revoked += read["nats"]["revocations"]
            .as_object()
            .map_or(0, serde_json::Map::len);
        assert!(
            read["iss"]
                .as_str()
                .is_some_and(|iss| iss.starts_with(['O', 'A'])),
            "{read}"
        );
    }
    assert_eq!(kinds.get("operator"), Some(&1), "{kinds:?}");
    assert!(kinds["account"] >= 6 && kinds["user"] >= 4, "{kinds:?}");
    assert_eq!(revoked, 1);
    // nats-server accepted them: each account is known there under its nkey.
    for name in ["plain", "apps", "admin", "keys", "views", "sys"] {
        let nkey = account(&admin, name).await;
        assert!(
            world
                .server
                .directory()
                .join("resolver")
                .join(format!("{nkey}.jwt"))
                .is_file(),
            "{name}"
        );
    }
    service.stop().await;
}
