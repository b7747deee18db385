//! `keyledger offline`: on the machine that has the certify key and no network.

use std::path::{Path, PathBuf};

use keyledger_custody::openpgp::offline::{MAX_BYTES, Request, describe};
use serde_json::json;

use super::openpgp::{Agree, files};
use crate::{output::Output, when};

/// Sign what others ask for, on a machine without a network. Works on files; needs no server
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger offline show request.json
  keyledger offline sign request.json --key alice.certify --out response.json")]
pub(crate) struct Offline {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Verify a request and show it in words
    #[command(after_help = "Example:\n  keyledger offline show request.json")]
    Show {
        /// The request
        #[arg(value_name = "FILE")]
        request: PathBuf,
    },
    Sign(Sign),
}

/// Show a request in words, ask, sign it, and write the response
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger offline sign request.json --key alice.certify --out response.json
  keyledger offline sign request.json --key alice.certify --out response.json --yes --passphrase-file passphrase")]
struct Sign {
    /// The request
    #[arg(value_name = "FILE")]
    request: PathBuf,
    /// The sealed certify key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The file of the response
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    agree: Agree,
}

impl Offline {
    pub(crate) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        match self.verb {
            Verb::Show { request } => show(&request, out),
            Verb::Sign(sign) => sign.run(out),
        }
    }
}

fn show(path: &Path, out: &mut Output<'_>) -> anyhow::Result<()> {
    let request = read(path)?;
    let words = describe(&request, when::now());
    if out.is_json() {
        out.json(&json!({
            "certificate": request.certificate().fingerprint(), "user_id": request.user_id(),
            "made_at": request.made_at(), "nonce": request.nonce(), "sha256": request.digest(),
            "asks": request.asks(), "words": words,
        }))?;
    } else {
        out.line(words.trim_end())?;
    }
    Ok(())
}

impl Sign {
    fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        files::check_absent(&self.out)?;
        let request = read(&self.request)?;
        let now = when::now();
        let key = self.agree.opened(&self.key, &request, now, out)?;
        let response = key.answer(&request, now).map_err(files::rejected)?;
        files::write_new(&self.out, &response.to_json())?;
        if out.is_json() {
            out.json(&json!({
                "response": self.out, "request": request.digest(),
                "certificate": request.certificate().fingerprint(), "signed_at": response.signed_at(),
            }))?;
        } else {
            out.line(format!("signed; carry back {}", self.out.display()))?;
        }
        Ok(())
    }
}

fn read(path: &Path) -> anyhow::Result<Request> {
    Request::parse(&files::read(path, MAX_BYTES)?).map_err(|error| files::refused(path, error))
}
