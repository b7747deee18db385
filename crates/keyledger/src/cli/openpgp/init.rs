//! `keyledger openpgp init`: a certify key and its certificate.

use std::path::PathBuf;

use anyhow::Context as _;
use keyledger_custody::{
    KdfCost, SealedFile,
    openpgp::{CertifyKey, UserId},
};
use keyledger_domain::Timestamp;
use serde_json::json;

use super::files;
use crate::{
    cli::passphrase,
    exit::{Exit, Failure},
    output::Output,
    when,
};

/// Make a certify key, its certificate and its revocation. On a machine without a network
///
/// Writes three files beside each other:
///
///   NAME.certify     SECRET: the certify key, sealed under the passphrase
///   NAME.revocation  SECRET: a revocation of the certificate, sealed too: keep it elsewhere, for the day when the key is lost
///   NAME.asc         the certificate, for everybody
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  keyledger openpgp init --user-id 'Alice Archer <alice@example.org>' --out alice.certify
  keyledger openpgp init --user-id 'Ops <ops@example.org>' --out ops.certify --expires +3650d --passphrase-file passphrase"
)]
pub(super) struct Init {
    /// The owner of the certificate; may be given several times for more user ids
    #[arg(long, value_name = "USER ID", required = true)]
    user_id: Vec<UserId>,
    /// The file of the certify key; the two others are named after it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// When it expires; it can be renewed
    #[arg(long, value_name = "TIME", default_value = "+1825d", value_parser = when::parse_moment)]
    expires: Timestamp,
    /// The file with the passphrase, mode 0600 [default: asked for twice at the terminal]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Init {
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let revocation = self.out.with_extension("revocation");
        let certificate = self.out.with_extension("asc");
        if [&revocation, &certificate].contains(&&self.out) {
            let problem = "--out names the certify key, and .revocation and .asc are the others";
            return Err(Failure::new(Exit::Usage, problem)
                .remedy("name it like alice.certify")
                .into());
        }
        for path in [&self.out, &revocation, &certificate] {
            files::check_absent(path)?;
        }
        let passphrase = match &self.passphrase_file {
            Some(file) => passphrase::from_file(file)?,
            None => passphrase::ask_twice("the certify key")?,
        };
        let made = CertifyKey::generate(&self.user_id, when::now(), self.expires)
            .map_err(files::rejected)?;
        let key = SealedFile::of_certify_key(&made.key, &passphrase, KdfCost::USUAL)?;
        let sealed = SealedFile::of_revocation(&made, &passphrase, KdfCost::USUAL)?;
        // The certificate is written last, so that its key exists if the certificate exists.
        key.write(&self.out).context("the certify key")?;
        sealed.write(&revocation).context("the revocation")?;
        files::write_new(&certificate, made.certificate.to_armored().as_bytes())?;
        let fingerprint = made.certificate.fingerprint();
        if out.is_json() {
            out.json(&json!({
                "fingerprint": fingerprint, "key": self.out, "revocation": revocation,
                "certificate": certificate, "expires": made.certificate.expires(),
            }))?;
            return Ok(());
        }
        out.line(format!("made certificate {}", fingerprint.grouped()))?;
        out.line(format!(
            "certify key, sealed; keep it offline:   {}",
            self.out.display()
        ))?;
        out.line(format!(
            "revocation, sealed; keep it elsewhere:  {}",
            revocation.display()
        ))?;
        out.line(format!(
            "certificate, for everybody:             {}",
            certificate.display()
        ))?;
        Ok(())
    }
}
