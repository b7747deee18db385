//! Where passphrases come from: a file, or the terminal. Never the command line.

use std::{
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use keyledger_custody::{KdfCost, Passphrase, SealedFile};
use serde_json::json;

use crate::{
    exit::{Exit, Failure},
    output::Output,
};

/// The passphrases for sealing a file again.
#[derive(Debug, clap::Args)]
pub(super) struct Reseal {
    /// The sealed file; it is replaced
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file with its passphrase, mode 0600 [default: asked for at the terminal]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The file with the new passphrase, mode 0600 [default: asked for twice at the terminal]
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
}

impl Reseal {
    /// Seals the file again, whatever it holds.
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let path = || self.file.display().to_string();
        let sealed = SealedFile::read(&self.file).with_context(path)?;
        let holds = sealed.holds();
        let what = format!("the {}", holds.in_words());
        let (old, new) = self.passphrases(&what)?;
        sealed
            .resealed(&old, &new, KdfCost::USUAL)
            .and_then(|resealed| resealed.replace(&self.file))
            .with_context(path)?;
        if out.is_json() {
            let mut json = json!({ "file": self.file, "kind": holds.kind() });
            if let Some(fingerprint) = holds.fingerprint() {
                json["fingerprint"] = fingerprint.to_string().into();
            }
            return Ok(out.json(&json)?);
        }
        Ok(out.line(format!("sealed {what} again in {}", self.file.display()))?)
    }

    /// Asks for the old passphrase of `what` and for the new one.
    fn passphrases(&self, what: &str) -> anyhow::Result<(Passphrase, Passphrase)> {
        let old = match &self.passphrase_file {
            Some(file) => from_file(file)?,
            None => ask(what)?,
        };
        let new = match &self.new_passphrase_file {
            Some(file) => from_file(file)?,
            None => ask_twice(what)?,
        };
        Ok((old, new))
    }
}

/// A passphrase from a file.
pub(super) fn from_file(file: &Path) -> anyhow::Result<Passphrase> {
    Passphrase::from_file(file).with_context(|| format!("the passphrase file {}", file.display()))
}

/// Asks twice for a new passphrase of `what`.
pub(super) fn ask_twice(what: &str) -> anyhow::Result<Passphrase> {
    let read = |prompt: &str| -> anyhow::Result<_> {
        check_terminal()?;
        Ok(rpassword::prompt_password(prompt)?)
    };
    let first = read(&format!("New passphrase of {what}: "))?;
    if first != read("The same again: ")? {
        return Err(Failure::new(Exit::Usage, "the two passphrases differ").into());
    }
    Ok(Passphrase::new(first)?)
}

/// Asks for the passphrase of `what`.
pub(super) fn ask(what: &str) -> anyhow::Result<Passphrase> {
    check_terminal()?;
    let prompt = format!("Passphrase of {what}: ");
    Ok(Passphrase::new(rpassword::prompt_password(prompt)?)?)
}

fn check_terminal() -> anyhow::Result<()> {
    if io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Usage,
        "there is no terminal to ask for the passphrase",
    )
    .remedy(
        "give --passphrase-file FILE, or KEYLEDGER_PASSPHRASE_FILE=FILE; the file has mode 0600 or 0440",
    )
    .into())
}
