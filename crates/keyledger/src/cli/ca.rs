//! `keyledger ca`: the organisation's certificate authority.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyledger_domain::{Algorithm, Name, Purpose, Purposes, key, name::Aggregate, text::Title};
use keyledger_wire::query::{Certificates, Crl, Nothing};
use serde_json::json;

use crate::{
    args::{self, Why},
    connect::Connection,
    exit::{Exit, Failure},
    output::Output,
    session::Session,
};

/// Run the organisation's certificate authority, for keys on tokens and elsewhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger ca create root-ca --subject 'Example Root CA'
  keyledger ca create issuing-ca --subject 'Example Issuing CA' --issuer root-ca
  keyledger ca chain 12345678-9a-1 > chain.pem
  keyledger ca crl issuing-ca > issuing-ca.crl")]
pub(crate) struct Ca {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Create(Create),
    Certify(Certify),
    Chain(Chain),
    Crl(List),
}

/// Create an authority: a key in custody with a certificate of its own, or of a root
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger ca create root-ca --subject 'Example Root CA'
  keyledger ca create issuing-ca --subject 'Example Issuing CA' --issuer root-ca --days 1095d")]
struct Create {
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
    #[command(flatten)]
    why: Why,
}

/// Certify a key in the ledger: an X.509 certificate over its public key
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  keyledger ca certify web-1 --issuer issuing-ca --subject www.example.org --usage server_auth --dns www.example.org --days 90d")]
struct Certify {
    /// The key's name
    name: Name,
    /// The authority
    #[arg(long, value_name = "KEY")]
    issuer: Name,
    /// The subject's common name
    #[arg(long)]
    subject: Title,
    /// What it may be used for; may be given again
    #[arg(long = "usage", value_parser = args::usage())]
    usages: Vec<keyledger_domain::token::CertificateUsage>,
    /// A DNS name it is for; may be given again
    #[arg(long = "dns", value_name = "NAME")]
    dns_names: Vec<String>,
    /// An e-mail address it is for; may be given again
    #[arg(long = "email", value_name = "ADDRESS")]
    emails: Vec<String>,
    /// Days until it expires
    #[arg(long, value_name = "DAYS", value_parser = crate::when::parse_days)]
    days: u16,
    #[command(flatten)]
    why: Why,
}

/// Print a key's newest certificate and those above it, as PEM
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  keyledger ca chain 12345678-9a-1 > chain.pem\n  keyledger ca chain root-ca --out root.pem"
)]
struct Chain {
    /// The key's name
    name: Name,
    /// Print the certificate alone
    #[arg(long)]
    leaf: bool,
    /// The file to write; printed unless given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Print the list of an authority's revoked certificates, signed now, as PEM
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  keyledger ca crl issuing-ca --out issuing-ca.crl")]
struct List {
    /// The authority's key
    name: Name,
    /// The file to write; printed unless given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Ca {
    pub(crate) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let session = self.connection.open().await?;
        match self.verb {
            Verb::Create(create) => create.run(&session, out).await,
            Verb::Certify(certify) => certify.run(&session, out).await,
            Verb::Chain(chain) => chain.run(&session, out).await,
            Verb::Crl(list) => list.run(&session, out).await,
        }
    }
}

impl Create {
    async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let (reason, ticket) = (self.why.reason.clone(), self.why.under.ticket.clone());
        let algorithm = self.algorithm.unwrap_or(Algorithm::P384);
        if !matches!(algorithm, Algorithm::P256 | Algorithm::P384) {
            return Err(Failure::new(
                Exit::Usage,
                format!("an authority's key cannot be {algorithm}"),
            )
            .remedy("use p-256 or p-384")
            .into());
        }
        let root = self.issuer.is_none();
        let days = self.days.unwrap_or(if root { 7_300 } else { 1_095 });
        let generate = key::Generate {
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
            reason: reason.clone(),
            ticket: ticket.clone(),
        };
        // Under one id of one's own, a repeated command is done once; certifying is a command of its own.
        let ids = self.why.under.ids();
        session
            .command(Aggregate::Key, "generate", &self.name, &generate, ids)
            .await
            .with_context(|| format!("generating key {}", self.name))?;
        let certify = key::Certify {
            issuer: self.issuer,
            subject: self.subject,
            days,
            path_length: Some(u8::from(root)),
            usages: None,
            dns_names: None,
            emails: None,
            reason,
            ticket,
        };
        certified(session, out, &self.name, &certify).await
    }
}

impl Certify {
    async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
        let certify = key::Certify {
            issuer: Some(self.issuer),
            subject: self.subject,
            days: self.days,
            path_length: None,
            usages: (!self.usages.is_empty()).then_some(self.usages),
            dns_names: some(self.dns_names),
            emails: some(self.emails),
            reason: self.why.reason,
            ticket: self.why.under.ticket,
        };
        certified(session, out, &self.name, &certify).await
    }
}

async fn certified(
    session: &Session,
    out: &mut Output<'_>,
    name: &Name,
    certify: &key::Certify,
) -> anyhow::Result<()> {
    let ids = keyledger_domain::record::Ids::root(uuid::Uuid::now_v7());
    let done = session
        .command(Aggregate::Key, "certify", name, certify, ids)
        .await
        .with_context(|| format!("certifying key {name}"))?;
    if out.is_json() {
        out.json(&done)?;
    } else {
        out.line(format!(
            "certified {} at revision {} ({})",
            done.id, done.revision, done.state
        ))?;
    }
    Ok(())
}

impl Chain {
    async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
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
            pem.push_str(&armoured("CERTIFICATE", &der));
        }
        write(out, self.out.as_deref(), &pem)
    }
}

impl List {
    async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let found: Crl = session
            .query(&format!("certificates.crl.{}", self.name), &Nothing {})
            .await
            .with_context(|| format!("asking for the revoked certificates of {}", self.name))?;
        if out.is_json() {
            return Ok(out.json(&json!({ "issuer": found.issuer, "crl": found.crl }))?);
        }
        let pem = armoured("X509 CRL", &STANDARD.decode(&found.crl)?);
        write(out, self.out.as_deref(), &pem)
    }
}

fn write(out: &mut Output<'_>, file: Option<&std::path::Path>, pem: &str) -> anyhow::Result<()> {
    match file {
        // Written anew each time: a CRL is fetched again and again.
        Some(file) => fs::write(file, pem).with_context(|| format!("writing {}", file.display())),
        None => Ok(out.raw(pem.as_bytes())?),
    }
}

/// PEM (RFC 7468).
fn armoured(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}
