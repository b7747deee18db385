//! `keyledger offline change-passphrase`: a new passphrase for an authority's sealed key.

use crate::{cli::passphrase::Reseal, output::Output};

/// Seal an authority's key under a new passphrase
///
/// Copies of the file keep the old passphrase: replace them too, and consider who knew it. For files of OpenPGP use
/// `keyledger openpgp change-passphrase`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger offline change-passphrase root-ca.key
  keyledger offline change-passphrase root-ca.key --passphrase-file old --new-passphrase-file new")]
pub(super) struct ChangePassphrase {
    #[command(flatten)]
    reseal: Reseal,
}

impl ChangePassphrase {
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        self.reseal.run(out)
    }
}
