//! The examples do what they say, against a running `keyledger up`.

use std::{path::PathBuf, process::Command};

use keyledger_testkit::{PATIENCE, Process, run, tools};

use crate::{normalise::Normaliser, world::World};

#[tokio::test]
async fn the_nats_cli_alone_sees_a_key_through_its_life() {
    let world = World::new().await;
    let script = tools::repository().join("examples/nats_cli.sh");
    let command = || {
        let mut command = world.command("bash", [script.as_os_str(), "shell-key".as_ref()]);
        command.env("KEYLEDGER_NATS", tools::nats_cli());
        command
    };
    let printed = run(command(), b"", PATIENCE).await.expect_success();
    // Of the long answers their beginning says enough.
    let printed = Normaliser::new(&world).normalise(printed.trim_end());
    let short = |line: &str| line.chars().take(96).collect::<String>();
    let lines: Vec<_> = printed.lines().map(short).collect();
    let accepted = r#"{"status":"accepted","command_id":"[uuid]","correlation_id":"[uuid]","id":"shell-key","revision""#;
    assert_eq!(
        lines,
        [
            "--- keys.commands.key.generate.shell-key",
            accepted,
            "",
            "--- keys.commands.key.rotate.shell-key",
            accepted,
            "",
            "--- keys.queries.inventory.show.shell-key",
            r#"{"name":"shell-key","state":"active","algorithm":"ed25519","purposes":["sign"],"class":"other",""#,
            "",
            "--- keys.commands.key.revoke.shell-key",
            accepted,
            "",
            "--- keys.queries.history.key.shell-key",
            r#"[{"revision":1,"at":"[time]","event":"generated","type":"key.v1.generated","who":{"account":"[nk"#,
        ]
    );
    // A second time the name is taken, and the script says that it failed.
    let refused = run(command(), b"", PATIENCE).await.expect_failure();
    assert!(refused.contains("name_taken"), "{refused}");
    let state = succeed(&world, "keyledger key show shell-key --json").await;
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    assert_eq!(state["title"], "made by a shell script");
    assert_eq!(state["state"], "deactivated");
    assert_eq!(state["versions"], 2);
    world.close().await;
}

#[tokio::test]
async fn the_cim_service_generates_and_rotates_a_key_of_its_own() {
    let world = World::new().await;
    let issue = "keyledger user issue orders --role service \
                 --reason 'first deployment' --out orders.creds";
    succeed(&world, issue).await;
    let run = run(
        example(&world, "cim_service", "orders.creds"),
        b"",
        PATIENCE,
    )
    .await;
    assert_eq!(
        Normaliser::new(&world).normalise(&run.expect_success()),
        "orders is active at revision 2, [cid]\norders was rotated: revision 3, [cid]"
    );
    // One conversation, as it says.
    let history = succeed(&world, "keyledger key history orders --json").await;
    let history: serde_json::Value = serde_json::from_str(&history).unwrap();
    let [generated, activated, rotated] = [&history[0], &history[1], &history[2]];
    for event in [activated, rotated] {
        assert_eq!(event["correlation_id"], generated["correlation_id"]);
    }
    assert_eq!(rotated["causation_id"], generated["command_id"]);
    assert_eq!(rotated["who"]["name"], "orders");
    world.close().await;
}

#[tokio::test]
async fn the_watcher_hears_of_each_revocation() {
    let world = World::new().await;
    for key in ["orders-db", "billing"] {
        let generate = format!("keyledger key generate {key} --algorithm ed25519 --activate");
        succeed(&world, &generate).await;
    }
    let mut command = example(&world, "revocation_watcher", ".keyledger/creds/admin.creds");
    command.env("COUNT", "2");
    let mut watcher = Process::spawn(command);
    watcher.wait_for_line("watching", PATIENCE).await;
    for line in [
        "keyledger key suspend billing --reason 'looked at'",
        "keyledger key revoke orders-db --revocation-reason key_compromise --reason 'laptop stolen'",
        "keyledger key revoke billing --revocation-reason superseded --reason 'moved'",
    ] {
        succeed(&world, line).await;
    }
    let status = watcher.wait(PATIENCE).await;
    assert!(status.success(), "{}", watcher.stderr());
    assert_eq!(
        watcher.stdout(),
        "watching keys.events.key.*.revoked\n\
         orders-db was revoked for key_compromise by admin: laptop stolen\n\
         billing was revoked for superseded by admin: moved\n"
    );
    world.close().await;
}

/// Runs a command line that must succeed, and gives what it printed.
async fn succeed(world: &World, line: &str) -> String {
    world.run(line).await.expect_success()
}

/// A built example, told where this world's server is and with which creds to connect.
fn example(world: &World, name: &str, creds: &str) -> Command {
    let mut command = world.command(built(name), [""; 0]);
    command
        .env("NATS_URL", format!("nats://127.0.0.1:{}", world.port))
        .env("NATS_CREDS", world.path(creds));
    command
}

/// Where cargo puts examples: `target/PROFILE/examples`, beside the directory of this test.
fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let path = profile.join("examples").join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build --examples` (`./dev test` does)",
        path.display()
    );
    path
}
