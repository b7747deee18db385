//! `keyledger offline change-passphrase`: a new passphrase for an authority's sealed key.

use std::path::PathBuf;

use anyhow::Context as _;
use keyledger_custody::{KdfCost, authority::SealedAuthority};
use serde_json::json;

use crate::{cli::passphrase::Reseal, output::Output};

/// What is asked for at the terminal.
const WHAT: &str = "the authority's key";

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
    /// The sealed key; it is replaced
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    reseal: Reseal,
}

impl ChangePassphrase {
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let place = || self.file.display().to_string();
        let sealed = SealedAuthority::read(&self.file).with_context(place)?;
        let (old, new) = self.reseal.passphrases(WHAT)?;
        sealed
            .resealed(&old, &new, KdfCost::USUAL)
            .and_then(|resealed| resealed.replace(&self.file))
            .with_context(place)?;
        if out.is_json() {
            out.json(&json!({ "file": self.file }))?;
        } else {
            out.line(format!("sealed {WHAT} again in {}", self.file.display()))?;
        }
        Ok(())
    }
}
