//! `keyledger openpgp bind`: adds subkeys to a certificate.

use std::{path::PathBuf, str::FromStr};

use keyledger_custody::openpgp::{ProvenSubkey, SubkeyRole, offline::Ask};
use keyledger_domain::Timestamp;

use super::{change::CertificateChange, files};
use crate::{
    exit::{Exit, Failure},
    output::Output,
    when::{self, MomentError},
};

/// The largest file of subkeys that is read, in bytes: enough for the largest request.
const MAX_BYTES: usize = 64 << 10;

/// Bind subkeys to a certificate: those that a card made, or an escrowed one
///
/// `keyledger token subkeys` writes the file of subkeys for the keys on a card: their public halves, and the signature with which the
/// signing subkey agrees. `keyledger openpgp escrow` writes one too.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger openpgp bind --certificate alice.asc --subkeys card.json --expires +365d --key alice.certify
  keyledger openpgp bind --certificate alice.asc --subkeys card.json --expires +365d --expires encrypt=+730d --request request.json")]
pub(super) struct Bind {
    #[command(flatten)]
    change: CertificateChange,
    /// The file of subkeys
    #[arg(long, value_name = "FILE")]
    subkeys: PathBuf,
    /// When they expire: one time for all, or one for a role, like encrypt=+730d
    #[arg(long, value_name = "[ROLE=]TIME", required = true)]
    expires: Vec<End>,
}

#[derive(Debug, Clone, Copy)]
struct End {
    role: Option<SubkeyRole>,
    at: Timestamp,
}

/// Why a text is no end of subkeys.
#[derive(Debug, thiserror::Error)]
enum EndError {
    #[error("the roles are sign, encrypt and authenticate")]
    Role,
    #[error(transparent)]
    Moment(#[from] MomentError),
}

impl FromStr for End {
    type Err = EndError;

    fn from_str(text: &str) -> Result<Self, EndError> {
        let Some((role, at)) = text.split_once('=') else {
            let at = when::parse_moment(text)?;
            return Ok(Self { role: None, at });
        };
        let role = SubkeyRole::ALL.into_iter().find(|r| r.as_str() == role);
        let role = role.ok_or(EndError::Role)?;
        Ok(Self {
            role: Some(role),
            at: when::parse_moment(at)?,
        })
    }
}

impl Bind {
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let bytes = files::read(&self.subkeys, MAX_BYTES)?;
        if bytes.len() > MAX_BYTES {
            let problem = format!("it is larger than {MAX_BYTES} bytes");
            return Err(files::refused(&self.subkeys, anyhow::anyhow!(problem)));
        }
        let subkeys: Vec<ProvenSubkey> =
            serde_json::from_slice(&bytes).map_err(|error| files::refused(&self.subkeys, error))?;
        let mut asks = Vec::new();
        for subkey in subkeys {
            let role = subkey.subkey().role();
            let expires = self.end_of(role)?;
            asks.push(Ask::Bind {
                subkey: Box::new(subkey),
                expires,
            });
        }
        let certificate = self.change.certificate()?;
        self.change.run(&certificate, asks, out)
    }

    /// The time for a role counts before the time for all.
    fn end_of(&self, role: SubkeyRole) -> anyhow::Result<Timestamp> {
        let of = |role| self.expires.iter().find(|end| end.role == role);
        let end = of(Some(role)).or_else(|| of(None));
        let problem = format!("--expires says nothing of the subkey to {}", role.as_str());
        end.map(|end| end.at)
            .ok_or_else(|| Failure::new(Exit::Usage, problem).into())
    }
}
