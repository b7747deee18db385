//! `keyledger ca chain`: a key's certificate and those above it.

use std::path::PathBuf;

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyledger_domain::Name;
use keyledger_pki::x509;
use keyledger_wire::query::{Certificates, Nothing};

use super::pem::write;
use crate::{
    exit::{Exit, Failure},
    output::Output,
    session::Session,
};

/// Print a key's newest certificate and those above it, as PEM
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  keyledger ca chain 12345678-9a-1 > chain.pem\n  keyledger ca chain root-ca --out root.pem"
)]
pub(super) struct Chain {
    /// The key's name
    name: Name,
    /// Print only the certificate itself
    #[arg(long)]
    leaf: bool,
    /// The file to write [default: printed]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Chain {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let found: Certificates = session
            .query(&format!("certificates.{}", self.name), &Nothing {})
            .await
            .with_context(|| format!("asking for the certificates of key {}", self.name))?;
        let Some(newest) = found.certificates.first() else {
            return Err(Failure::new(
                Exit::Rejected,
                format!("key {} has no certificate", self.name),
            )
            .remedy("certify it: `keyledger ca certify`")
            .into());
        };
        if out.is_json() {
            return Ok(out.json(&found)?);
        }
        let above = found
            .chain
            .iter()
            .take(if self.leaf { 0 } else { usize::MAX });
        let mut pem = String::new();
        for certified in std::iter::once(newest).chain(above) {
            let der = STANDARD.decode(certified.certificate.as_bytes())?;
            pem.push_str(&x509::pem("CERTIFICATE", &der));
        }
        write(out, self.out.as_deref(), &pem)
    }
}
