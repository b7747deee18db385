//! `keyledger-agent run`: runs the agent.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    clock,
    config::{AgentClaims, AgentConfig, read_jwt},
    directories::Directories,
    identity::{FileIdentity, Identity as _},
    output::Output,
    person::{Person, Pinentry, Prompter, Terminal},
    run::{Address, Agent},
    stop::Stop,
    tokens::Tokens,
};

/// Take tasks, carry them out and report, until Ctrl-C or SIGTERM
///
/// Needs no root, and can start without a network. One agent runs for each user; systemd starts it with the unit
/// `keyledger-agent.service`. It may be killed at any moment: when it starts again, it goes on from what the tokens show.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger-agent run
  keyledger-agent run --terminal
  RUST_LOG=debug keyledger-agent run --log-json")]
pub(crate) struct RunAgent {
    /// Ask for PINs on this terminal instead of by pinentry
    #[arg(long)]
    terminal: bool,
}

/// The number of async threads. The agent mostly waits, so it needs no thread for each core.
const WORKERS: usize = 2;
/// The number of threads for blocking work: writing the journal, one write at a time, and resolving names.
const BLOCKING: usize = 8;

impl RunAgent {
    pub(super) fn run(
        self,
        directories: &Directories,
        tokens: Arc<dyn Tokens>,
        out: &mut Output<'_>,
    ) -> anyhow::Result<()> {
        let config = AgentConfig::read(&directories.config)?;
        directories.make()?;
        let identity = FileIdentity::open(&directories.config)?;
        let (jwt, claims) = read_jwt(&directories.config, identity.public_nkey())?;
        let expires_at = claims.expires_at();
        if let Some(near) = AgentClaims::end_is_near(expires_at, clock::now()) {
            tracing::warn!("{near}");
        }
        let stop = Stop::default();
        let prompter: Box<dyn Prompter> = if self.terminal {
            Box::new(Terminal)
        } else {
            let pinentry = Pinentry::new(&config.pinentry);
            if let Err(missing) = pinentry.look() {
                tracing::warn!("nobody can be asked for a PIN: {missing}");
            }
            Box::new(pinentry)
        };
        let agent = Agent {
            address: Address {
                servers: config.servers()?,
                url: config.url.clone(),
                jwt,
                tls_ca: config.tls_ca.clone(),
            },
            prefix: config.prefix()?,
            workstation: config.workstation.clone(),
            expires_at,
            signers: config.signers.clone(),
            state: directories.state.clone(),
            runtime: directories.runtime.clone(),
            tokens,
            person: Arc::new(Person::new(prompter, config.pin, stop.clone())),
            identity: Arc::new(identity),
        };
        if !out.is_json() {
            let (workstation, url) = (&config.workstation, &config.url);
            out.line(format!("agent of {workstation}, for {url}"))?;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .max_blocking_threads(BLOCKING)
            .enable_all()
            .build()?;
        let ran = runtime.block_on(async {
            stop_on_signal(&stop)?;
            agent.run(stop).await.map_err(anyhow::Error::from)
        });
        runtime.shutdown_background(); // do not wait for a prompt that nobody answers
        ran
    }
}

/// Stops the agent in order on SIGINT (Ctrl-C), SIGTERM and SIGHUP (the terminal was closed).
fn stop_on_signal(stop: &Stop) -> anyhow::Result<()> {
    for (kind, name) in [
        (SignalKind::interrupt(), "SIGINT"),
        (SignalKind::terminate(), "SIGTERM"),
        (SignalKind::hangup(), "SIGHUP"),
    ] {
        let mut signal = signal(kind).context("listening for signals")?;
        let stop = stop.clone();
        tokio::spawn(async move {
            signal.recv().await;
            tracing::info!(signal = name, "stopping");
            stop.stop();
        });
    }
    Ok(())
}
