//! `keyledger up`: starts a nats-server and the service on it.

mod child;
mod find;
mod guard;
mod organisation;
mod welcome;

use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;
use keyledger_custody::Vault;
use keyledger_domain::{
    Name,
    signed::RequiredSignatures,
    text::{Reason, Title},
};
use keyledger_pki::x509::CrlUrl;
use keyledger_service::{
    Options, Service, UserAllowance,
    trust::{Organisation, known_genesis, newest_template, setup},
};
use keyledger_wire::Prefix;

use self::child::NatsServer;
use super::{account::upgrade_all, root::RootSource, serve, signals::Signals};
use crate::{
    args::Why,
    connect::Connection,
    output::{Output, good},
    place::DEFAULT_DIR,
};

pub(crate) use guard::Guard;

/// Start Keyledger with its own nats-server and everything else it needs
///
/// The first start makes an organisation for development: its root key is stored unsealed in a local file. Later starts continue
/// where the last one ended. Ctrl-C stops both, the service first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger up
  keyledger up --require-token-signature token.release
  keyledger up --dir /srv/keyledger --port 4333 --prefix acme.security.keys

nats-server, 2.15.1 or later, is the one that KEYLEDGER_NATS_SERVER names, else the first on PATH that is recent
enough, else .tools/bin/nats-server, where ./dev of the repository installs it. Its log is DIR/server/nats-server.log.")]
pub(crate) struct Up {
    /// The directory for everything; made if it does not exist
    #[arg(long, value_name = "DIR", env = "KEYLEDGER_DIR", default_value = DEFAULT_DIR)]
    dir: PathBuf,
    /// The port on loopback [default: 4222 on the first start if it is free, else any; later the same]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// The prefix of all subjects [default: keys on the first start; later the same]
    #[arg(long, env = "KEYLEDGER_PREFIX")]
    prefix: Option<Prefix>,
    /// What people call the organisation that the first start makes
    #[arg(long, value_name = "TITLE")]
    organisation: Option<Title>,
    /// Take test tokens for real ones: a file with the root certificate that their attestations lead to, in PEM
    #[arg(long, value_name = "FILE")]
    attestation_test_root: Option<PathBuf>,
    #[command(flatten)]
    accepted: serve::Accepted,
    #[command(flatten)]
    signatures: serve::Signatures,
    #[command(flatten)]
    allowance: serve::Allowance,
    #[command(flatten)]
    lists: serve::Lists,
    #[command(flatten)]
    root: RootSource,
}

impl Up {
    pub(crate) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let program = find::nats_server()?;
        let organisation = organisation::open_or_make(&self, out)?;
        let _lock = organisation::lock(&organisation)?;
        organisation::check_own_store(&organisation)?;
        organisation::at_home(&organisation, out)?;
        // Before signals are handled here, so that Ctrl-C can end a prompt.
        let vault = self.root.vault(&organisation)?;
        let mut signals = Signals::listen()?;
        let mut server = NatsServer::start(program, &organisation)?;
        let mut service = None;
        let rules = Rules {
            accepted: self.accepted,
            attestation_test_root: self.attestation_test_root,
            require_token_signature: self.signatures.require_token_signature,
            crl_url: self.lists.crl_url,
            user_allowance: self.allowance.into(),
        };
        let ended = tokio::select! {
            ended = serve_on(&mut server, &organisation, vault, rules, &mut service, out) => ended,
            signal = signals.next() => {
                tracing::info!(signal, "stopping");
                Ok(())
            }
        };
        if let Some(service) = service {
            service.stop().await;
        }
        server.stop().await;
        ended
    }
}

/// The rules that the service must keep strictly.
struct Rules {
    accepted: serve::Accepted,
    attestation_test_root: Option<PathBuf>,
    require_token_signature: RequiredSignatures,
    user_allowance: UserAllowance,
    crl_url: Option<CrlUrl>,
}

/// Serves until it is stopped, or until something cannot be started.
async fn serve_on(
    server: &mut NatsServer,
    organisation: &Organisation,
    vault: Arc<Vault>,
    rules: Rules,
    service: &mut Option<Service>,
    out: &mut Output<'_>,
) -> anyhow::Result<()> {
    let nats = server.ready(&organisation.creds("setup")).await?;
    setup(&nats, organisation, 1)
        .await
        .context("making the streams")?;
    drop(nats);
    let options = Options {
        url: organisation.url.clone(),
        service_creds: organisation.creds("service"),
        system_creds: organisation.creds("system"),
        tls_ca: None,
        tls_client: None,
        prefix: organisation.prefix(),
        vault,
        snapshot: Some(organisation.directory().join("snapshot")),
        directory: Some(organisation.directory().to_owned()),
        genesis: Some(known_genesis(organisation)?),
        accept_rollback: rules.accepted.accept_rollback,
        accept_clock: rules.accepted.accept_clock,
        accept_data_loss: false,
        attestation_test_root: rules.attestation_test_root,
        require_token_signature: rules.require_token_signature,
        user_allowance: rules.user_allowance,
        crl_url: rules.crl_url,
        clock: None,
    };
    let started = Service::start(options).await.map_err(serve::unstarted)?;
    let started = service.insert(started);
    upgrade(organisation, out).await?;
    // The text is made first and printed later, so that a terminal that does not read cannot block the ledger.
    let tries = welcome::tries(organisation, &started.live().ledger.read());
    welcome::print(organisation, &tries, out)?;
    server.supervise().await;
    Ok(())
}

/// Lets accounts stand on the newest templates, which an earlier version of this program made with older ones. Who starts `up` has every
/// key of the organisation; what is not upgraded is no reason not to serve it.
async fn upgrade(organisation: &Organisation, out: &mut Output<'_>) -> anyhow::Result<()> {
    let why = Why::of(Reason::new("keyledger up").expect("it is a line of text"));
    let mut said = Vec::new();
    let upgraded = async {
        let session = Connection::of(organisation.directory().to_owned())
            .open()
            .await?;
        let mut out = Output::standard(&mut said, true);
        upgrade_all(&session, &why, &mut out).await
    };
    let names = match upgraded.await {
        Ok(names) if names.is_empty() => return Ok(()),
        Ok(names) => names,
        Err(error) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "accounts were not looked at for an upgrade; `keyledger account upgrade --all` does it"
            );
            return Ok(());
        }
    };
    if !out.is_json() {
        let names: Vec<_> = names.iter().map(Name::as_str).collect();
        let version = newest_template();
        let said = format!(
            "upgraded to version {version} of the templates: {}",
            names.join(", ")
        );
        out.styled(good(), &said)?;
    }
    Ok(())
}
