//! `keyledger ca create`: an authority in custody.

use std::path::PathBuf;

use anyhow::Context as _;
use keyledger_domain::{
    Algorithm, Name, Purpose, Purposes, key,
    text::{Subject, Title},
    views::{InventoryRow, ListQuery},
};
use keyledger_wire::query::{Certificates, Nothing};

use super::{certified, request};
use crate::{
    args::{self, Why},
    exit::is_refused_for,
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
    /// The authority's name: a common name, or a name like CN=Example Root CA,O=Example
    #[arg(long)]
    subject: Subject,
    /// The authority above it [default: none, it is a root]
    #[arg(long, value_name = "KEY")]
    issuer: Option<Name>,
    /// The algorithm [default: p-384]
    #[arg(long, value_parser = args::authority_algorithm())]
    algorithm: Option<Algorithm>,
    /// How long its certificate is valid: 10y, 1095d, until 2036-01-01 [default: 7300d for a root, otherwise 1095d]
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
            return certified(session, out, &self.name, &generate, ids).await;
        };
        let made = session.command(&self.name, &generate, ids).await;
        match made {
            Ok(_) => {}
            Err(error)
                if is_refused_for(&error, "name_taken")
                    && self.awaits(session, &generate).await? =>
            {
                eprintln!(
                    "the key {} exists already, without a certificate: continuing with it",
                    self.name
                );
            }
            Err(error) => {
                return Err(error).with_context(|| format!("generating key {}", self.name));
            }
        }
        let certify =
            key::Certify::of(self.certification(), self.why.reason, self.why.under.ticket);
        let tail = format!("certificates.to_be_signed.{}", self.name);
        let asked = request::certificate_of(&self.name)?;
        request::write(session, out, &tail, |_| &certify, asked, file).await
    }

    /// True if the key is the one that this command would make, and has no certificate yet: an earlier run was interrupted before it wrote
    /// the request, or the request was lost.
    async fn awaits(&self, session: &Session, made: &key::Generate) -> anyhow::Result<bool> {
        let row: InventoryRow = session
            .query(&format!("inventory.show.{}", self.name), &Nothing {})
            .await
            .with_context(|| format!("asking for key {}", self.name))?;
        let is_the_same = row.algorithm == made.algorithm
            && Some(row.purposes) == made.purposes
            && row.parent == made.parent
            && row.title == made.title
            && row.custodian.is_here()
            && row.state == key::State::Active;
        if !is_the_same {
            return Ok(false);
        }
        let known: Certificates = session
            .query(
                &format!("certificates.{}", self.name),
                &ListQuery::default(),
            )
            .await
            .with_context(|| format!("asking for the certificates of {}", self.name))?;
        Ok(known.certificates.is_empty())
    }

    /// The certificate that is made together with the key.
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
