//! `keyledger ca create`: an authority in custody.

use std::path::PathBuf;

use anyhow::Context as _;
use keyledger_domain::{
    Algorithm, Name, Purpose, Purposes, key, name::Aggregate, record::Ids, text::Title,
};
use keyledger_service::x509::exchange::Asked;
use uuid::Uuid;

use super::{certified, request};
use crate::{
    args::{self, Why},
    exit::{Exit, Failure},
    output::Output,
    session::Session,
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
    /// What the authority is called: its common name
    #[arg(long)]
    subject: Title,
    /// The authority above it; a root unless given
    #[arg(long, value_name = "KEY")]
    issuer: Option<Name>,
    /// The algorithm: p-256 or p-384; p-384 unless given
    #[arg(long, value_parser = args::algorithm())]
    algorithm: Option<Algorithm>,
    /// Days until its certificate expires; 7300 of a root, 1095 of another unless given
    #[arg(long, value_name = "DAYS", value_parser = crate::when::parse_days)]
    days: Option<u16>,
    /// Write a request to this file, for an issuer whose key is on a machine without a network
    #[arg(long, value_name = "FILE", requires = "issuer")]
    request: Option<PathBuf>,
    #[command(flatten)]
    why: Why,
}

impl Create {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let root = self.issuer.is_none();
        let generate = self.generate()?;
        if let Some(issuer) = &self.issuer {
            request::check(session, issuer, self.request.as_deref()).await?;
        }
        // Under one id of one's own, a repeated command is done once; certifying is a command of its own.
        let ids = self.why.under.ids();
        session
            .command(Aggregate::Key, "generate", &self.name, &generate, ids)
            .await
            .with_context(|| format!("generating key {}", self.name))?;
        let certify = key::Certify {
            issuer: self.issuer,
            subject: self.subject,
            days: self.days.unwrap_or(if root { 7_300 } else { 1_095 }),
            path_length: Some(u8::from(root)),
            usages: None,
            dns_names: None,
            emails: None,
            reason: self.why.reason,
            ticket: self.why.under.ticket,
        };
        let Some(file) = &self.request else {
            let ids = Ids::root(Uuid::now_v7());
            return certified(session, out, "certify", &self.name, &certify, ids).await;
        };
        let tail = format!("certificates.to_be_signed.{}", self.name);
        let asked = Asked::Certificate { key: self.name };
        request::write(session, out, &tail, &certify, asked, file).await
    }

    fn generate(&self) -> anyhow::Result<key::Generate> {
        let algorithm = self.algorithm.unwrap_or(Algorithm::P384);
        if !matches!(algorithm, Algorithm::P256 | Algorithm::P384) {
            return Err(Failure::new(
                Exit::Usage,
                format!("an authority's key cannot be {algorithm}"),
            )
            .remedy("use p-256 or p-384")
            .into());
        }
        Ok(key::Generate {
            algorithm,
            purposes: Some(Purposes::of(&[Purpose::Certify])),
            parent: self.issuer.clone(),
            activate: Some(true),
            title: Some(self.subject.clone()),
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
            reason: self.why.reason.clone(),
            ticket: self.why.under.ticket.clone(),
        })
    }
}
