//! `keyledger vault open` and `keyledger vault seal`: the vault of an instance on this machine.

use std::path::PathBuf;

use anyhow::Context as _;
use keyledger_service::trust::RootKind;
use serde_json::json;

use super::door::{self, Answer, Asked};
use crate::{
    cli::passphrase,
    exit::{Exit, Failure},
    output::Output,
    place::{self, DEFAULT_DIR},
};

/// Open the vault of the instance on this machine
///
/// The instance starts anew with the root key: it holds the ledger against its snapshot, and takes commands when it is done. The passphrase
/// goes over a Unix socket of mode 0600, and never over NATS.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger vault open --dir /etc/keyledger
  keyledger vault open --dir /etc/keyledger --passphrase-file /run/keyledger/passphrase")]
pub(super) struct Open {
    #[command(flatten)]
    door: AtDoor,
    /// The file with the root key's passphrase, mode 0600 or 0440 [default: asked for at the terminal]
    #[arg(long, value_name = "FILE", env = "KEYLEDGER_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Seal the vault of the instance on this machine: it forgets the root key and every open key
///
/// Commands under way are finished first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  keyledger vault seal --dir /etc/keyledger")]
pub(super) struct Seal {
    #[command(flatten)]
    door: AtDoor,
}

/// Which instance.
#[derive(Debug, clap::Args)]
struct AtDoor {
    /// The directory that the instance serves
    #[arg(long, value_name = "DIR", env = "KEYLEDGER_DIR", default_value = DEFAULT_DIR)]
    dir: PathBuf,
    /// The instance's socket [default: vault.sock in --dir]
    #[arg(long, value_name = "FILE")]
    vault_socket: Option<PathBuf>,
}

impl Open {
    pub(super) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let passphrase = match (
            place::organisation(&self.door.dir)?.root,
            &self.passphrase_file,
        ) {
            (RootKind::LocalFile, _) => None,
            (RootKind::Passphrase, Some(file)) => Some(passphrase::from_file(file)?),
            (RootKind::Passphrase, None) => Some(passphrase::ask("the root key")?),
        };
        self.door.ask(&Asked::Open(passphrase), out).await
    }
}

impl Seal {
    pub(super) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        self.door.ask(&Asked::Seal, out).await
    }
}

impl AtDoor {
    async fn ask(&self, asked: &Asked, out: &mut Output<'_>) -> anyhow::Result<()> {
        let usual = || door::usual(&self.dir);
        let path = self.vault_socket.clone().unwrap_or_else(usual);
        let answer = door::ask(&path, asked).await.map_err(|error| {
            Failure::new(
                Exit::Unreachable,
                format!("no instance answers at {}: {error:#}", path.display()),
            )
            .remedy(
                "is `keyledger serve` running on this machine, with this --dir or --vault-socket?",
            )
        })?;
        let state = match answer {
            Answer::Open => "open",
            Answer::Sealed => "sealed",
            Answer::Refused(said) => return Err(Failure::new(Exit::Rejected, said).into()),
        };
        if out.is_json() {
            return out.json(&json!({ "state": state })).context("writing");
        }
        out.line(format!("the vault is {state}")).context("writing")
    }
}
