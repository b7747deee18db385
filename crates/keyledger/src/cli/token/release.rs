//! Releasing a token's secrets to an approver.

use std::path::PathBuf;

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyledger_custody::{CurveKey, Delivery, write_secret_file};
use keyledger_domain::{Name, token};

use crate::{
    args::Reasoned,
    cli::openpgp::files,
    exit::{Exit, Failure},
    output::Output,
    session::Session,
};

/// Release a token's PUK and management key into a file that only you can read; for approvers
///
/// The file has one line of JSON for each set of secrets: first the most likely one, then those that an unfinished task may have set.
/// The ledger records the release, with who got them and why. Give the token new secrets afterwards: `rotate-secrets`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  keyledger token release 12345678 --reason 'PIN blocked, no agent there' --out 12345678.secrets"
)]
pub(super) struct Release {
    /// The token's serial number
    name: Name,
    /// The file to write them to; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    why: Reasoned,
}

impl Release {
    pub(super) fn checked(self) -> anyhow::Result<Self> {
        if std::fs::symlink_metadata(&self.out).is_ok() {
            let problem = format!(
                "{} exists already, and nothing was released",
                self.out.display()
            );
            return Err(Failure::new(Exit::Usage, problem)
                .remedy("name another file with --out")
                .into());
        }
        files::check_absent(&self.out)?;
        Ok(self)
    }

    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let curve = CurveKey::generate()?;
        let ids = self.why.under.ids();
        let body = token::Release {
            seal_to: curve.public_nkey().to_owned(),
            reason: self.why.reason,
            ticket: self.why.under.ticket,
        };
        let done = session
            .command(&self.name, &body, ids)
            .await
            .with_context(|| format!("releasing the secrets of token {}", self.name))?;
        if done.secrets.is_empty() {
            anyhow::bail!("the secrets did not come with the answer");
        }
        let mut text = zeroize::Zeroizing::new(Vec::new());
        for sealed in &done.secrets {
            let delivery = Delivery {
                sender: sealed.sender.clone(),
                ciphertext: STANDARD
                    .decode(&sealed.sealed)
                    .context("the secrets are not base64")?,
            };
            let secrets = curve.open(&delivery).context("opening the secrets")?;
            text.extend_from_slice(secrets.expose());
            text.push(b'\n');
        }
        write_secret_file(&self.out, &text)?;
        if out.is_json() {
            out.json(&done)?;
        } else {
            out.line(format!(
                "released the secrets of {} at revision {}: {}",
                done.id,
                done.revision,
                self.out.display()
            ))?;
        }
        Ok(())
    }
}
