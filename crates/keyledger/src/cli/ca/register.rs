//! `keyledger ca register`: an authority whose key is kept elsewhere.

use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyledger_domain::{Algorithm, Name, Purpose, Purposes, key, pem, text::Title};
use keyledger_pki::x509::{Certificate, MAX_CERTIFICATE_BYTES, PublicKeyKind, check_root};

use super::certified;
use crate::{
    args::{self, Why},
    cli::openpgp::files,
    exit::{Exit, Failure},
    output::Output,
    session::Session,
};

/// Register a root whose key is kept elsewhere, and install its certificate
///
/// The certificate comes from `keyledger offline ca-init`, or from any other authority with a key of P-256 or P-384: compare
/// its SHA-256, which is shown, with the one on the other machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  keyledger ca register root-ca --certificate root-ca.pem")]
pub(super) struct Register {
    /// The key's name: chosen once, never used again
    name: Name,
    /// The root's certificate, which it signed itself, in PEM
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// What people call it [default: the certificate's subject]
    #[arg(long)]
    title: Option<Title>,
    #[command(flatten)]
    why: Why,
}

impl Register {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let certificate = self.certificate()?;
        let register = self.register(&certificate)?;
        let ids = self.why.under.ids();
        if !out.is_json() {
            out.line(format!("SHA-256 {}", certificate.fingerprint()))?;
        }
        certified(session, out, &self.name, &register, ids).await
    }

    /// Reads the certificate and checks that it is a root's, before the name is used up.
    fn certificate(&self) -> anyhow::Result<Certificate> {
        let file = &self.certificate;
        let bytes = files::read(file, 2 * MAX_CERTIFICATE_BYTES)?;
        args::check_public(file, &bytes)?;
        let text = pem::text_of(&bytes);
        if !text.contains("-----BEGIN ") {
            return Err(not_pem(file));
        }
        let certificate = pem::one(&text, "CERTIFICATE").map_err(|e| files::refused(file, e))?;
        let certificate =
            Certificate::from_der(&certificate).map_err(|e| files::refused(file, e))?;
        check_root(&certificate, certificate.spki()).map_err(|e| files::refused(file, e))?;
        Ok(certificate)
    }

    fn register(&self, certificate: &Certificate) -> anyhow::Result<key::Register> {
        let algorithm = match PublicKeyKind::of(certificate.spki()) {
            Ok(PublicKeyKind::P256) => Algorithm::P256,
            Ok(PublicKeyKind::P384) => Algorithm::P384,
            _ => {
                let problem = "an authority's key is p-256 or p-384, and this one is neither";
                return Err(Failure::new(Exit::Rejected, problem).into());
            }
        };
        let subject = Title::new(&certificate.subject()).ok();
        Ok(key::Register {
            algorithm,
            public_key: STANDARD.encode(certificate.spki()),
            purposes: Some(Purposes::of(&[Purpose::Certify])),
            parent: None,
            activate: Some(true),
            title: self.title.clone().or(subject),
            labels: None,
            owner: None,
            classification: Some(key::Classification::Restricted),
            usage: None,
            handling: None,
            disposal: None,
            activation_at: None,
            protect_stop_at: None,
            process_stop_at: None,
            rotation_period_days: None,
            certify: None,
            install: Some(key::Installation {
                issuer: None,
                certificate: STANDARD.encode(certificate.der()),
            }),
            reason: self.why.reason.clone(),
            ticket: self.why.under.ticket.clone(),
        })
    }
}

fn not_pem(file: &std::path::Path) -> anyhow::Error {
    let problem = format!("{} is no certificate in PEM", file.display());
    Failure::new(Exit::Rejected, problem)
        .remedy("convert it: openssl x509 -inform DER -in FILE -out FILE.pem")
        .into()
}
