//! `keyledger ca certify`: a certificate over a key in the ledger.

use std::path::PathBuf;

use keyledger_domain::{
    Name,
    address::{EmailAddress, HostName, IpAddress},
    key::{self, Certification},
    text::Subject,
};

use super::{certified, csr::Csr, request};
use crate::{
    args::{self, Why},
    output::Output,
    session::Session,
    when::{self, Period},
};

/// Certify a key in the ledger: an X.509 certificate over its public key
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger ca certify web-1 --issuer issuing-ca --subject www.example.org --usage server_auth --dns www.example.org --days 90d
  keyledger ca certify web-2 --csr web-2.csr --issuer issuing-ca --subject 'CN=www.example.org,O=Example' --usage server_auth \
--dns www.example.org --ip 192.0.2.7 --days 2027-03-01
  keyledger ca certify issuing-ca --issuer root-ca --subject 'Example Issuing CA' --path-length 0 --days 1095d --request renewal.request")]
pub(super) struct Certify {
    /// The key's name; with --csr it may be a new name, under which the key is registered
    name: Name,
    /// The authority
    #[arg(long, value_name = "KEY")]
    issuer: Name,
    /// The subject: a common name, or a name like CN=Ada,OU=Keys,O=Example
    #[arg(long)]
    subject: Subject,
    /// A request (PKCS#10) in PEM or DER, signed with the key; only its key is used
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// What it may be used for; may be given several times
    #[arg(long = "usage", value_parser = args::usage())]
    usages: Vec<keyledger_domain::key::CertificateUsage>,
    /// A DNS name for it; may be given several times
    #[arg(long = "dns", value_name = "NAME")]
    dns_names: Vec<HostName>,
    /// An IP address for it; may be given several times
    #[arg(long = "ip", value_name = "ADDRESS")]
    ip_addresses: Vec<IpAddress>,
    /// An e-mail address for it; may be given several times
    #[arg(long = "email", value_name = "ADDRESS")]
    emails: Vec<EmailAddress>,
    /// Make it an authority, with this many levels of authorities below it, 0 to 4
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["usages", "dns_names", "ip_addresses", "emails"])]
    path_length: Option<u8>,
    /// How long it is valid: 90d, 4w, 36h, or until 2027-03-01; never longer than the authority's own certificate
    #[arg(long, value_name = "PERIOD", value_parser = when::parse_period)]
    days: Period,
    /// Write a request to this file, for an issuer whose key is on a machine without a network
    #[arg(long, value_name = "FILE", conflicts_with = "csr")]
    request: Option<PathBuf>,
    #[command(flatten)]
    why: Why,
}

impl Certify {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
            (!list.is_empty()).then_some(list)
        }
        let ids = self.why.under.ids();
        let (days, until) = self.days.fields();
        let csr = self.csr.as_deref().map(Csr::read).transpose()?;
        let wanted = Certification {
            issuer: Some(self.issuer),
            subject: self.subject,
            days,
            until,
            path_length: self.path_length,
            usages: some(self.usages),
            dns_names: some(self.dns_names),
            ip_addresses: some(self.ip_addresses),
            emails: some(self.emails),
            request: csr.as_ref().map(Csr::text),
        };
        let (reason, ticket) = (self.why.reason, self.why.under.ticket);
        if let Some(csr) = csr
            && !csr.is_known(session, &self.name).await?
        {
            let register = csr.register(wanted, reason, ticket)?;
            return certified(session, out, &self.name, &register, ids).await;
        }
        let certify = key::Certify::of(wanted, reason, ticket);
        let Some(file) = &self.request else {
            return certified(session, out, &self.name, &certify, ids).await;
        };
        let tail = format!("certificates.to_be_signed.{}", self.name);
        let asked = request::certificate_of(&self.name)?;
        request::write(session, out, &tail, |_| &certify, asked, file).await
    }
}
