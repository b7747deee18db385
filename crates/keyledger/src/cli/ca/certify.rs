//! `keyledger ca certify`: a certificate over a key in the ledger.

use std::path::PathBuf;

use keyledger_domain::{Name, key, text::Title};
use keyledger_service::x509::exchange::Asked;

use super::{certified, request};
use crate::{
    args::{self, Why},
    output::Output,
    session::Session,
};

/// Certify a key in the ledger: an X.509 certificate over its public key
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger ca certify web-1 --issuer issuing-ca --subject www.example.org --usage server_auth --dns www.example.org --days 90d
  keyledger ca certify issuing-ca --issuer root-ca --subject 'Example Issuing CA' --path-length 0 --days 1095d --request renewal.request")]
pub(super) struct Certify {
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
    /// Make it an authority: how many authorities may stand below it, 0 to 4
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["usages", "dns_names", "emails"])]
    path_length: Option<u8>,
    /// Days until it expires
    #[arg(long, value_name = "DAYS", value_parser = crate::when::parse_days)]
    days: u16,
    /// Write a request to this file, for an issuer whose key is on a machine without a network
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    #[command(flatten)]
    why: Why,
}

impl Certify {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
        let ids = self.why.under.ids();
        let certify = key::Certify {
            issuer: Some(self.issuer),
            subject: self.subject,
            days: self.days,
            path_length: self.path_length,
            usages: (!self.usages.is_empty()).then_some(self.usages),
            dns_names: some(self.dns_names),
            emails: some(self.emails),
            reason: self.why.reason,
            ticket: self.why.under.ticket,
        };
        let Some(file) = &self.request else {
            return certified(session, out, "certify", &self.name, &certify, ids).await;
        };
        let tail = format!("certificates.to_be_signed.{}", self.name);
        let asked = Asked::Certificate { key: self.name };
        request::write(session, out, &tail, &certify, asked, file).await
    }
}
