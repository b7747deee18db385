//! `keyledger vault`: custody in the instances of the service, sealed or open.

pub(super) mod door;
mod local;
mod status;

use crate::output::Output;

/// Seal and open the vault of an instance on this machine, and see how vaults are.
///
/// While an instance's vault is sealed, nothing secret is in its memory: it answers questions and refuses commands. `keyledger serve
/// --sealed` starts one sealed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger serve --dir /etc/keyledger --sealed
  keyledger vault open --dir /etc/keyledger
  keyledger vault seal --dir /etc/keyledger
  keyledger vault status")]
pub(crate) struct Vault {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Open(local::Open),
    Seal(local::Seal),
    Status(status::Status),
}

impl Vault {
    pub(crate) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        match self.verb {
            Verb::Open(open) => open.run(out).await,
            Verb::Seal(seal) => seal.run(out).await,
            Verb::Status(status) => status.run(out).await,
        }
    }
}
