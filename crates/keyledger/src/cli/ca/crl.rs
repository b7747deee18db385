//! `keyledger ca crl`: the list of an authority's revoked certificates.

use std::path::PathBuf;

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyledger_domain::Name;
use keyledger_pki::x509::{self, exchange::Asked};
use keyledger_wire::query::{Crl, CrlQuery, CrlWanted};
use serde_json::json;

use super::{list, pem::write, request, whole};
use crate::{output::Output, session::Session};

/// Print the list of an authority's revoked certificates, signed now, as PEM
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger ca crl issuing-ca --out issuing-ca.crl
  keyledger ca crl root-ca --request crl.request --days 180d")]
pub(super) struct List {
    /// The authority's key
    name: Name,
    /// The file to write [default: printed]
    #[arg(long, value_name = "FILE", conflicts_with = "request")]
    out: Option<PathBuf>,
    /// Write a request to this file, for an authority whose key is on a machine without a network
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// After how many days the next list is due, 1 to 366 [default: 180]. For a list that custody signs it is always 7, because a new one
    /// can be made at any time
    #[arg(long, value_name = "DAYS", value_parser = crate::when::parse_days, requires = "request", conflicts_with = "out")]
    days: Option<u16>,
}

impl List {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        if let Some(file) = &self.request {
            let days = self.days;
            let wanted = move |after| CrlWanted { days, after };
            let tail = format!("certificates.crl.to_be_signed.{}", self.name);
            return request::write(session, out, &tail, wanted, Asked::Crl, file).await;
        }
        let tail = format!("certificates.crl.{}", self.name);
        let asked = whole::read(session, &tail, |after| CrlQuery { after }).await;
        let asked: (Crl, Vec<u8>) = asked
            .with_context(|| format!("asking for the revoked certificates of {}", self.name))?;
        let (found, der) = asked;
        self.check(session, &der).await?;
        if out.is_json() {
            let crl = STANDARD.encode(&der);
            return Ok(out.json(&json!({ "issuer": found.issuer, "crl": crl }))?);
        }
        let pem = x509::pem("X509 CRL", &der);
        write(out, self.out.as_deref(), &pem)
    }

    /// Checks a list that came in parts: it must be complete, and signed by its authority.
    async fn check(&self, session: &Session, der: &[u8]) -> anyhow::Result<()> {
        let authority = list::row(session, &self.name).await?;
        let certificate = list::certificate(session, &authority).await?;
        x509::check_list(der, &certificate)
            .with_context(|| format!("the list of the revoked certificates of {}", self.name))
    }
}
