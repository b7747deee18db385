//! Request files, for OpenPGP or for X.509.

use std::path::Path;

use keyledger_custody::openpgp::offline::{self as openpgp, MAX_BYTES};
use keyledger_service::x509::exchange::{self as x509, MAX_EXCHANGE_BYTES, REQUEST_FORMAT};
use serde::Deserialize;
use serde_json::json;

use crate::{cli::openpgp::files, output::Output, when};

/// A verified request.
pub(super) enum AskedFor {
    /// To a certify key.
    Openpgp(Box<openpgp::Request>),
    /// To an authority.
    X509(Box<x509::Request>),
}

impl AskedFor {
    /// Reads a request of either kind; the file says which one it is.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
        }
        let bytes = files::read(path, MAX_BYTES.max(MAX_EXCHANGE_BYTES))?;
        let head: Option<Head> = serde_json::from_slice(&bytes).ok();
        if head.is_some_and(|head| head.format == REQUEST_FORMAT) {
            let request = x509::Request::parse(&bytes);
            let request = request.map_err(|error| files::refused(path, error))?;
            return Ok(Self::X509(Box::new(request)));
        }
        let request = openpgp::Request::parse(&bytes);
        let request = request.map_err(|error| files::refused(path, error))?;
        Ok(Self::Openpgp(Box::new(request)))
    }

    /// Shows it in words.
    pub(super) fn show(&self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let now = when::now();
        let (words, json) = match self {
            Self::Openpgp(request) => {
                let words = openpgp::describe(request, now);
                let json = json!({
                    "certificate": request.certificate().fingerprint(), "user_id": request.user_id(),
                    "made_at": request.made_at(), "nonce": request.nonce(), "sha256": request.digest(),
                    "asks": request.asks(), "words": &words,
                });
                (words, json)
            }
            Self::X509(request) => {
                let words = x509::describe(request, now);
                let json = json!({
                    "issuer": request.issuer(), "asked": request.asked(), "made_at": request.made_at(),
                    "sha256": request.digest(), "words": &words,
                });
                (words, json)
            }
        };
        if out.is_json() {
            out.json(&json)?;
        } else {
            out.line(words.trim_end())?;
        }
        Ok(())
    }
}
