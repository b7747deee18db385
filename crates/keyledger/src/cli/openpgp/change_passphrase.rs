//! `keyledger openpgp change-passphrase`: of a sealed file.

use std::path::PathBuf;

use anyhow::Context as _;
use keyledger_custody::{KdfCost, openpgp::SealedKey};
use serde_json::json;

use crate::{cli::root, output::Output};

/// Seal a certify key, a revocation or an escrowed key under a new passphrase
///
/// Copies of the file stay under the old one: replace them too, and think of who knew it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger openpgp change-passphrase alice.certify
  keyledger openpgp change-passphrase alice.certify --passphrase-file old --new-passphrase-file new")]
pub(super) struct ChangePassphrase {
    /// The sealed file; it is written anew
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file of its passphrase, mode 0600; asked for at the terminal unless given
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The file of the new passphrase, mode 0600; asked for twice at the terminal unless given
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
}

impl ChangePassphrase {
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let path = || self.file.display().to_string();
        let sealed = SealedKey::read(&self.file).with_context(path)?;
        let what = format!("the {}", sealed.kind().in_words());
        let old = match &self.passphrase_file {
            Some(file) => root::from_file(file)?,
            None => root::ask(&what)?,
        };
        let new = match &self.new_passphrase_file {
            Some(file) => root::from_file(file)?,
            None => root::ask_twice(&what)?,
        };
        sealed
            .resealed(&old, &new, KdfCost::USUAL)
            .and_then(|resealed| resealed.replace(&self.file))
            .with_context(path)?;
        if out.is_json() {
            out.json(&json!({
                "file": self.file, "kind": sealed.kind(), "fingerprint": sealed.fingerprint(),
            }))?;
        } else {
            out.line(format!("sealed {what} anew in {}", self.file.display()))?;
        }
        Ok(())
    }
}
