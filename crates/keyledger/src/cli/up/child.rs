//! The nats-server of `up`: configured, started, supervised and stopped.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use keyledger_custody::{Existing, Readers, write_output};
use keyledger_service::trust::Organisation;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::Child,
    time::{sleep, timeout},
};

use super::{Guard, organisation};
use crate::{
    connect,
    context::Context,
    exit::{Exit, Failure},
};

/// The configuration, which tests and examples use for their servers too.
const KEYLEDGER_CONF: &str = include_str!("../../../../../nats-config/keyledger.conf");
/// How long the server may take to start. With a million events it takes a second; the rest is for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the server may take to stop in order before it is killed.
const GRACE: Duration = Duration::from_secs(15);
/// The pause before it is started again; it doubles, up to the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// After a server has run for this long, the next pause is short again.
const WELL: Duration = Duration::from_secs(60);

/// A running nats-server.
#[derive(Debug)]
pub(super) struct NatsServer {
    program: PathBuf,
    directory: PathBuf,
    url: String,
    child: Child,
}

impl NatsServer {
    /// Writes its configuration and starts it.
    pub(super) fn start(program: PathBuf, organisation: &Organisation) -> anyhow::Result<Self> {
        let directory = organisation.directory().join("server");
        let port = organisation::port(organisation)?;
        configure(&directory, &name(organisation), port)?;
        if !organisation::is_free(port) {
            let problem =
                format!("port {port} is taken, and this organisation's clients connect there");
            return Err(Failure::new(Exit::Error, problem)
                .remedy("stop the program that listens there; perhaps it is your own nats-server")
                .into());
        }
        let child = spawn(&program, &directory)?;
        Ok(Self {
            program,
            directory,
            url: organisation.url.clone(),
            child,
        })
    }

    /// Waits until it answers, and connects.
    pub(super) async fn ready(&mut self, creds: &Path) -> anyhow::Result<async_nats::Client> {
        let context = Context::new(&self.url, creds);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().context("looking after nats-server")? {
                return Err(self.failed(&format!("nats-server ended at once ({status})")));
            }
            match connect::plain(&context, Duration::from_secs(5)).await {
                Ok(client) => return Ok(client),
                Err(error)
                    if crate::exit::code(&error) == Exit::Unreachable
                        && Instant::now() < deadline =>
                {
                    sleep(Duration::from_millis(50)).await;
                }
                Err(error) => {
                    return Err(self.failed(&format!("nats-server does not answer: {error:#}")));
                }
            }
        }
    }

    /// Starts the server again each time it ends. Never returns; the service reconnects by itself.
    pub(super) async fn supervise(&mut self) {
        let (shortest, longest) = PAUSE;
        let mut pause = shortest;
        loop {
            let begun = Instant::now();
            let ended = self
                .child
                .wait()
                .await
                .map(|status: ExitStatus| status.to_string());
            let ended = ended.unwrap_or_else(|error| error.to_string());
            if begun.elapsed() > WELL {
                pause = shortest;
            }
            let log = log(&self.directory);
            tracing::error!(%ended, log = %log.display(), "nats-server ended; starting it again");
            self.child = loop {
                sleep(pause).await;
                pause = longest.min(pause * 2);
                match spawn(&self.program, &self.directory) {
                    Ok(child) => break child,
                    Err(error) => tracing::error!("nats-server does not start: {error:#}"),
                }
            };
            tracing::warn!("nats-server was started again");
        }
    }

    /// Stops the server in order. Everything is on disk already, but clients are informed.
    pub(super) async fn stop(mut self) {
        let pid = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()));
        let Some(pid) = pid else { return }; // it has ended already
        // If it ended between these two lines, nothing is left to do.
        let _ = kill_process(pid, Signal::TERM);
        if timeout(GRACE, self.child.wait()).await.is_err() {
            tracing::warn!("nats-server did not stop within {GRACE:?}, and is killed");
            drop(self.child.kill().await);
        }
    }

    fn failed(&self, problem: &str) -> anyhow::Error {
        let log = log(&self.directory);
        let text = fs::read(&log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(10)..].join("\n  ");
        Failure::new(Exit::Error, format!("{problem}\n  {last}"))
            .remedy(format!("the whole log is {}", log.display()))
            .into()
    }
}

/// The server's name. JetStream knows a server by its name, so it stays the same, and differs between organisations on one machine.
fn name(organisation: &Organisation) -> String {
    format!(
        "keyledger-{}",
        organisation
            .genesis
            .chars()
            .rev()
            .take(8)
            .collect::<String>()
    )
}

fn configure(directory: &Path, name: &str, port: u16) -> anyhow::Result<()> {
    let inside = |path: &str| escaped(&directory.join(path));
    let local = format!(
        "# Written by `keyledger up` at every start.\n\
         KEYLEDGER_SERVER_NAME: \"{name}\"\n\
         KEYLEDGER_LISTEN: \"127.0.0.1:{port}\"\n\
         KEYLEDGER_RESOLVER_DIR: \"{}\"\n\
         KEYLEDGER_JETSTREAM_DIR: \"{}\"\n\
         KEYLEDGER_MAX_FILE_STORE: 10GB\n",
        inside("resolver"),
        inside("jetstream"),
    );
    for (file, text) in [("keyledger.conf", KEYLEDGER_CONF), ("local.conf", &local)] {
        let path = directory.join(file);
        write_output(&path, text.as_bytes(), Readers::Owner, Existing::Replaced)?;
    }
    Ok(())
}

/// A path within the double quotes of nats-server's configuration.
fn escaped(path: &Path) -> String {
    path.display()
        .to_string()
        .replace('\\', r"\\")
        .replace('"', r#"\""#)
}

fn spawn(program: &Path, directory: &Path) -> anyhow::Result<Child> {
    let log = log(directory);
    let opened = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&log);
    let output = opened.with_context(|| format!("opening {}", log.display()))?;
    Guard::command(program)?
        .arg("-c")
        .arg(directory.join("keyledger.conf"))
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        // In a process group of its own: Ctrl-C at the terminal stops the service first, which then stops this server.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("starting {}", program.display()))
}

fn log(directory: &Path) -> PathBuf {
    directory.join("nats-server.log")
}
