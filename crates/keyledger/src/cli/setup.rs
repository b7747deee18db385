//! `keyledger setup`: streams, buckets and the genesis events, made once.

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use keyledger_service::trust::{SetupReport, setup};
use serde_json::json;

use crate::{
    connect,
    context::Context,
    exit::{Exit, Failure},
    output::Output,
    place::{self, DEFAULT_DIR},
    when,
};

/// Make an organisation's streams and buckets, and write the genesis events
///
/// Needs a server that uses server/trust.conf of the directory. It may be repeated: it never changes what exists.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger setup --dir /etc/keyledger
  keyledger setup --dir /etc/keyledger --replicas 3")]
pub(crate) struct Setup {
    /// The directory of `keyledger init`
    #[arg(long, value_name = "DIR", env = "KEYLEDGER_DIR", default_value = DEFAULT_DIR)]
    dir: PathBuf,
    /// How many copies of each stream there are, each on another server of a cluster
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    replicas: u8,
    #[command(flatten)]
    server: Server,
    /// The setup creds, if they are not in the directory any more
    #[arg(long, value_name = "FILE")]
    creds: Option<PathBuf>,
    /// How long to wait for the server
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = when::parse_duration)]
    timeout: Duration,
}

/// Where the server is, and how to recognise it.
#[derive(Debug, clap::Args)]
pub(super) struct Server {
    /// The servers' addresses, joined by commas, if they are not those given to `init`
    #[arg(long, env = "NATS_URL")]
    pub(super) url: Option<String>,
    /// The CA that the server's certificate must come from
    #[arg(long, value_name = "FILE", env = "NATS_CA")]
    pub(super) tlsca: Option<PathBuf>,
    /// The client's certificate
    #[arg(long, value_name = "FILE", env = "NATS_CERT", requires = "tlskey")]
    pub(super) tlscert: Option<PathBuf>,
    /// The key of the client's certificate
    #[arg(long, value_name = "FILE", env = "NATS_KEY", requires = "tlscert")]
    pub(super) tlskey: Option<PathBuf>,
}

impl Setup {
    pub(crate) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let organisation = place::organisation(&self.dir)?;
        let text = |path: &Option<PathBuf>| {
            path.as_ref()
                .map(|p| p.display().to_string())
                .unwrap_or_default()
        };
        let url = self.server.url.as_ref().unwrap_or(&organisation.url);
        let creds = self.creds.unwrap_or_else(|| organisation.creds("setup"));
        let mut context = Context::new(url, &creds);
        context.ca = text(&self.server.tlsca);
        context.cert = text(&self.server.tlscert);
        context.key = text(&self.server.tlskey);
        let nats = connect::plain(&context, self.timeout)
            .await
            .map_err(unconnected)?;
        let report = setup(&nats, &organisation, self.replicas.into())
            .await
            .with_context(|| format!("setting up {}", organisation.title))?;
        print(&report, out)
    }
}

/// In these commands the server has another flag than elsewhere.
fn unconnected(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<Failure>() {
        Ok(failure) if failure.exit == Exit::Unreachable => failure
            .remedy(
                "is nats-server up there, with server/trust.conf of --dir? --url names another, --tlsca the CA of its certificate",
            )
            .into(),
        Ok(failure) => failure
            .remedy("has the server this organisation's server/trust.conf? --creds names the setup creds, --url another server")
            .into(),
        Err(error) => error,
    }
}

fn print(report: &SetupReport, out: &mut Output<'_>) -> anyhow::Result<()> {
    let SetupReport {
        made,
        uploaded,
        genesis_events,
        ..
    } = report;
    if out.is_json() {
        out.json(&json!({ "made": made, "uploaded": uploaded, "genesis_events": genesis_events }))?;
        return Ok(());
    }
    if made.is_empty() && *genesis_events == 0 {
        out.line("everything was there already, and stays as it is")?;
        return Ok(());
    }
    for stream in made {
        out.line(format!("made stream {stream}"))?;
    }
    out.line(format!(
        "uploaded {uploaded} sealed keys and wrote {genesis_events} genesis events"
    ))?;
    Ok(())
}
