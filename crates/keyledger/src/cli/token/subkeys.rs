//! A token's OpenPGP keys, for the holder's certify key to bind.

use std::path::PathBuf;

use keyledger_domain::Name;
use serde_json::Value;

use super::show;
use crate::{
    cli::openpgp::files,
    exit::{Exit, Failure},
    output::Output,
    session::Session,
};

/// Write a token's OpenPGP keys into a file, for the holder's certify key to bind
///
/// `keyledger openpgp bind` reads the file: it signs if the certify key is there, or makes a request for a machine without a network.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger token subkeys 12345678 --out ada.subkeys
  keyledger openpgp bind --certificate ada.asc --subkeys ada.subkeys --expires +365d --request ada.request")]
pub(super) struct Subkeys {
    /// The token's serial number
    name: Name,
    /// The file to write; it must not exist [default: printed]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Subkeys {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        if let Some(file) = &self.out {
            files::check_absent(file)?;
        }
        let row = show::row(session, &self.name).await?;
        let bound: Vec<Value> = row
            .openpgp
            .iter()
            .filter_map(|key| serde_json::from_str(key.bind.as_deref()?).ok())
            .collect();
        if bound.is_empty() {
            let problem = format!("token {} has no OpenPGP keys that can be bound", self.name);
            return Err(Failure::new(Exit::Rejected, problem)
                .remedy(
                    "publish its holder's certificate with `keyledger principal publish`, and provision it again",
                )
                .into());
        }
        match self.out {
            Some(file) => {
                let mut text = serde_json::to_vec_pretty(&bound)?;
                text.push(b'\n');
                files::write_new(&file, &text)?;
                if !out.is_json() {
                    out.line(format!("{} keys to bind: {}", bound.len(), file.display()))?;
                }
                Ok(())
            }
            None => Ok(out.json(&bound)?),
        }
    }
}
