//! `keyledger offline ca-init`: a root's key and certificate.

use std::path::PathBuf;

use anyhow::Context as _;
use keyledger_custody::{KdfCost, Passphrase, SealedFile, authority::AuthorityKey};
use keyledger_domain::{Algorithm, Timestamp, key::MAX_PERIOD_DAYS, text::Subject};
use serde_json::json;

use crate::{
    args,
    cli::{openpgp::files, passphrase},
    exit::{Exit, Failure},
    output::Output,
    when::{self, Period},
};

/// Make the key and the certificate of a root. On a machine without a network
///
/// The key is sealed under a passphrase and stays here. The certificate is public: `keyledger ca register` adds it on a machine with a
/// network.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger offline ca-init --subject 'Example Root CA' --out root-ca.key
  keyledger offline ca-init --subject 'Example Root CA' --out root-ca.key --certificate root.pem --days 3650d --passphrase-file passphrase")]
pub(super) struct CaInit {
    /// The authority's name: a common name, or a name like CN=Example Root CA,O=Example
    #[arg(long)]
    subject: Subject,
    /// The file of the sealed key
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The file of the certificate, in PEM [default: named after the key]
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// The algorithm
    #[arg(long, default_value = "p-384", value_parser = args::authority_algorithm())]
    algorithm: Algorithm,
    /// How long the certificate is valid: 10y, 3650d, until 2036-01-01; at most 7300d
    #[arg(long, value_name = "PERIOD", default_value = "7300d", value_parser = when::parse_period)]
    days: Period,
    /// The file with the passphrase, mode 0600 [default: asked for twice at the terminal]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl CaInit {
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let pem = self.certificate.clone();
        let pem = pem.unwrap_or_else(|| self.out.with_extension("pem"));
        self.check(&pem)?;
        let passphrase = self.passphrase()?;
        let key = AuthorityKey::generate(self.algorithm).map_err(files::rejected)?;
        let now = when::now();
        let certificate = key
            .certify_itself(self.subject.as_str(), self.days.end(now), now)
            .map_err(files::rejected)?;
        let sealed = SealedFile::of_authority_key(&key, &passphrase, KdfCost::USUAL)?;
        // The certificate is written last, so that its key exists if the certificate exists.
        sealed.write(&self.out).context("the authority's key")?;
        files::write_new(&pem, certificate.to_pem().as_bytes())?;
        if out.is_json() {
            return Ok(out.json(&json!({
                "subject": certificate.subject(), "key": self.out, "certificate": pem,
                "sha256": certificate.fingerprint(), "expires": when::to_timestamp(certificate.not_after()),
            }))?);
        }
        out.line(format!("made the authority {}", certificate.subject()))?;
        out.line(format!(
            "key, sealed; keep it offline:  {}",
            self.out.display()
        ))?;
        out.line(format!("certificate, for everybody:    {}", pem.display()))?;
        out.line(format!("SHA-256 {}", certificate.fingerprint()))?;
        Ok(())
    }

    /// Checks everything that can be checked before anything is asked or made.
    fn check(&self, pem: &std::path::Path) -> anyhow::Result<()> {
        let wrong = if pem == self.out {
            Some(("the key and its certificate have one file", "name another"))
        } else if !self.is_possible(when::now()) {
            Some((
                "a root holds for 1 to 7300 days",
                "write --days within that",
            ))
        } else if !matches!(self.algorithm, Algorithm::P256 | Algorithm::P384) {
            Some(("an authority's key is p-256 or p-384", "use one of them"))
        } else {
            None
        };
        if let Some((problem, remedy)) = wrong {
            return Err(Failure::new(Exit::Usage, problem).remedy(remedy).into());
        }
        files::check_absent(&self.out)?;
        files::check_absent(pem)
    }

    fn is_possible(&self, now: Timestamp) -> bool {
        let end = self.days.end(now);
        now < end && end <= now.plus_days(i64::from(MAX_PERIOD_DAYS))
    }

    fn passphrase(&self) -> anyhow::Result<Passphrase> {
        match &self.passphrase_file {
            Some(file) => passphrase::from_file(file),
            None => passphrase::ask_twice("the authority's key"),
        }
    }
}
