//! `keyledger serve`: the service alone, against any NATS.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;
use keyledger_custody::Vault;
use keyledger_domain::{signed::RequiredSignatures, text::in_full};
use keyledger_pki::x509::CrlUrl;
use keyledger_service::{
    LoopbackAddress, Options, Service, StartError, UserAllowance,
    trust::{Organisation, known_genesis},
};
use serde_json::json;
use tokio::sync::oneshot;

use super::{
    notify,
    root::RootSource,
    setup::Server,
    signals::Signals,
    vault::door::{self, Answer, Asked, Door},
};
use crate::{
    exit::{Exit, Failure},
    output::{Output, warning},
    place::{self, DEFAULT_DIR},
};

/// Run the service against any NATS: use this in production
///
/// Several instances share the load. Ctrl-C or SIGTERM stops it in order: accepted requests are finished first. `keyledger unit` prints a
/// systemd unit; the service tells systemd when it is ready, and what it does.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger serve --dir /etc/keyledger --passphrase-file /run/secrets/keyledger
  keyledger serve --dir /etc/keyledger --sealed
  keyledger serve --dir /etc/keyledger --require-token-signature token.release,administrator:key.destroy
  keyledger serve --dir /etc/keyledger --metrics 127.0.0.1:9464
  keyledger serve --dir /etc/keyledger --url tls://nats.acme.example:4222 --tlsca ca.pem --log-json
  keyledger serve --dir /etc/keyledger --url tls://a.acme.example,tls://b.acme.example,tls://c.acme.example")]
pub(crate) struct Serve {
    /// The directory of `keyledger init`: keyledger.json, sealed/ and, unless named, creds/
    #[arg(long, value_name = "DIR", env = "KEYLEDGER_DIR", default_value = DEFAULT_DIR)]
    dir: PathBuf,
    #[command(flatten)]
    server: Server,
    /// The creds of the service's own user
    #[arg(long, value_name = "FILE")]
    creds: Option<PathBuf>,
    /// The creds of the service's user in the system account
    #[arg(long, value_name = "FILE")]
    system_creds: Option<PathBuf>,
    #[command(flatten)]
    root: RootSource,
    /// Start with a sealed vault: without the root key, answering questions and refusing commands until `keyledger vault open`
    #[arg(long, conflicts_with = "accept_rollback")]
    sealed: bool,
    /// The socket for `keyledger vault open` and `keyledger vault seal` [default: vault.sock in --dir]
    #[arg(long, value_name = "FILE")]
    vault_socket: Option<PathBuf>,
    /// Where to keep a snapshot for a fast start [default: in --dir]
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,
    /// Accept test tokens: a file with the root certificate of their attestations, in PEM
    #[arg(long, value_name = "FILE")]
    attestation_test_root: Option<PathBuf>,
    /// Accept commands although a server may lose acknowledged writes; every acknowledgement says so
    #[arg(long)]
    accept_data_loss: bool,
    #[command(flatten)]
    accepted: Accepted,
    #[command(flatten)]
    signatures: Signatures,
    #[command(flatten)]
    allowance: Allowance,
    #[command(flatten)]
    lists: Lists,
    /// Serve metrics for Prometheus on this address of this machine: GET http://ADDRESS/metrics. There is no password, so other machines
    /// cannot reach it
    #[arg(long, value_name = "ADDRESS:PORT", env = "KEYLEDGER_METRICS")]
    metrics: Option<LoopbackAddress>,
}

/// Where lists of revoked certificates are published.
#[derive(Debug, clap::Args)]
pub(super) struct Lists {
    /// Where you publish the lists of `keyledger ca crl`, such as `http://pki.example.org/{authority}.crl`. It is written into the
    /// certificates, for those who check them. Give every instance the same
    #[arg(long, value_name = "URL", env = "KEYLEDGER_CRL_URL")]
    pub(super) crl_url: Option<CrlUrl>,
}

/// Warnings that the administrator overrules.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Accepted {
    /// Serve although the snapshot, the trust bootstrap's file or JWTs on the servers prove that the ledger was rolled back or replaced:
    /// what was revoked since then may be active again. This is recorded as an event, and is needed once
    #[arg(long)]
    pub(super) accept_rollback: bool,
    /// Trust this machine's clock, although nats-server's clock or the ledger's newest event differs from it by more than a minute
    #[arg(long)]
    pub(super) accept_clock: bool,
}

/// Which commands must be signed by a key on a token.
#[derive(Debug, clap::Args)]
pub(super) struct Signatures {
    /// Accept these commands only if a key on the sender's own token signed them: verbs, joined by commas, such as token.release, or
    /// administrator:key.destroy for one role. Give every instance the same
    #[arg(
        long,
        value_name = "VERBS",
        env = "KEYLEDGER_REQUIRE_TOKEN_SIGNATURE",
        default_value_t
    )]
    pub(super) require_token_signature: RequiredSignatures,
}

/// How fast one user may add events to the ledger.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Allowance {
    /// How many commands one user who is no administrator may have recorded in an hour, a quarter of them at once; revocations do not
    /// count. Each instance counts by itself
    #[arg(
        long,
        value_name = "N",
        env = "KEYLEDGER_USER_COMMANDS_PER_HOUR",
        default_value_t = UserAllowance::default().commands_per_hour,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    user_commands_per_hour: u32,
    /// How many KiB these commands may have in an hour: their payloads, and one KiB for each command
    #[arg(
        long,
        value_name = "N",
        env = "KEYLEDGER_USER_KIB_PER_HOUR",
        default_value_t = UserAllowance::default().kib_per_hour,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    user_kib_per_hour: u32,
}

impl From<Allowance> for UserAllowance {
    fn from(allowance: Allowance) -> Self {
        Self {
            commands_per_hour: allowance.user_commands_per_hour,
            kib_per_hour: allowance.user_kib_per_hour,
        }
    }
}

impl Serve {
    pub(crate) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let organisation = place::organisation(&self.dir)?;
        // Before signals are handled here, so that Ctrl-C can end a prompt.
        let mut vault = match self.sealed {
            true => self.root.sealed(&organisation)?,
            false => self.root.vault(&organisation)?,
        };
        let mut signals = Signals::listen()?;
        let mut door = self.door(&organisation).await?;
        let mut asked = None;
        // Sealing and opening is an end and a start: so a snapshot and the servers are asked about the ledger whenever the root key
        // comes, which makes them witnesses.
        loop {
            notify::starting();
            let options = self.options(&organisation, Arc::clone(&vault))?;
            let started = tokio::select! {
                started = Service::start(options) => started.map_err(unstarted),
                _ = signals.next() => return Ok(()),
            };
            let mut service = match started {
                Ok(service) => service,
                Err(error) => {
                    answer(asked, Answer::Refused(format!("{error:#}")));
                    return Err(error);
                }
            };
            if let Some(address) = self.metrics {
                let at = service.serve_metrics(address).await;
                let at = at.with_context(|| format!("listening on {address} for Prometheus"))?;
                tracing::info!(%at, "serving metrics");
            }
            self.announce(&organisation, &service, vault.is_open(), out)?;
            answer(asked, state(&vault));
            let next = tokio::select! {
                signal = signals.next() => Err(signal),
                next = change(&mut door, &organisation, &vault) => Ok(next),
            };
            notify::stopping();
            match next {
                Err(signal) => {
                    tracing::info!(signal, "stopping");
                    service.stop().await;
                    return Ok(());
                }
                Ok((next, who)) => {
                    service.stop().await;
                    vault.seal();
                    (vault, asked) = (next, Some(who));
                }
            }
        }
    }

    /// The door to the vault. An instance that starts open can do without one.
    async fn door(&self, organisation: &Organisation) -> anyhow::Result<Option<Door>> {
        let usual = || door::usual(organisation.directory());
        let path = self.vault_socket.clone().unwrap_or_else(usual);
        match Door::open(path).await {
            Ok(door) => Ok(Some(door)),
            Err(error) if self.sealed => Err(error),
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "this instance's vault cannot be sealed while it runs"
                );
                Ok(None)
            }
        }
    }

    fn options(&self, organisation: &Organisation, vault: Arc<Vault>) -> anyhow::Result<Options> {
        let usual = || organisation.directory().join("snapshot");
        Ok(Options {
            url: self.url(organisation),
            service_creds: self
                .creds
                .clone()
                .unwrap_or_else(|| organisation.creds("service")),
            system_creds: self
                .system_creds
                .clone()
                .unwrap_or_else(|| organisation.creds("system")),
            tls_ca: self.server.tlsca.clone(),
            tls_client: self.server.tlscert.clone().zip(self.server.tlskey.clone()),
            prefix: organisation.prefix(),
            vault,
            snapshot: Some(self.snapshot.clone().unwrap_or_else(usual)),
            directory: Some(organisation.directory().to_owned()),
            genesis: Some(known_genesis(organisation)?),
            accept_rollback: self.accepted.accept_rollback,
            accept_clock: self.accepted.accept_clock,
            accept_data_loss: self.accept_data_loss,
            attestation_test_root: self.attestation_test_root.clone(),
            require_token_signature: self.signatures.require_token_signature.clone(),
            user_allowance: self.allowance.into(),
            crl_url: self.lists.crl_url.clone(),
            clock: None,
        })
    }

    fn url(&self, organisation: &Organisation) -> String {
        let url = self.server.url.clone();
        url.unwrap_or_else(|| organisation.url.clone())
    }

    /// Says that it serves.
    fn announce(
        &self,
        organisation: &Organisation,
        service: &Service,
        is_open: bool,
        out: &mut Output<'_>,
    ) -> anyhow::Result<()> {
        let (url, prefix) = (self.url(organisation), organisation.prefix().to_string());
        let durability = service.durability();
        if out.is_json() {
            let vault = if is_open { "open" } else { "sealed" };
            out.json_line(&json!({
                "serving": true, "url": url, "prefix": prefix, "durability": durability, "vault": vault,
            }))?;
        } else {
            let title = &organisation.title;
            out.line(format!("serving {title} at {url} under {prefix}"))?;
            if !is_open {
                let said = "the vault is sealed: no command is taken until `keyledger vault open` opens it, on this machine";
                out.styled(warning(), said)?;
            }
            if self.accept_data_loss {
                out.styled(warning(), &durability)?;
            }
        }
        let vault = if is_open { "" } else { "SEALED; " };
        let title = &organisation.title;
        notify::ready(&format!(
            "{vault}serving {title} under {prefix}: {durability}"
        ));
        Ok(())
    }
}

/// Who asked at the door, and waits for how it ends.
type Asker = oneshot::Sender<Answer>;

fn answer(asked: Option<Asker>, answer: Answer) {
    if let Some(asked) = asked {
        // Whoever asked may be gone.
        drop(asked.send(answer));
    }
}

fn state(vault: &Vault) -> Answer {
    match vault.is_open() {
        true => Answer::Open,
        false => Answer::Sealed,
    }
}

/// Waits until somebody has the vault opened or sealed: the vault to go on with, and who is to be told.
async fn change(
    door: &mut Option<Door>,
    organisation: &Organisation,
    vault: &Vault,
) -> (Arc<Vault>, Asker) {
    let Some(door) = door else {
        return std::future::pending().await;
    };
    loop {
        let (asked, who) = door.next().await;
        match asked {
            Asked::Open(passphrase) if !vault.is_open() => {
                let organisation = organisation.clone();
                // It takes about a second of computing time.
                let opened =
                    tokio::task::spawn_blocking(move || organisation.custody(passphrase.as_ref()));
                match opened.await.map_err(anyhow::Error::from) {
                    Ok(Ok(custody)) => return (Arc::new(Vault::opened(custody)), who),
                    Ok(Err(error)) => {
                        let said = format!("{:#}", anyhow::Error::from(error));
                        tracing::warn!(%said, "the vault was not opened");
                        answer(Some(who), Answer::Refused(said));
                    }
                    Err(error) => answer(Some(who), Answer::Refused(format!("{error:#}"))),
                }
            }
            Asked::Seal if vault.is_open() => return (Arc::new(Vault::sealed()), who),
            // It is so already.
            Asked::Open(_) | Asked::Seal => answer(Some(who), state(vault)),
        }
    }
}

/// The failure of a start. If nobody answered, it has its own exit code.
pub(super) fn unstarted(error: StartError) -> anyhow::Error {
    if let StartError::Connect { refused: true, .. } = error {
        let problem = in_full(&error);
        return Failure::new(Exit::Rejected, problem)
            .remedy(
                "these servers are another organisation's, or the creds were revoked or have expired: compare --url, --creds and \
                 server/trust.conf of --dir",
            )
            .into();
    }
    if matches!(error, StartError::Connect { .. }) {
        let problem = in_full(&error);
        return Failure::new(Exit::Unreachable, problem)
            .remedy(
                "is nats-server up there with this organisation's server/trust.conf? If its log says `Can't set system account`, put \
                 jwt/sys.jwt into its resolver directory, under the system account's nkey with .jwt behind it",
            )
            .into();
    }
    anyhow::Error::from(error).context("starting the service")
}
