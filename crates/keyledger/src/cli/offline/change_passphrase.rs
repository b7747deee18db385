//! `keyledger offline change-passphrase`: of an authority's sealed key.

use std::path::PathBuf;

use anyhow::Context as _;
use keyledger_custody::{KdfCost, authority::SealedAuthority};
use serde_json::json;

use crate::{cli::root, output::Output};

/// What is asked for at the terminal.
const WHAT: &str = "the authority's key";

/// Seal an authority's key under a new passphrase
///
/// Copies of the file stay under the old one: replace them too, and think of who knew it. For the files of OpenPGP there is
/// `keyledger openpgp change-passphrase`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger offline change-passphrase root-ca.key
  keyledger offline change-passphrase root-ca.key --passphrase-file old --new-passphrase-file new")]
pub(super) struct ChangePassphrase {
    /// The sealed key; it is written anew
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
        let place = || self.file.display().to_string();
        let sealed = SealedAuthority::read(&self.file).with_context(place)?;
        let old = match &self.passphrase_file {
            Some(file) => root::from_file(file)?,
            None => root::ask(WHAT)?,
        };
        let new = match &self.new_passphrase_file {
            Some(file) => root::from_file(file)?,
            None => root::ask_twice(WHAT)?,
        };
        sealed
            .resealed(&old, &new, KdfCost::USUAL)
            .and_then(|resealed| resealed.replace(&self.file))
            .with_context(place)?;
        if out.is_json() {
            out.json(&json!({ "file": self.file }))?;
        } else {
            out.line(format!("sealed {WHAT} anew in {}", self.file.display()))?;
        }
        Ok(())
    }
}
