//! `keyledger openpgp change-passphrase`: a new passphrase for a sealed file.

use std::path::PathBuf;

use anyhow::Context as _;
use keyledger_custody::{KdfCost, openpgp::SealedKey};
use serde_json::json;

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
    /// The sealed file; it is replaced
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    reseal: Reseal,
}

impl ChangePassphrase {
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let path = || self.file.display().to_string();
        let sealed = SealedKey::read(&self.file).with_context(path)?;
        let what = format!("the {}", sealed.kind().in_words());
        let (old, new) = self.reseal.passphrases(&what)?;
        sealed
            .resealed(&old, &new, KdfCost::USUAL)
            .and_then(|resealed| resealed.replace(&self.file))
            .with_context(path)?;
        if out.is_json() {
            out.json(&json!({
                "file": self.file, "kind": sealed.kind(), "fingerprint": sealed.fingerprint(),
            }))?;
        } else {
            out.line(format!("sealed {what} again in {}", self.file.display()))?;
        }
        Ok(())
    }
}
