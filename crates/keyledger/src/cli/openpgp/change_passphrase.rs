//! `keyledger openpgp change-passphrase`: a new passphrase for a sealed file.

use crate::{cli::passphrase::Reseal, output::Output};

/// Seal a certify key, a revocation or an escrowed key under a new passphrase
///
/// Copies of the file keep the old passphrase: replace them too, and consider who knew it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger openpgp change-passphrase alice.certify
  keyledger openpgp change-passphrase alice.certify --passphrase-file old --new-passphrase-file new")]
pub(super) struct ChangePassphrase {
    #[command(flatten)]
    reseal: Reseal,
}

impl ChangePassphrase {
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        self.reseal.run(out)
    }
}
