//! The root key: how it is unsealed.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;
use keyledger_custody::{Passphrase, Vault};
use keyledger_service::trust::{Organisation, RootKind};

use super::passphrase;

/// How the root key is unsealed.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Root key")]
pub(super) struct RootSource {
    /// The file with the root key's passphrase, mode 0600 (or 0440, as systemd's LoadCredential= makes it) [default: asked for at the terminal]
    #[arg(long, value_name = "FILE", env = "KEYLEDGER_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
}

impl RootSource {
    /// The vault, open, unless other users can read secrets beside the root key. Blocks for about a second if there is a passphrase.
    pub(super) fn vault(&self, organisation: &Organisation) -> anyhow::Result<Arc<Vault>> {
        organisation
            .check_private()
            .context("the secrets of this organisation")?;
        let passphrase = match organisation.root {
            RootKind::LocalFile => None,
            RootKind::Passphrase => Some(self.passphrase()?),
        };
        let custody = organisation
            .custody(passphrase.as_ref())
            .context("unsealing the root key")?;
        Ok(Arc::new(Vault::opened(custody)))
    }

    /// A sealed vault, unless other users can read secrets beside the root key.
    pub(super) fn sealed(&self, organisation: &Organisation) -> anyhow::Result<Arc<Vault>> {
        organisation
            .check_private()
            .context("the secrets of this organisation")?;
        Ok(Arc::new(Vault::sealed()))
    }

    fn passphrase(&self) -> anyhow::Result<Passphrase> {
        match &self.passphrase_file {
            Some(file) => passphrase::from_file(file),
            None => passphrase::ask("the root key"),
        }
    }
}
