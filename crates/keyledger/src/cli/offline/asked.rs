//! Request files, for OpenPGP or for X.509.

use std::path::Path;

use keyledger_custody::openpgp::offline::{self as openpgp, CertifyRequest, MAX_BYTES};
use keyledger_pki::{
    exchange::{self, Request, RequestError, RequestKind},
    x509::exchange::{self as x509, AuthorityRequest, MAX_EXCHANGE_BYTES},
};
use serde_json::json;

use crate::{
    cli::openpgp::files,
    exit::{Exit, Failure},
    output::Output,
    when,
};

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
        let most = MAX_BYTES.max(MAX_EXCHANGE_BYTES);
        let bytes = files::read(path, most)?;
        let kind = exchange::kind_of(&bytes, most).map_err(|error| files::refused(path, error))?;
        match &*kind {
            CertifyRequest::KIND => Ok(Self::Openpgp(Box::new(parsed(path, &bytes)?))),
            AuthorityRequest::KIND => Ok(Self::X509(Box::new(parsed(path, &bytes)?))),
            _ => {
                let problem = format!("{}: no key signs requests of this kind", path.display());
                Err(Failure::new(Exit::Rejected, problem)
                    .remedy("a newer Keyledger may have made it: upgrade this one")
                    .into())
            }
        }
    }

    /// Shows it in words.
    pub(super) fn show(&self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let now = when::now();
        let (words, json) = match self {
            Self::Openpgp(request) => {
                let words = request.describe(when::to_moment(now));
                let json = json!({
                    "certificate": request.content().certificate().fingerprint(),
                    "user_id": request.content().user_id(), "asks": request.content().asks(),
                    "made_at": when::to_timestamp(request.made_at()), "nonce": request.nonce(),
                    "sha256": request.digest(), "words": &words,
                });
                (words, json)
            }
            Self::X509(request) => {
                let words = request.describe(when::to_moment(now));
                let json = json!({
                    "issuer": request.content().issuer(), "asked": request.content().asked_for(),
                    "made_at": when::to_timestamp(request.made_at()), "nonce": request.nonce(),
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

fn parsed<K: RequestKind>(path: &Path, bytes: &[u8]) -> anyhow::Result<Request<K>>
where
    RequestError<K::AskError>: Send + Sync + 'static,
{
    Request::parse(bytes).map_err(|error| files::refused(path, error))
}
