//! `keyledger vault status`: how the vault of the instance is that answers.

use anyhow::Context as _;
use keyledger_wire::query::{Nothing, VaultState, VaultStatus};

use crate::{connect::Connection, output::Output};

/// Show whether the vault of the instance that answers is sealed
///
/// Of several instances any may answer: the answer says which one did.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  keyledger vault status")]
pub(super) struct Status {
    #[command(flatten)]
    connection: Connection,
}

impl Status {
    pub(super) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let session = self.connection.open().await?;
        let status: VaultStatus = session
            .query("vault", &Nothing {})
            .await
            .context("asking for the vault")?;
        if out.is_json() {
            return Ok(out.json(&status)?);
        }
        let line = match status.state {
            VaultState::Sealed => "sealed: this instance answers questions and refuses commands; open it with `keyledger vault open` on its machine".to_owned(),
            VaultState::Open => format!(
                "open with root key {}; {} of at most {} keys are open",
                status.root_key.as_deref().unwrap_or("unknown"),
                status.open_keys,
                status.max_open_keys
            ),
        };
        out.line(format!("vault of instance {}: {line}", status.instance))?;
        Ok(())
    }
}
