//! `keyledger offline sign`: signs with the key that only this machine has.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use keyledger_custody::{SealedFile, openpgp::offline as openpgp};
use keyledger_pki::{
    exchange::Octets,
    x509::exchange::{self as x509, FromAuthority},
};
use serde_json::json;

use super::asked::AskedFor;
use crate::{
    cli::openpgp::{Agree, files},
    exit::{Exit, Failure},
    output::Output,
    when,
};

/// Show a request in words, ask, sign it, and write the response
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger offline sign request.json --key alice.certify --out response.json
  keyledger offline sign request.json --key alice.certify --out response.json --yes --passphrase-file passphrase
  keyledger offline sign issuing.request --key root-ca.key --out issuing.response")]
pub(super) struct Sign {
    /// The request
    #[arg(value_name = "FILE")]
    request: PathBuf,
    /// The sealed key: a certify key, or an authority's
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The file of the response
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    agree: Agree,
}

impl Sign {
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        files::check_absent(&self.out)?;
        match AskedFor::read(&self.request)? {
            AskedFor::Openpgp(request) => self.openpgp(&request, out),
            AskedFor::X509(request) => self.x509(&request, out),
        }
    }

    fn openpgp(&self, request: &openpgp::Request, out: &mut Output<'_>) -> anyhow::Result<()> {
        let now = when::now();
        let key = self.agree.opened(&self.key, request, now, out)?;
        let response = key.answer(request, now).map_err(files::rejected)?;
        files::write_new(&self.out, &response.to_json())?;
        let json = json!({
            "response": self.out, "request": request.digest(),
            "certificate": request.content().certificate().fingerprint(),
            "signed_at": when::to_timestamp(response.signed_at()),
        });
        signed(out, &self.out, &json)
    }

    fn x509(&self, request: &x509::Request, out: &mut Output<'_>) -> anyhow::Result<()> {
        let place = || self.key.display().to_string();
        let now = when::now();
        let sealed = SealedFile::read(&self.key).with_context(place)?;
        let asked = request.content();
        if sealed.authority_public_key().with_context(place)? != asked.issuer_certificate().spki() {
            let problem = format!(
                "{} is another key than that of {}, which the request is to",
                place(),
                asked.issuer_certificate().subject()
            );
            return Err(Failure::new(Exit::Rejected, problem).into());
        }
        self.agree
            .to(&request.describe(when::to_moment(now)), out)?;
        let passphrase = self.agree.passphrase("the authority's key")?;
        let key = sealed.open_authority_key(&passphrase).with_context(place)?;
        let signature = key.sign(asked.to_be_signed().bytes()).with_context(place)?;
        let answer = FromAuthority {
            signature: Octets(signature),
        };
        let response = x509::Response::new(request, answer, when::to_moment(now));
        let response = response.map_err(files::rejected)?;
        files::write_new(&self.out, &response.to_json())?;
        let json = json!({
            "response": self.out, "request": request.digest(), "issuer": asked.issuer(),
            "signed_at": when::to_timestamp(response.signed_at()),
        });
        signed(out, &self.out, &json)
    }
}

fn signed(out: &mut Output<'_>, path: &Path, json: &serde_json::Value) -> anyhow::Result<()> {
    if out.is_json() {
        out.json(json)?;
    } else {
        out.line(format!("signed; carry back {}", path.display()))?;
    }
    Ok(())
}
