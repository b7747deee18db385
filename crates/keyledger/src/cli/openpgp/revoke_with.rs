//! `keyledger openpgp revoke-with`: the end of a certificate whose certify key is lost.

use std::path::PathBuf;

use anyhow::Context as _;
use keyledger_custody::SealedFile;

use super::{change, files};
use crate::{cli::passphrase, output::Output};

/// Revoke the whole with the revocation that was made at its birth, when the certify key is lost
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  keyledger openpgp revoke-with alice.revocation --certificate alice.asc")]
pub(super) struct RevokeWith {
    /// The sealed revocation
    #[arg(value_name = "FILE")]
    revocation: PathBuf,
    /// The certificate; it is replaced
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// The file of its passphrase, mode 0600; asked for at the terminal unless given
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl RevokeWith {
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let certificate = files::certificate(&self.certificate)?;
        let path = || self.revocation.display().to_string();
        let sealed = SealedFile::read(&self.revocation).with_context(path)?;
        let passphrase = match &self.passphrase_file {
            Some(file) => passphrase::from_file(file)?,
            None => passphrase::ask("the revocation")?,
        };
        let revocation = sealed.open_revocation(&passphrase).with_context(path)?;
        let revoked = certificate
            .revoked_with(revocation.expose())
            .map_err(|error| files::refused(&self.revocation, error))?;
        files::replace(&self.certificate, revoked.to_armored().as_bytes())?;
        change::written(&self.certificate, &revoked, out)
    }
}
