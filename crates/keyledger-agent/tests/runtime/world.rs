//! A server, a service's end, and an agent in a directory of its own.

use std::{
    fs,
    io::Read as _,
    os::unix::{
        fs::{DirBuilderExt as _, PermissionsExt as _},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use async_nats::jetstream::{self, consumer::pull, stream};
use keyledger_agent::{
    identity::{FileIdentity, Identity as _},
    run::{AgentStatus, JOURNAL_FILE},
};
use keyledger_testkit::{NatsServer, PATIENCE, Process};
use keyledger_wire::local::SOCKET;
use tempfile::TempDir;

use crate::{
    process::{PLACE, Settings, TERMINAL},
    service::Service,
    trust::Organisation,
};

pub(crate) const SERIAL: u32 = 31_415_926;

/// A pinentry that gives the same PIN each time, gives the serial number when asked for one, and notes that it was asked.
const PINENTRY: &str = r#"#!/bin/sh
echo "OK hello"
while read -r command rest; do
    case $command in
        SETDESC) said=$rest; echo "OK" ;;
        GETPIN)
            echo "asked" >> "$(dirname "$0")/asked"
            case $said in *serial*) echo "D 31415926" ;; *) echo "D 19283746" ;; esac
            echo "OK" ;;
        BYE) echo "OK"; exit 0 ;;
        *) echo "OK" ;;
    esac
done
"#;

pub(crate) struct World {
    pub(crate) server: NatsServer,
    pub(crate) service: Service,
    pub(crate) nkey: String,
    home: TempDir,
}

impl World {
    /// Everything but the agent's process, which [`World::agent`] starts.
    pub(crate) async fn new() -> Self {
        let world = Self::without_queue().await;
        world.make_queue().await;
        world
    }

    pub(crate) async fn without_queue() -> Self {
        let organisation = Organisation::new();
        let server = NatsServer::start(organisation.config.clone()).await;
        let service = Service::new(organisation.connect(&server.url()).await);
        service.serve().await;
        let home = tempfile::tempdir().unwrap();
        for name in ["config", "state", "run"] {
            let mut directory = fs::DirBuilder::new();
            directory
                .mode(0o700)
                .create(home.path().join(name))
                .unwrap();
        }
        let pinentry = home.path().join("pinentry");
        fs::write(&pinentry, PINENTRY).unwrap();
        fs::set_permissions(&pinentry, fs::Permissions::from_mode(0o755)).unwrap();
        let identity = FileIdentity::make(&home.path().join("config")).unwrap();
        let nkey = identity.public_nkey().to_owned();
        fs::write(home.path().join("plugged.json"), "[]").unwrap();
        let world = Self {
            server,
            service,
            home,
            nkey,
        };
        world.settings(&organisation.agent_jwt(&world.nkey));
        world
    }

    /// Writes the agent's settings: the server, and the credentials.
    pub(crate) fn settings(&self, jwt: &str) {
        let settings = Settings {
            url: self.server.url(),
            jwt: jwt.to_owned(),
            signers: vec![self.service.signer.public_key()],
        };
        let settings = serde_json::to_vec(&settings).unwrap();
        fs::write(self.file("settings.json"), settings).unwrap();
    }

    /// The stream of tasks and the agent's consumer, as the service makes them.
    pub(crate) async fn make_queue(&self) {
        // A short wait, so that a task is soon given again. The service's queue waits a minute.
        self.make_queue_that_waits(Duration::from_secs(1)).await;
    }

    pub(crate) async fn make_queue_that_waits(&self, ack_wait: Duration) {
        let stream = jetstream::new(self.service.nats.clone())
            .create_stream(stream::Config {
                name: "KEYS_TASKS".to_owned(),
                subjects: vec!["keys.tasks.>".to_owned()],
                retention: stream::RetentionPolicy::WorkQueue,
                ..stream::Config::default()
            })
            .await
            .unwrap();
        let consumer = pull::Config {
            durable_name: Some(self.nkey.clone()),
            filter_subject: "keys.tasks.alice-laptop.>".to_owned(),
            ack_wait,
            ..pull::Config::default()
        };
        stream.create_consumer(consumer).await.unwrap();
    }

    pub(crate) fn place(&self) -> &Path {
        self.home.path()
    }

    /// Starts the agent.
    pub(crate) fn agent(&self) -> Process {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["process::agent", "--exact", "--ignored", "--nocapture"])
            .env(PLACE, self.place());
        Process::spawn(command)
    }

    /// Starts the agent on a terminal of its own, where a person types this.
    pub(crate) fn agent_on_terminal(&self, typed: &[u8]) -> Process {
        let program = std::env::current_exe().unwrap();
        let agent = format!(
            "{} process::agent --exact --ignored --nocapture",
            program.display()
        );
        fs::write(self.file("typed"), typed).unwrap();
        // `script` is part of bsdutils, which every Debian has. It shows nothing after its input has ended.
        let line = format!(
            "{{ cat typed; sleep 60; }} | exec script --quiet --flush --command '{agent}' /dev/null"
        );
        let mut command = Command::new("sh");
        command
            .args(["-c", &line])
            .current_dir(self.place())
            .env(PLACE, self.place())
            .env(TERMINAL, "1");
        Process::spawn(command)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.place().join(name)
    }

    pub(crate) fn journal(&self) -> String {
        fs::read_to_string(self.place().join("state").join(JOURNAL_FILE)).unwrap()
    }

    pub(crate) fn hold(&self, step: &str) {
        fs::write(self.file(&format!("hold-{step}")), "").unwrap();
    }

    pub(crate) fn release(&self, step: &str) {
        fs::remove_file(self.file(&format!("hold-{step}"))).unwrap();
    }

    /// What was done to a token.
    pub(crate) fn token(&self, serial: u32) -> Vec<String> {
        let text = fs::read_to_string(self.file(&format!("token-{serial}"))).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The agent's status; nothing if no agent runs.
    pub(crate) fn status(&self) -> Option<AgentStatus> {
        let mut socket = UnixStream::connect(self.place().join("run").join(SOCKET)).ok()?;
        socket.shutdown(std::net::Shutdown::Write).ok()?;
        let mut text = String::new();
        socket.read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    pub(crate) async fn wait_for_status(
        &self,
        what: &str,
        is: impl Fn(&AgentStatus) -> bool,
    ) -> AgentStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status();
            if let Some(status) = status.clone().filter(|status| is(status)) {
                return status;
            }
            assert!(Instant::now() < deadline, "not {what}: {status:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the walk is held at `step`, and the service has every report up to there.
    pub(crate) async fn wait_for_hold(&self, step: &str) {
        let held = format!("held at {step}");
        let deadline = Instant::now() + PATIENCE;
        while !self.token(SERIAL).contains(&held) {
            assert!(Instant::now() < deadline, "not {held}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Check this only now: the walk also reports that it is held.
        self.wait_for_status("held, with nothing to deliver", |s| {
            s.tasks.iter().all(|t| t.undelivered == 0)
        })
        .await;
    }

    /// Waits until the queue is empty: every task was acknowledged.
    pub(crate) async fn wait_for_empty_queue(&self) {
        let jetstream = jetstream::new(self.service.nats.clone());
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stream = jetstream.get_stream("KEYS_TASKS").await.unwrap();
            let messages = stream.cached_info().state.messages;
            if messages == 0 {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{messages} tasks are in the queue"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
