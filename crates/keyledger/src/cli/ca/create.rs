//! `keyledger ca create`: an authority in custody.

use std::path::PathBuf;

use anyhow::Context as _;
use keyledger_domain::{
    Algorithm, Name, Purpose, Purposes, key,
    name::Aggregate,
    text::{Subject, Title},
};
use keyledger_service::x509::exchange::Asked;

use super::{certified, request};
use crate::{
    args::{self, Why},
    output::Output,
    session::Session,
    when::{self, Period},
};

/// Create an authority: a key in custody with a certificate of its own, or of a root
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger ca create root-ca --subject 'Example Root CA'
  keyledger ca create issuing-ca --subject 'Example Issuing CA' --issuer root-ca --days 1095d
  keyledger ca create issuing-ca --subject 'Example Issuing CA' --issuer root-ca --request issuing.request")]
pub(super) struct Create {
    /// The key's name: chosen once, never used again
    name: Name,
    /// What the authority is called: a common name, or a name like CN=Example Root CA,O=Example
    #[arg(long)]
    subject: Subject,
    /// The authority above it; a root unless given
    #[arg(long, value_name = "KEY")]
    issuer: Option<Name>,
    /// The algorithm; p-384 unless given
    #[arg(long, value_parser = args::authority_algorithm())]
    algorithm: Option<Algorithm>,
    /// How long its certificate holds: 10y, 1095d, until 2036-01-01; 7300d of a root, 1095d of another unless given
    #[arg(long, value_name = "PERIOD", value_parser = when::parse_period)]
    days: Option<Period>,
    /// Write a request to this file, for an issuer whose key is on a machine without a network
    #[arg(long, value_name = "FILE", requires = "issuer")]
    request: Option<PathBuf>,
    #[command(flatten)]
    why: Why,
}

impl Create {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        if let Some(issuer) = &self.issuer {
            request::check(session, issuer, self.request.as_deref()).await?;
        }
        let generate = self.generate();
        let ids = self.why.under.ids();
        let Some(file) = &self.request else {
            return certified(session, out, "generate", &self.name, &generate, ids).await;
        };
        session
            .command(Aggregate::Key, "generate", &self.name, &generate, ids)
            .await
            .with_context(|| format!("generating key {}", self.name))?;
        let certify =
            key::Certify::of(self.certification(), self.why.reason, self.why.under.ticket);
        let tail = format!("certificates.to_be_signed.{}", self.name);
        let asked = Asked::Certificate { key: self.name };
        request::write(session, out, &tail, |_| &certify, asked, file).await
    }

    /// The certificate with which the key comes to be.
    fn certification(&self) -> key::Certification {
        let root = self.issuer.is_none();
        let usual = Period::Days(if root { 7_300 } else { 1_095 });
        let (days, until) = self.days.unwrap_or(usual).fields();
        key::Certification {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            days,
            until,
            path_length: Some(u8::from(root)),
            usages: None,
            dns_names: None,
            ip_addresses: None,
            emails: None,
            request: None,
        }
    }

    fn generate(&self) -> key::Generate {
        let algorithm = self.algorithm.unwrap_or(Algorithm::P384);
        key::Generate {
            algorithm,
            purposes: Some(Purposes::of(&[Purpose::Certify])),
            parent: self.issuer.clone(),
            activate: Some(true),
            title: Title::new(self.subject.as_str()).ok(),
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
            certify: Some(Box::new(self.certification())),
            reason: self.why.reason.clone(),
            ticket: self.why.under.ticket.clone(),
        }
    }
}
