//! `keyledger ca accept`: the response from the machine with the authority's key.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyledger_domain::{Name, key};
use keyledger_pki::{
    exchange::FileError,
    x509::{
        self,
        exchange::{Asked, Content, MAX_EXCHANGE_BYTES, Request, Response},
    },
};
use keyledger_wire::query::{Certificates, Nothing};
use serde_json::json;

use super::{certified, pem::write};
use crate::{
    args::Why,
    cli::openpgp::files,
    exit::{Exit, Failure},
    output::Output,
    session::Session,
    when,
};

/// Accept the response from the machine with the authority's key: install the certificate, or write the list
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger ca accept issuing.response
  keyledger ca accept crl.response --out root-ca.crl")]
pub(super) struct Accept {
    /// The response
    #[arg(value_name = "FILE")]
    response: PathBuf,
    /// The request that it answers [default: the file beside it that ends in .request]
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// The file to write the certificate or list to, in PEM [default: a list is printed]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    why: Why,
}

impl Accept {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let path = self.request.clone();
        let path = path.unwrap_or_else(|| self.response.with_extension("request"));
        let request = Request::parse(&files::read(&path, MAX_EXCHANGE_BYTES)?)
            .map_err(|error| files::refused(&path, error))?;
        let bytes = files::read(&self.response, MAX_EXCHANGE_BYTES)?;
        let response = match Response::parse(&bytes) {
            Ok(response) => response,
            Err(FileError::OtherFormat { .. }) => {
                let problem = format!("{} is a request, not a response", self.response.display());
                return Err(Failure::new(Exit::Rejected, problem)
                    .remedy("sign it with `keyledger offline sign` on the machine with the authority's key, and give the file that this command writes")
                    .into());
            }
            Err(error) => return Err(files::refused(&self.response, error)),
        };
        let der = response
            .accept(&request)
            .map_err(|error| files::refused(&self.response, error))?;
        let asked = request.content();
        match asked.asked_for() {
            Asked::Certificate { key } => {
                let key = Name::new(key.as_str())?;
                let issuer = Name::new(asked.issuer().as_str())?;
                let ids = self.why.under.ids();
                let install = key::Install {
                    issuer: (!asked.is_renewal()).then_some(issuer),
                    certificate: STANDARD.encode(&der),
                    reason: self.why.reason,
                    ticket: self.why.under.ticket,
                };
                certified(session, out, &key, &install, ids).await?;
                match &self.out {
                    Some(file) => write(out, Some(file), &x509::pem("CERTIFICATE", &der)),
                    None => Ok(()),
                }
            }
            Asked::Crl => {
                check_list(session, &request, out).await?;
                print_list(&request, &der, self.out.as_deref(), out)
            }
        }
    }
}

/// Checks a list against the ledger, which nobody else does.
async fn check_list(session: &Session, request: &Request, out: &Output<'_>) -> anyhow::Result<()> {
    let issuer = request.content().issuer();
    let found: Certificates = session
        .query(&format!("certificates.{issuer}"), &Nothing {})
        .await
        .with_context(|| format!("asking for the certificates of {issuer}"))?;
    let named = STANDARD.encode(request.content().issuer_certificate().der());
    let known = |c: &key::Certified| c.authority && *c.certificate == *named;
    if !found.certificates.iter().any(known) {
        let problem = format!("the request does not fit {issuer} as the ledger knows it");
        return Err(Failure::new(Exit::Rejected, problem)
            .remedy("make the request again, and find out who changed this one")
            .into());
    }
    match request.content().content() {
        Content::Crl(list) if list.next_update <= when::to_moment(out.now()) => {
            let problem = format!("the list was good until {}", list.next_update);
            Err(Failure::new(Exit::Rejected, problem)
                .remedy("make a new request")
                .into())
        }
        _ => Ok(()),
    }
}

fn print_list(
    request: &Request,
    der: &[u8],
    file: Option<&Path>,
    out: &mut Output<'_>,
) -> anyhow::Result<()> {
    if out.is_json() && file.is_none() {
        let crl = STANDARD.encode(der);
        return Ok(out.json(&json!({ "issuer": request.content().issuer(), "crl": crl }))?);
    }
    write(out, file, &x509::pem("X509 CRL", der))
}
