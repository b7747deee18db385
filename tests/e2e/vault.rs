//! The vault of an instance: what it does while it is sealed, and what it keeps in memory while it is open.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command, sync::Arc};

use keyledger_custody::{Passphrase, Vault};
use keyledger_testkit::{PATIENCE, Process, run, tools};
use keyledger_wire::Ids;
use serde_json::json;
use uuid::Uuid;

use crate::world::{World, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_that_is_sealed_takes_no_command_and_answers_questions() {
    let world = World::new().await;
    let options = world.options();
    let vault = Arc::clone(&options.vault);
    let service = world.serve_with(|own| own.vault = Arc::clone(&vault)).await;
    let admin = world.administrator().await;
    let body = json!({ "algorithm": "ed25519", "activate": true });
    admin
        .send("key.generate", "before", body.clone())
        .await
        .unwrap();
    let stored = world.settled(&admin).await;

    vault.seal();
    let ids = Ids::root(Uuid::now_v7());
    let refused = admin
        .send_as("key.generate", "orders", body.clone(), ids)
        .await;
    let refused = refused.unwrap_err();
    assert_eq!(refused["reason"], "sealed", "{refused}");
    let is_told_how = refused.to_string().contains("keyledger vault open");
    assert!(is_told_how, "{refused}");
    let refused = admin
        .send("key.suspend", "before", json!({ "reason": "a test" }))
        .await;
    assert_eq!(refused.unwrap_err()["reason"], "sealed");
    assert_eq!(admin.key("before").await["state"], "active");
    assert_eq!(world.last().await, stored, "nothing was written");

    // Opened again, the same command under the same id is done.
    vault.open(world.organisation.custody(None).unwrap());
    let done = admin.send_as("key.generate", "orders", body, ids).await;
    assert_eq!(done.unwrap()["command_id"], ids.command.to_string());
    assert_eq!(admin.key("orders").await["state"], "active");
    world.verify(&admin).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destroyed_key_is_closed_in_every_instance() {
    let world = World::new().await;
    let vault = || Arc::new(Vault::opened(world.organisation.custody(None).unwrap()));
    let vaults = [vault(), vault()];
    let mut services = Vec::new();
    for vault in &vaults {
        services.push(world.serve_with(|own| own.vault = Arc::clone(vault)).await);
    }
    let admin = world.administrator().await;
    let certify = json!({ "subject": "CN=Root", "path_length": 0, "days": 30 });
    let body = json!({ "algorithm": "p-256", "purposes": ["certify"], "activate": true, "certify": certify });
    admin.send("key.generate", "root", body).await.unwrap();
    world.settled(&admin).await;
    let before = vaults.each_ref().map(|vault| vault.open_keys());

    // Either instance answers, and opens the key for it.
    eventually("both instances have it open", || async {
        let list = admin.ask("certificates.crl.root", json!({})).await;
        assert!(list["crl"].is_string(), "{list}");
        let now = vaults.each_ref().map(|vault| vault.open_keys());
        now[0] > before[0] && now[1] > before[1]
    })
    .await;
    let opened = vaults.each_ref().map(|vault| vault.open_keys());

    let revoke = json!({ "revocation_reason": "key_compromise", "reason": "a test" });
    admin.send("key.revoke", "root", revoke).await.unwrap();
    admin
        .send("key.destroy", "root", json!({ "reason": "a test" }))
        .await
        .unwrap();
    eventually("no instance has it open", || async {
        let now = vaults.each_ref().map(|vault| vault.open_keys());
        now[0] < opened[0] && now[1] < opened[1]
    })
    .await;
    for service in services {
        service.stop().await;
    }
}

/// Protects nothing: it stands here.
const PASSPHRASE: &str = "not a secret: for tests only";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_instance_is_opened_and_sealed_on_its_own_machine() {
    let passphrase = Passphrase::new(PASSPHRASE.to_owned()).unwrap();
    let world = World::with_passphrase(passphrase).await;
    let directory = world.organisation.directory();
    let mut serve = Command::new(tools::keyledger());
    serve.args(["serve", "--sealed", "--url", &world.server.url(), "--dir"]);
    serve.arg(directory);
    let mut instance = Process::spawn(serve);
    instance
        .wait_for_line("the vault is sealed", PATIENCE)
        .await;
    let admin = world.administrator().await;

    // Sealed, it folds and answers; it has no root key, so nothing is written and nothing is pushed.
    let status = admin.ask("vault", json!({})).await;
    assert_eq!(status["state"], "sealed", "{status}");
    assert_eq!(
        (status["open_keys"].as_u64(), &status["root_key"]),
        (Some(0), &json!(null))
    );
    let status = admin.ask("status", json!({})).await;
    let findings = status["findings"].to_string();
    assert!(
        findings.contains("the vault of this instance is sealed"),
        "{findings}"
    );
    assert!(status["events"].as_u64().unwrap() > 10, "{status}");
    let users = admin.ask("users", json!({})).await;
    assert!(!users["rows"].as_array().unwrap().is_empty(), "{users}");
    let stored = world.last().await;
    let body = json!({ "algorithm": "ed25519", "activate": true });
    let ids = Ids::root(Uuid::now_v7());
    let refused = admin
        .send_as("key.generate", "orders", body.clone(), ids)
        .await;
    assert_eq!(refused.unwrap_err()["reason"], "sealed");
    assert_eq!(world.last().await, stored);
    assert!(!directory.join("snapshot").exists());

    // A wrong passphrase opens nothing; the right one does.
    let vault = |verb: &str, passphrase: Option<&str>| {
        let mut command = Command::new(tools::keyledger());
        command.args(["vault", verb, "--dir"]).arg(directory);
        if let Some(passphrase) = passphrase {
            let file = world.path("passphrase");
            let _ = fs::remove_file(&file);
            fs::write(&file, passphrase).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            command.arg("--passphrase-file").arg(file);
        }
        run(command, b"", PATIENCE)
    };
    let wrong = vault("open", Some("another one for tests")).await;
    assert_eq!(wrong.code, Some(3), "{wrong:?}");
    assert!(
        wrong.stderr.contains("the passphrase is wrong"),
        "{wrong:?}"
    );
    assert_eq!(admin.ask("vault", json!({})).await["state"], "sealed");
    let opened = vault("open", Some(PASSPHRASE)).await.expect_success();
    assert!(opened.contains("the vault is open"), "{opened}");
    let status = admin.ask("vault", json!({})).await;
    assert_eq!(status["state"], "open", "{status}");
    let done = admin
        .send_as("key.generate", "orders", body.clone(), ids)
        .await;
    assert_eq!(done.unwrap()["command_id"], ids.command.to_string());
    world.settled(&admin).await;

    // Sealed again, it wrote its snapshot before it forgot the root key; opened again, it begins from that.
    let sealed = vault("seal", None).await.expect_success();
    assert!(sealed.contains("the vault is sealed"), "{sealed}");
    assert!(directory.join("snapshot").exists());
    let refused = admin
        .send("key.suspend", "orders", json!({ "reason": "a test" }))
        .await;
    assert_eq!(refused.unwrap_err()["reason"], "sealed");
    assert_eq!(admin.key("orders").await["state"], "active");
    let _ = vault("open", Some(PASSPHRASE)).await.expect_success();
    admin
        .send("key.suspend", "orders", json!({ "reason": "a test" }))
        .await
        .unwrap();
    world.verify(&admin).await;

    let socket = directory.join("vault.sock");
    assert_eq!(
        fs::symlink_metadata(&socket).unwrap().permissions().mode() & 0o777,
        0o600
    );
    instance.kill9();
}
