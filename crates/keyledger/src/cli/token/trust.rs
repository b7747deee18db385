//! The authorities whose attestations of tokens are trusted.

use std::path::PathBuf;

use anyhow::Context as _;
use keyledger_domain::{operator, views::OperatorRow};
use keyledger_wire::query::{AttestationAuthorities, Nothing, Origin};

use crate::{
    args::{self, Why},
    output::{self, Output},
    session::Session,
    table::{Cell, Table},
};

/// List the authorities whose attestations of tokens are trusted, and trust one that Yubico published later
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger token trust list
  keyledger token trust add yubico-intermediate.pem")]
pub(super) struct Trust {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the trusted authorities with their fingerprints
    #[command(after_help = "Example:\n  keyledger token trust list")]
    List,
    Add(Add),
}

/// Trust an authority of Yubico that is newer than this Keyledger
///
/// Newer tokens attest under it, and are quarantined until it is trusted. Yubico publishes such authorities at
/// `https://developers.yubico.com/PKI/yubico-intermediate.pem`. From that file the command takes those that sign attestations of PIV
/// keys and whose fingerprint the service knows. It trusts nothing else.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  keyledger token trust add yubico-intermediate.pem")]
struct Add {
    /// Its certificate, as PEM; there may be several in the file
    file: PathBuf,
    #[command(flatten)]
    why: Why,
}

impl Trust {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        match self.verb {
            Verb::List => list(session, out).await,
            Verb::Add(add) => add.run(session, out).await,
        }
    }
}

impl Add {
    async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let path = self.file.display();
        let certificates = args::certificate(&self.file)?;
        let operator: OperatorRow = session.query("operator", &Nothing {}).await?;
        let ids = self.why.under.ids();
        let body = operator::Trust {
            certificates,
            reason: self.why.reason,
            ticket: self.why.under.ticket,
        };
        session
            .command(&operator.name, &body, ids)
            .await
            .with_context(|| format!("trusting the authorities of {path}"))?;
        list(session, out).await
    }
}

async fn list(session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
    let found: AttestationAuthorities = session
        .query("tokens.trust", &Nothing {})
        .await
        .context("listing the authorities for attestations")?;
    if out.is_json() {
        return Ok(out.json(&found.authorities)?);
    }
    let mut table = Table::new(&["AUTHORITY", "ROOT", "ORIGIN", "SHA-256"]);
    for row in found.authorities {
        let origin = match row.origin {
            Origin::Embedded => "embedded".into(),
            Origin::Trusted => "trusted".into(),
            Origin::Test => Cell::styled("TEST", output::warning()),
        };
        table.row([
            row.subject.into(),
            row.root.into(),
            origin,
            row.sha256.into(),
        ]);
    }
    Ok(out.table(&table)?)
}
