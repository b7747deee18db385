//! Recovering a decryption key that no token holds any more.

use std::path::PathBuf;

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyledger_custody::{CurveKey, Delivery, KdfCost, SealedFile, openpgp::EscrowedKey};
use keyledger_domain::{Name, principal};

use crate::{
    args::Reasoned,
    cli::passphrase,
    exit::{Exit, Failure},
    output::Output,
    session::Session,
};

/// Recover a principal's decryption key from custody into a file sealed under a passphrase; for approvers
///
/// The file has the same form as those of `keyledger openpgp escrow`. The ledger records the recovery, with who did it and why.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  keyledger principal recover-key ada --reason 'both tokens are lost' --out ada.decrypt"
)]
pub(super) struct RecoverKey {
    /// The principal's name
    name: Name,
    /// Which key, if there are several [default: the newest]
    #[arg(long)]
    key: Option<Name>,
    /// The file of the key, SECRET: sealed under the passphrase; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The file with the passphrase, mode 0600 [default: asked for twice at the terminal]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    why: Reasoned,
}

impl RecoverKey {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        if std::fs::symlink_metadata(&self.out).is_ok() {
            let problem = format!(
                "{} exists already, and nothing was recovered",
                self.out.display()
            );
            return Err(Failure::new(Exit::Usage, problem)
                .remedy("name another file with --out")
                .into());
        }
        let passphrase = match &self.passphrase_file {
            Some(file) => passphrase::from_file(file)?,
            None => passphrase::ask_twice("the decryption key")?,
        };
        let curve = CurveKey::generate()?;
        let ids = self.why.under.ids();
        let body = principal::RecoverKey {
            key: self.key,
            seal_to: curve.public_nkey().to_owned(),
            reason: self.why.reason,
            ticket: self.why.under.ticket,
        };
        let done = session
            .command(&self.name, &body, ids)
            .await
            .with_context(|| format!("recovering a key of {}", self.name))?;
        let sealed = done.secrets.first();
        let sealed = sealed.context("the key did not come with the answer")?;
        let delivery = Delivery {
            sender: sealed.sender.clone(),
            ciphertext: STANDARD
                .decode(&sealed.sealed)
                .context("the key is not base64")?,
        };
        let opened = curve.open(&delivery).context("opening the key")?;
        let key = EscrowedKey::from_delivered(&opened).context("it is no key that decrypts")?;
        SealedFile::of_escrowed_key(&key, &passphrase, KdfCost::USUAL)?
            .write(&self.out)
            .with_context(|| self.out.display().to_string())?;
        if out.is_json() {
            out.json(&done)?;
        } else {
            out.line(format!(
                "recovered {} of {} at revision {}: {}",
                key.fingerprint().grouped(),
                done.id,
                done.revision,
                self.out.display()
            ))?;
        }
        Ok(())
    }
}
