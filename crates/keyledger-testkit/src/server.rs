//! One real nats-server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::config::{Config, Place};
use crate::process::{PATIENCE, POLL, Process};
use crate::{ports::FreePort, tools};

/// A real nats-server on loopback, in a directory of its own; gone when dropped.
#[derive(Debug)]
pub struct NatsServer {
    config: Config,
    place: Place,
    process: Option<Process>,
    directory: TempDir, // last: removed after the process that writes there is gone
}

/// Why a server did not come up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotUp {
    /// Somebody took one of its ports since we looked: try another.
    PortTaken,
    /// Anything else; with the log.
    Refused(String),
}

impl NatsServer {
    /// Starts a server and waits until it is healthy: it accepts clients and has recovered its streams.
    ///
    /// # Panics
    ///
    /// If nats-server is missing (run `./dev tools`), or refuses the configuration, or is not healthy within [`PATIENCE`];
    /// with its log.
    pub async fn start(config: Config) -> Self {
        loop {
            let mut server = Self::prepare(config.clone(), Place::alone());
            match server.launch().await {
                Ok(()) => {
                    server.wait_until_healthy().await;
                    return server;
                }
                Err(NotUp::PortTaken) => {}
                Err(NotUp::Refused(log)) => panic!("nats-server did not start\n{log}"),
            }
        }
    }

    /// Starts a server without authentication and with JetStream; see [`Config::simple_jetstream`].
    ///
    /// # Panics
    ///
    /// As [`NatsServer::start`].
    pub async fn simple_jetstream(sync_always: bool) -> Self {
        Self::start(Config::simple_jetstream(sync_always)).await
    }

    /// Starts a server in operator mode with the shipped configuration; see [`Config::operator_mode`].
    ///
    /// # Panics
    ///
    /// As [`NatsServer::start`], and if `directory` holds no `trust.conf`.
    pub async fn operator_mode(directory: &Path) -> Self {
        Self::start(Config::operator_mode(directory)).await
    }

    pub(crate) fn prepare(config: Config, place: Place) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("nats-server-")
            .tempdir()
            .expect("a temporary directory can be made");
        Self {
            config,
            place,
            process: None,
            directory,
        }
    }

    /// Starts the process and waits until it accepts clients.
    pub(crate) async fn launch(&mut self) -> Result<(), NotUp> {
        let arguments = self.config.write(self.directory.path(), &self.place);
        let seen = self.log().len();
        let mut command = Command::new(tools::nats_server());
        command.args(arguments).current_dir(self.directory.path());
        let process = self.process.insert(Process::spawn_logging_to(
            command,
            log_path(&self.directory),
        ));

        let deadline = Instant::now() + PATIENCE;
        loop {
            let running = process.is_running();
            if running && answers(&self.place).await {
                return Ok(());
            }
            if !running || Instant::now() > deadline {
                let log = self.log().split_off(seen);
                self.process = None;
                return Err(if log.contains("address already in use") {
                    NotUp::PortTaken
                } else {
                    NotUp::Refused(log)
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Ends the server cleanly (SIGTERM) and waits until it is gone. Nothing happens if it is not running.
    ///
    /// # Panics
    ///
    /// If it does not end within [`PATIENCE`]; with its log.
    pub async fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.terminate().await;
        }
    }

    /// Ends the server as a crash would (SIGKILL) and waits until it is gone.
    pub fn kill9(&mut self) {
        self.process = None;
    }

    /// Lets the server write no file beyond so many bytes until it is started again: its writes fail then as on a full disk.
    ///
    /// # Panics
    ///
    /// If it is not running, or there is no `prlimit` (of util-linux).
    pub fn limit_files(&self, bytes: u64) {
        let pid = self.pid().expect("it is running");
        let limited = Command::new("prlimit")
            .args([format!("--pid={pid}"), format!("--fsize={bytes}:")])
            .status();
        assert!(limited.expect("there is prlimit").success());
    }

    /// Starts the server again, with the same name, ports and data; stops it first if it still runs.
    ///
    /// # Panics
    ///
    /// As [`NatsServer::start`].
    pub async fn restart(&mut self) {
        self.stop().await;
        self.launch_again().await;
        self.wait_until_healthy().await;
    }

    /// Launches at the old ports, waiting if a dying connection or a passing test still holds one.
    pub(crate) async fn launch_again(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.launch().await {
                Ok(()) => return,
                Err(NotUp::PortTaken) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(not_up) => panic!(
                    "nats-server did not start again: {not_up:?}\n{}",
                    self.log()
                ),
            }
        }
    }

    /// Starts the server again with another configuration, over the same data.
    ///
    /// # Panics
    ///
    /// As [`NatsServer::start`].
    pub async fn restart_with(&mut self, config: Config) {
        self.stop().await;
        self.config = config;
        self.restart().await;
    }

    /// Waits until the server says that it is healthy: streams recovered, in a cluster the leader known.
    ///
    /// # Panics
    ///
    /// If it does not within [`PATIENCE`]; with its log.
    pub async fn wait_until_healthy(&self) {
        let deadline = Instant::now() + PATIENCE;
        while fetch(self.place.monitor_port.number(), "/healthz")
            .await
            .is_none()
        {
            assert!(
                Instant::now() < deadline,
                "{} is not healthy after {PATIENCE:?}\n{}",
                self.name(),
                self.log()
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Connects without credentials.
    ///
    /// # Panics
    ///
    /// If the server refuses.
    pub async fn connect(&self) -> async_nats::Client {
        async_nats::connect(self.url())
            .await
            .unwrap_or_else(|error| panic!("cannot connect to {}: {error}", self.url()))
    }

    /// Connects to the system account of a [`Config::simple_jetstream`] server.
    ///
    /// # Panics
    ///
    /// If the server refuses: with another configuration its system account wants other credentials.
    pub async fn connect_system(&self) -> async_nats::Client {
        // Not in the URL: async-nats 0.51 ignores a user named there.
        let (user, password) = Config::SYSTEM_LOGIN;
        async_nats::ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
            .connect(self.url())
            .await
            .unwrap_or_else(|error| panic!("cannot connect to {} as {user}: {error}", self.url()))
    }

    /// Asks a monitoring endpoint, such as `/varz`, `/jsz?streams=true` or `/connz?auth=true`.
    ///
    /// # Panics
    ///
    /// If the server does not answer with JSON.
    pub async fn monitor(&self, path: &str) -> Value {
        let body = fetch(self.place.monitor_port.number(), path)
            .await
            .unwrap_or_else(|| panic!("{} does not answer {path}", self.name()));
        serde_json::from_str(&body)
            .unwrap_or_else(|error| panic!("{path} answered {body}, not JSON: {error}"))
    }

    /// Where clients connect: `nats://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.place.port)
    }

    /// The port clients connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.place.port.number()
    }

    /// The server's name, unique on this machine.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.place.name
    }

    /// The process id; `None` while it is stopped.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Everything the server has logged, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(log_path(&self.directory))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default() // before the first start there is none
    }

    /// The server's directory: configuration, `server.log`, `jetstream/`, and in operator mode `resolver/`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Place {
    /// A server's place with fresh ports, in no cluster.
    pub(crate) fn alone() -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        Self {
            name: format!("test-{}-{number}", std::process::id()),
            port: FreePort::find(),
            monitor_port: FreePort::find(),
            routes: None,
        }
    }
}

fn log_path(directory: &TempDir) -> PathBuf {
    directory.path().join("server.log")
}

/// Whether the very server at this place listens for clients and for monitoring.
async fn answers(place: &Place) -> bool {
    let Some(varz) = fetch(place.monitor_port.number(), "/varz").await else {
        return false;
    };
    // Another server may have taken the port in the meantime; ours then ends and says so.
    let ours = serde_json::from_str::<Value>(&varz)
        .is_ok_and(|varz| varz["server_name"] == place.name.as_str());
    ours && greets(place).await
}

/// Whether our server greets clients at its port.
async fn greets(place: &Place) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", place.port.number())).await else {
        return false;
    };
    let mut greeting = [0; 1024];
    let read = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut greeting)).await;
    let Ok(Ok(length)) = read else {
        return false;
    };
    let greeting = String::from_utf8_lossy(greeting.get(..length).unwrap_or_default());
    greeting.starts_with("INFO ") && greeting.contains(&format!("\"{}\"", place.name))
}

/// The body of a successful answer to an HTTP GET on loopback.
async fn fetch(port: u16, path: &str) -> Option<String> {
    let answer = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        // HTTP/1.0: the body is not chunked and ends with the connection.
        let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, answer).await.ok()??;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.split(' ').nth(1).filter(|status| *status == "200")?;
    Some(body.to_owned())
}
