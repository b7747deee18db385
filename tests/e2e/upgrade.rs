//! Accounts that were made before a change of the templates: one command, and their users use the new permission.

use std::{process::Command, sync::Arc};

use async_nats::{ConnectOptions, HeaderMap};
use keyledger_domain::template::TemplateVersion;
use keyledger_testkit::{PATIENCE, Process, Run, run, tools};
use keyledger_wire::{Ids, query::AccountUpgrade};
use nkeys::KeyPair;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    agents::{Agent, filed},
    world::{World, eventually, send_unheard},
};

/// All accounts of the bootstrap, in the order in which they are upgraded.
const IN_ORDER: [&str; 8] = [
    "sys",
    "views",
    "keys",
    "admin",
    "agents",
    "approvers",
    "auditors",
    "services",
];

async fn keyledger(world: &World, arguments: &[&str]) -> Run {
    let mut command = Command::new(tools::keyledger());
    command
        .args(arguments)
        .args(["--server", &world.server.url(), "--creds"])
        .arg(world.organisation.creds("admin"));
    run(command, b"", PATIENCE).await
}

/// What `doctor` says of the templates, a line.
async fn doctor(world: &World) -> Option<String> {
    let said = keyledger(world, &["doctor"]).await.stdout;
    let mut lines = said.lines();
    let line = lines.find(|line| line.contains("templates"));
    line.map(str::to_owned)
}

#[tokio::test]
async fn an_organisation_made_before_is_upgraded_by_one_command_and_its_agents_acknowledge_in_the_new_form()
 {
    let flag = "feature_flags: { js_ack_fc_v2: true }\njetstream: {";
    let change = |config: keyledger_testkit::Config| config.replace("jetstream: {", flag);
    let world = World::of_version(TemplateVersion::V1, change).await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let agent = Agent::enrol(&world, &admin, "desk").await;
    let _ = filed(&admin, &agent, 1_000_001).await;
    let message = agent.task().await;
    let reply = message.reply.as_ref().unwrap().to_string();
    assert!(reply.starts_with("$JS.ACK._."), "{reply}");
    // Version 1 lets an agent acknowledge in the first form only: the server lets nothing else through.
    send_unheard(agent.nats(), &reply, HeaderMap::new(), "+ACK").await;
    assert_eq!(world.acknowledged(&agent).await, 0);
    let said = doctor(&world).await.unwrap();
    assert!(
        said.contains("8 accounts stand on templates before version 2"),
        "{said}"
    );

    let before = world.settled(&admin).await;
    let plan = keyledger(&world, &["account", "upgrade", "--all", "--plan", "--json"]).await;
    let plan: Vec<AccountUpgrade> = serde_json::from_str(&plan.expect_success()).unwrap();
    let names: Vec<_> = plan.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, IN_ORDER);
    let gained = |account: &str, what: &str| {
        let row = plan
            .iter()
            .find(|row| row.name.as_str() == account)
            .unwrap();
        assert_eq!(row.loses, Vec::<String>::new(), "{account}");
        row.gains.iter().any(|gain| gain.contains(what))
    };
    let form = "$JS.ACK.*.*.KEYS_TASKS.";
    assert!(
        gained("keys", &format!("exports the service {form}")),
        "{plan:#?}"
    );
    assert!(
        gained("agents", &format!("imports the service {form}")),
        "{plan:#?}"
    );
    assert!(
        gained("agents", &format!("role agent: may publish to {form}")),
        "{plan:#?}"
    );
    // In a script nothing is done without --yes, and an account is not upgraded before those that it imports from.
    let asked = keyledger(&world, &["account", "upgrade", "--all"]).await;
    assert_eq!(asked.code, Some(2), "{asked}");
    let alone = keyledger(&world, &["account", "upgrade", "agents", "--yes"]).await;
    assert_eq!(alone.code, Some(3), "{alone}");
    assert!(
        alone
            .stderr
            .contains("account keys, which must be upgraded first"),
        "{alone}"
    );
    assert_eq!(world.last().await, before);

    let upgraded = keyledger(&world, &["account", "upgrade", "--all", "--yes"]).await;
    assert_eq!(upgraded.code, Some(0), "{upgraded}");
    assert!(
        upgraded.stdout.contains("upgraded agents to version 2"),
        "{upgraded}"
    );
    assert!(!upgraded.stdout.contains("not every server"), "{upgraded}");
    // The same user, with the same creds.
    eventually("the agent acknowledges its task", async || {
        message.double_ack().await.is_ok()
    })
    .await;
    assert_eq!(world.acknowledged(&agent).await, 1);
    assert_eq!(doctor(&world).await, None);

    // A second run changes nothing, nor does the same command sent again under its id.
    let settled = world.settled(&admin).await;
    let again = keyledger(&world, &["account", "upgrade", "--all", "--yes"]).await;
    assert!(again.expect_success().contains("nothing to upgrade"));
    let ids = Ids::root(Uuid::now_v7());
    for _ in 0..2 {
        let body = json!({ "template": 2 });
        let done = admin.send_as("account.upgrade", "agents", body, ids).await;
        assert_eq!(done.unwrap()["status"], "accepted");
    }
    assert_eq!(world.last().await, settled);
    let rows: Value = admin.ask("accounts", json!({})).await;
    for row in rows["rows"].as_array().unwrap() {
        assert_eq!(
            (&row["template"], &row["confirmed"]),
            (&json!(2), &json!(true)),
            "{row}"
        );
    }
    // What came after stands on it from the start.
    let body = json!({ "imports_keyledger": true });
    admin.send("account.create", "orders", body).await.unwrap();
    assert_eq!(doctor(&world).await, None);
    world.verify(&admin).await;
    let verified = keyledger(&world, &["ledger", "verify"]).await;
    assert_eq!(verified.code, Some(0), "{verified}");
    service.stop().await;
}

#[tokio::test]
async fn a_retried_upgrade_is_answered_as_the_first_and_whoever_was_revoked_stays_out() {
    let world = World::of_version(TemplateVersion::V1, |config| config).await;
    let service = world.serve().await;
    let admin = world.administrator().await;
    let pair = Arc::new(KeyPair::new_user());
    let body = json!({ "account": "agents", "role": "agent", "nkey": pair.public_key() });
    let issued = admin.send("user.issue", "desk", body).await.unwrap();
    let jwt = issued["jwt"].as_str().unwrap().to_owned();
    let connects = async || {
        let pair = Arc::clone(&pair);
        let sign = move |nonce: Vec<u8>| {
            let pair = Arc::clone(&pair);
            async move { pair.sign(&nonce).map_err(async_nats::AuthError::new) }
        };
        let options = ConnectOptions::with_jwt(jwt.clone(), sign);
        options.connect(world.server.url()).await.is_ok()
    };
    assert!(connects().await);
    let body = json!({ "reason": "stolen" });
    admin.send("user.revoke", "desk", body).await.unwrap();
    for account in ["views", "keys"] {
        admin
            .send("account.upgrade", account, json!({}))
            .await
            .unwrap();
    }
    let ids = Ids::root(Uuid::now_v7());
    let send = async || {
        let done = admin
            .send_as("account.upgrade", "agents", json!({}), ids)
            .await;
        done.unwrap()["revision"].clone()
    };
    let first = send().await;
    let after = world.settled(&admin).await;
    assert_eq!(send().await, first);
    assert_eq!(world.last().await, after);
    eventually("the new JWT is on the server", async || {
        let rows = admin.ask("accounts", json!({})).await;
        let rows = rows["rows"].as_array().unwrap().clone();
        rows.iter().all(|row| row["confirmed"] == true)
    })
    .await;
    assert!(!connects().await);
    service.stop().await;
}

#[tokio::test]
async fn up_upgrades_by_itself_what_an_earlier_version_made() {
    let folder = tempfile::tempdir().unwrap();
    let up = |version: Option<&str>| {
        let mut command = Command::new(tools::keyledger());
        command
            .arg("up")
            .arg("--dir")
            .arg(folder.path().join("acme"));
        command.env("RUST_LOG", "warn");
        if let Some(version) = version {
            command.env("KEYLEDGER_TEMPLATE_VERSION", version);
        }
        Process::spawn(command)
    };
    let mut before = up(Some("1"));
    before.wait_for_line("Ctrl-C stops both.", PATIENCE).await;
    assert!(!before.stdout().contains("upgraded"), "{}", before.stdout());
    assert!(before.interrupt().await.success());
    let mut after = up(None);
    after.wait_for_line("Ctrl-C stops both.", PATIENCE).await;
    let said = after.stdout();
    let line = "upgraded to version 2 of the templates: sys, views, keys, admin, agents, approvers, auditors, services";
    assert!(said.contains(line), "{said}{}", after.stderr());
    assert!(after.interrupt().await.success());
    let mut third = up(None);
    third.wait_for_line("Ctrl-C stops both.", PATIENCE).await;
    assert!(!third.stdout().contains("upgraded"), "{}", third.stdout());
    assert!(third.interrupt().await.success());
}
