//! `keyledger openpgp escrow`: a decryption key that can be moved to another card.

use std::path::PathBuf;

use anyhow::Context as _;
use keyledger_custody::{KdfCost, SealedFile, openpgp::EscrowedKey};
use serde_json::json;

use super::files;
use crate::{cli::passphrase, output::Output, when};

/// Make a decryption subkey here, to import into one card after the other
///
/// If a card is lost, the data encrypted to the subkey is not. Only decryption keys are made in this way.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  keyledger openpgp escrow --out alice.decrypt --subkeys escrowed.json
  keyledger openpgp bind --certificate alice.asc --subkeys escrowed.json --expires +730d --key alice.certify")]
pub(super) struct Escrow {
    /// The file of the key, SECRET: sealed under the passphrase
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The file of its public half, for `keyledger openpgp bind`
    #[arg(long, value_name = "FILE")]
    subkeys: PathBuf,
    /// The file with the passphrase, mode 0600 [default: asked for twice at the terminal]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Escrow {
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        files::check_absent(&self.out)?;
        files::check_absent(&self.subkeys)?;
        let passphrase = match &self.passphrase_file {
            Some(file) => passphrase::from_file(file)?,
            None => passphrase::ask_twice("the decryption key")?,
        };
        let key = EscrowedKey::generate(when::now())?;
        let sealed = SealedFile::of_escrowed_key(&key, &passphrase, KdfCost::USUAL)?;
        sealed
            .write(&self.out)
            .with_context(|| self.out.display().to_string())?;
        let mut subkeys = serde_json::to_vec_pretty(&[key.to_bind()])?;
        subkeys.push(b'\n');
        files::write_new(&self.subkeys, &subkeys)?;
        let fingerprint = key.fingerprint();
        if out.is_json() {
            out.json(&json!({
                "fingerprint": fingerprint, "key": self.out, "subkeys": self.subkeys,
            }))?;
            return Ok(());
        }
        out.line(format!("made decryption subkey {}", fingerprint.grouped()))?;
        out.line(format!("sealed:       {}", self.out.display()))?;
        out.line(format!("to be bound:  {}", self.subkeys.display()))?;
        Ok(())
    }
}
