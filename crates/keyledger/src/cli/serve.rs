//! `keyledger serve`: the service alone, against any NATS.

use std::path::PathBuf;

use keyledger_domain::{signed::RequiredSignatures, text::in_full};
use keyledger_pki::x509::CrlUrl;
use keyledger_service::{Options, Service, StartError, UserAllowance, trust::known_genesis};
use serde_json::json;

use super::{notify, root::Unseal, setup::Server, signals::Signals};
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
  keyledger serve --dir /etc/keyledger --require-token-signature token.release,administrator:key.destroy
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
    unseal: Unseal,
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
        let custody = self.unseal.custody(&organisation)?;
        let mut signals = Signals::listen()?;
        let url = self.server.url.unwrap_or_else(|| organisation.url.clone());
        let options = Options {
            url: url.clone(),
            service_creds: self.creds.unwrap_or_else(|| organisation.creds("service")),
            system_creds: self
                .system_creds
                .unwrap_or_else(|| organisation.creds("system")),
            tls_ca: self.server.tlsca,
            tls_client: self.server.tlscert.zip(self.server.tlskey),
            prefix: organisation.prefix(),
            custody,
            snapshot: Some(
                self.snapshot
                    .unwrap_or_else(|| organisation.directory().join("snapshot")),
            ),
            directory: Some(organisation.directory().to_owned()),
            genesis: Some(known_genesis(&organisation)?),
            accept_rollback: self.accepted.accept_rollback,
            accept_clock: self.accepted.accept_clock,
            accept_data_loss: self.accept_data_loss,
            attestation_test_root: self.attestation_test_root,
            require_token_signature: self.signatures.require_token_signature,
            user_allowance: self.allowance.into(),
            crl_url: self.lists.crl_url,
            clock: None,
        };
        notify::starting();
        let service = tokio::select! {
            started = Service::start(options) => started.map_err(unstarted)?,
            _ = signals.next() => return Ok(()),
        };
        if out.is_json() {
            let prefix = organisation.prefix().to_string();
            out.json_line(&json!({ "serving": true, "url": url, "prefix": prefix, "durability": service.durability() }))?;
        } else {
            out.line(format!(
                "serving {} at {url} under {}",
                organisation.title,
                organisation.prefix()
            ))?;
            if self.accept_data_loss {
                out.styled(warning(), &service.durability())?;
            }
        }
        notify::ready(&format!(
            "serving {} under {}: {}",
            organisation.title,
            organisation.prefix(),
            service.durability()
        ));
        let signal = signals.next().await;
        tracing::info!(signal, "stopping");
        notify::stopping();
        service.stop().await;
        Ok(())
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
