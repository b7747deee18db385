//! The harness itself: what the other tests rely on, shown with the real programs.
#![allow(
    clippy::unwrap_used,
    reason = "in a test an unwrap is an assertion, in its helpers too"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use async_nats::jetstream;
use keyledger_testkit::{Cluster, Config, Nats, NatsServer, PATIENCE, Process, Proxy, run, tools};
use serde_json::Value;
use tempfile::TempDir;

#[tokio::test]
async fn what_a_server_acknowledged_survives_kill_9() {
    let mut server = NatsServer::simple_jetstream(true).await;
    let url = server.url();
    let first_pid = server.pid().unwrap();
    append(&server.connect().await, "kept", 1).await;

    server.kill9();
    assert_eq!(server.pid(), None);
    assert!(async_nats::connect(&url).await.is_err());
    server.restart().await;

    assert_eq!(server.url(), url);
    assert_ne!(server.pid(), Some(first_pid));
    assert_eq!(stored(&server.connect().await, "kept").await, 1);
}

#[tokio::test]
async fn a_stopped_server_starts_again_with_another_configuration_over_the_same_data() {
    let mut server = NatsServer::simple_jetstream(true).await;
    append(&server.connect().await, "kept", 1).await;

    server.stop().await;
    server.stop().await; // nothing to do
    server.restart_with(Config::simple_jetstream(false)).await;

    assert_eq!(stored(&server.connect().await, "kept").await, 1);
    assert_eq!(
        sync_always(&server).await,
        Value::Null,
        "left out when false"
    );
    assert!(
        server.log().matches("Server is ready").count() == 2,
        "{}",
        server.log()
    );
}

#[tokio::test]
async fn sync_always_is_seen_over_monitoring_and_by_the_system_account() {
    let server = NatsServer::simple_jetstream(true).await;
    // A server that has just started may say nothing of its JetStream yet.
    let seen = async {
        while sync_always(&server).await != true {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let seen = tokio::time::timeout(PATIENCE, seen).await;
    seen.expect("the server says it over monitoring");

    let system = server.connect_system().await;
    let answer = system
        .request("$SYS.REQ.SERVER.PING.VARZ", "".into())
        .await
        .unwrap();
    let varz: Value = serde_json::from_slice(&answer.payload).unwrap();
    assert_eq!(
        varz["data"]["jetstream"]["config"]["sync_always"], true,
        "{varz:#}"
    );
    assert_eq!(varz["server"]["name"], server.name());
}

#[tokio::test]
async fn a_cluster_elects_another_leader_and_keeps_the_data() {
    let mut cluster = Cluster::simple_jetstream(true).await;
    let client = cluster.connect().await;
    append(&client, "kept", 3).await;

    let leader = cluster.wait_for_leader().await;
    cluster.kill9(leader);
    assert_ne!(cluster.wait_for_leader().await, leader);
    append(&client, "kept", 3).await; // two of three are enough

    cluster.restart(leader).await;
    cluster.wait_until_healthy().await;
    let back = async_nats::connect(cluster.server(leader).url())
        .await
        .unwrap();
    assert_eq!(stored(&back, "kept").await, 2);
}

#[tokio::test]
async fn a_proxy_holds_back_what_goes_through_it_and_turns_to_another_server() {
    let (first, second) = tokio::join!(
        NatsServer::simple_jetstream(true),
        NatsServer::simple_jetstream(true)
    );
    let way = Proxy::to(first.port()).await;
    let client = async_nats::connect(format!("nats://127.0.0.1:{}", way.port())).await;
    let client = client.unwrap();
    let answers = async || {
        let asked = client.request("$JS.API.INFO", "".into());
        let asked = tokio::time::timeout(Duration::from_millis(500), asked).await;
        asked.is_ok_and(|answer| answer.is_ok())
    };
    assert!(answers().await);
    way.hold();
    assert!(!answers().await);
    way.release();
    assert!(answers().await);
    way.turn_to(second.port());
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while client.server_info().server_name != second.name() {
        assert!(tokio::time::Instant::now() < deadline, "it did not turn");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(answers().await);
}

#[tokio::test]
async fn the_shipped_configuration_works_in_operator_mode() {
    let acme = Organisation::by_nsc().await;
    let server = NatsServer::operator_mode(acme.trust()).await;
    assert_eq!(sync_always(&server).await, true);
    assert!(
        async_nats::connect(server.url()).await.is_err(),
        "no way in without credentials"
    );

    let nats = Nats::new();
    nats.add_context("app", &server.url(), Some(&acme.creds("APP", "alice")));
    nats.add_context("sys", &server.url(), Some(&acme.creds("SYS", "sys")));
    let accounts = nats
        .run([
            "--context",
            "sys",
            "req",
            "--raw",
            "$SYS.REQ.CLAIMS.LIST",
            "",
        ])
        .await;
    assert!(accounts.expect_success().contains("\"data\":["));

    let added = ["--context", "app", "kv", "add", "box"];
    let _ = nats.run(added).await.expect_success();
    let put = ["--context", "app", "kv", "put", "box", "colour"];
    let _ = nats.run_with_stdin(put, b"blue").await.expect_success();
    let got = nats
        .run(["--context", "app", "kv", "get", "--raw", "box", "colour"])
        .await;
    assert_eq!(got.expect_success().trim_end(), "blue");

    nats.add_context("nobody", &server.url(), None);
    let refused = nats.run(["--context", "nobody", "pub", "x", "y"]).await;
    assert!(refused.expect_failure().contains("Authorization Violation"));
}

#[tokio::test]
async fn a_deleted_setting_is_seen_in_operator_mode() {
    let acme = Organisation::by_nsc().await;
    let lazy = Config::operator_mode(acme.trust()).replace("sync_interval: always", "");
    let server = NatsServer::start(lazy).await;
    assert_eq!(sync_always(&server).await, Value::Null);
}

#[tokio::test]
async fn the_shipped_cluster_works_in_operator_mode() {
    let acme = Organisation::by_nsc().await;
    let cluster = Cluster::operator_mode(acme.trust()).await;
    assert!(cluster.leader().await.is_some());

    let client = async_nats::ConnectOptions::with_credentials_file(acme.creds("APP", "alice"))
        .await
        .unwrap()
        .connect(cluster.server(2).url())
        .await
        .unwrap();
    append(&client, "kept", 3).await;
    assert_eq!(stored(&client, "kept").await, 1);

    // A route is root: without the password there is none.
    let stranger = cluster.server(0).monitor("/varz").await["cluster"]["cluster_port"].clone();
    let mut route = tokio::net::TcpStream::connect(format!("127.0.0.1:{stranger}"))
        .await
        .unwrap();
    let connect =
        b"CONNECT {\"verbose\":false,\"name\":\"stranger\",\"cluster\":\"keyledger\"}\r\nPING\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut route, connect)
        .await
        .unwrap();
    let mut answer = String::new();
    let _ = tokio::io::AsyncReadExt::read_to_string(&mut route, &mut answer).await;
    assert!(answer.contains("Authorization Violation"), "{answer}");
}

#[tokio::test]
#[should_panic(expected = "nonsense.conf")]
async fn a_refused_configuration_fails_with_the_servers_own_words() {
    NatsServer::start(Config::text("include \"nonsense.conf\"")).await;
}

#[tokio::test]
async fn the_cli_waits_on_a_subject_and_answers() {
    let server = NatsServer::simple_jetstream(true).await;
    let nats = Nats::new();
    nats.add_context("test", &server.url(), None);
    let mut listener = nats.spawn(["--context", "test", "sub", "greetings", "--count", "1"]);
    // The CLI says that it subscribes before it does; the server knows.
    while !server
        .monitor("/connz?subs=1")
        .await
        .to_string()
        .contains("greetings")
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let _ = nats
        .run(["--context", "test", "pub", "greetings", "hello"])
        .await
        .expect_success();
    listener.wait_for_line("hello", PATIENCE).await;
    assert!(listener.wait(PATIENCE).await.success());
    assert!(
        !nats.config_home().join("nats/context.txt").exists(),
        "nothing is selected"
    );
}

#[tokio::test]
async fn a_process_is_watched_interrupted_and_killed() {
    let mut polite = Process::spawn(shell(
        "trap 'echo bye; exit 3' INT; echo ready; while :; do sleep 0.05; done",
    ));
    assert_eq!(polite.wait_for_line("read", PATIENCE).await, "ready");
    assert_eq!(polite.interrupt().await.code(), Some(3));
    assert_eq!(polite.stdout(), "ready\nbye\n");

    let mut stubborn = Process::spawn(shell(
        "trap '' INT TERM; echo ready; while :; do sleep 0.05; done",
    ));
    stubborn.wait_for_line("ready", PATIENCE).await;
    assert!(stubborn.is_running());
    stubborn.kill9();
    assert!(!stubborn.is_running());

    let output = run(shell("cat; echo sorry >&2; exit 7"), b"input", PATIENCE).await;
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str(), output.code),
        ("input", "sorry\n", Some(7))
    );
}

#[tokio::test]
#[should_panic(expected = "ended and never printed")]
async fn a_line_that_cannot_come_any_more_is_not_waited_for() {
    Process::spawn(shell("echo something else"))
        .wait_for_line("ready", PATIENCE)
        .await;
}

#[tokio::test]
async fn a_dropped_process_takes_its_children_along() {
    let mut parent = Process::spawn(shell("sleep 1000 & echo child $!; wait"));
    let child = parent
        .wait_for_line("child", PATIENCE)
        .await
        .replace("child ", "");
    assert!(runs(&child));
    drop(parent);
    gone(&child).await;
}

#[tokio::test]
async fn a_killed_test_leaves_nothing_running() {
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args([
        "--ignored",
        "--exact",
        "--nocapture",
        "leaves_a_process_and_waits",
    ]);
    let mut test = Process::spawn(test);
    let line = test.wait_for_line("left running", PATIENCE).await;
    let left = line.rsplit(' ').next().unwrap();
    assert!(runs(left));
    test.kill9();
    gone(left).await;
}

#[test]
#[ignore = "no test of its own: a_killed_test_leaves_nothing_running runs and kills it"]
fn leaves_a_process_and_waits() {
    let left = Process::spawn(shell("sleep 1000"));
    println!("left running {}", left.pid());
    std::thread::sleep(PATIENCE);
}

/// Publishes one message with `replicas` copies; after a leader was lost, tries until there is another.
async fn append(client: &async_nats::Client, stream: &str, replicas: usize) {
    let jetstream = jetstream::new(client.clone());
    let config = jetstream::stream::Config {
        name: stream.to_owned(),
        num_replicas: replicas,
        ..jetstream::stream::Config::default()
    };
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while let Err(error) = jetstream.get_or_create_stream(config.clone()).await {
        assert!(tokio::time::Instant::now() < deadline, "no stream: {error}");
    }
    loop {
        let sent = jetstream
            .publish(stream.to_owned(), "a fact".into())
            .await
            .unwrap();
        let Err(error) = sent.await else {
            return;
        };
        assert!(
            tokio::time::Instant::now() < deadline,
            "not stored: {error}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn stored(client: &async_nats::Client, stream: &str) -> u64 {
    let stream = jetstream::new(client.clone())
        .get_stream(stream)
        .await
        .unwrap();
    stream.cached_info().state.messages
}

async fn sync_always(server: &NatsServer) -> Value {
    server.monitor("/varz").await["jetstream"]["config"]["sync_always"].clone()
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn runs(pid: &str) -> bool {
    // The init of a container may never reap what was left to it: a zombie does not run.
    let zombie = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.contains(") Z "));
    let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
    !zombie && rustix::process::test_kill_process(pid).is_ok()
}

async fn gone(pid: &str) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while runs(pid) {
        assert!(tokio::time::Instant::now() < deadline, "{pid} still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An organisation made by NATS's own tool: operator with a signing key, accounts `SYS` and `APP`.
struct Organisation {
    home: TempDir,
}

impl Organisation {
    async fn by_nsc() -> Self {
        let acme = Self {
            home: tempfile::tempdir().unwrap(),
        };
        acme.nsc("add operator --name acme --generate-signing-key --sys")
            .await;
        acme.nsc("edit operator --require-signing-keys").await;
        acme.nsc("add account APP").await;
        acme.nsc("edit account APP --sk generate --js-disk-storage -1 --js-mem-storage -1")
            .await;
        acme.nsc("edit account APP --js-streams -1 --js-consumer -1")
            .await;
        acme.nsc("add user --account APP alice").await;
        let config = acme
            .nsc("generate config --mem-resolver --sys-account SYS")
            .await;
        let trust: String = config.replace("resolver: MEMORY", "");
        std::fs::write(acme.trust().join("trust.conf"), trust).unwrap();
        acme
    }

    fn trust(&self) -> &Path {
        self.home.path()
    }

    fn creds(&self, account: &str, user: &str) -> PathBuf {
        self.home
            .path()
            .join(format!("keys/creds/acme/{account}/{user}.creds"))
    }

    async fn nsc(&self, arguments: &str) -> String {
        let home = self.home.path();
        let mut command = Command::new(tools::nsc());
        command
            .args(arguments.split(' '))
            .env("HOME", home)
            .env("NSC_HOME", home.join("nsc"))
            .env("XDG_DATA_HOME", home.join("data"))
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("NKEYS_PATH", home.join("keys"))
            .env("NSC_NO_GIT_IGNORE", "true");
        run(command, b"", PATIENCE).await.expect_success()
    }
}
