//! `keyledger ca renew`: an authority's own next certificate.

use std::path::PathBuf;

use keyledger_domain::{
    Name,
    key::{self, Certification},
    text::Subject,
    time::DAY_MS,
};
use keyledger_wire::query::AuthorityRow;

use super::{certified, list, request};
use crate::{
    args::Why,
    exit::{Exit, Failure},
    output::Output,
    session::Session,
    when::{self, Period},
};

/// Renew an authority's certificate: same key, same name; a root signs it itself
///
/// The certificates that it issued stay valid. Everybody who trusts a root's old certificate must get the new one before the old one ends.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger ca renew root-ca
  keyledger ca renew issuing-ca --days 1095d
With the root on a machine without a network:
  keyledger ca renew root-ca --request root-ca.request")]
pub(super) struct Renew {
    /// The authority's key
    name: Name,
    /// How long it is valid: 10y, 1095d, until 2046-01-01 [default: as long as the one before]
    #[arg(long, value_name = "PERIOD", value_parser = when::parse_period)]
    days: Option<Period>,
    /// How many levels of authorities may be below it, 0 to 4 [default: as before]
    #[arg(long, value_name = "NUMBER")]
    path_length: Option<u8>,
    /// Write a request to this file, for an issuer whose key is on a machine without a network
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    #[command(flatten)]
    why: Why,
}

impl Renew {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let before = list::row(session, &self.name).await?;
        request::check(session, &before.issuer, self.request.as_deref()).await?;
        let wanted = self.certification(&before)?;
        let ids = self.why.under.ids();
        let certify = key::Certify::of(wanted, self.why.reason, self.why.under.ticket);
        let Some(file) = &self.request else {
            return certified(session, out, &self.name, &certify, ids).await;
        };
        let tail = format!("certificates.to_be_signed.{}", self.name);
        let asked = request::certificate_of(&self.name)?;
        request::write(session, out, &tail, |_| &certify, asked, file).await
    }

    fn certification(&self, before: &AuthorityRow) -> anyhow::Result<Certification> {
        let subject = Subject::new(&before.subject).map_err(|error| {
            let problem = format!("the subject {} cannot be certified again", before.subject);
            Failure::new(Exit::Rejected, problem).remedy(error.to_string())
        })?;
        let path_length = self.path_length.or(before.path_length).ok_or_else(|| {
            let problem = format!("{} may have any number of authorities below it", self.name);
            Failure::new(Exit::Usage, problem).remedy("say how many with --path-length")
        })?;
        let held = (before.not_after.ms() - before.not_before.ms()) / DAY_MS;
        let held = u16::try_from(held).unwrap_or(u16::MAX);
        let held = Period::Days(held.clamp(1, key::MAX_PERIOD_DAYS));
        let (days, until) = self.days.unwrap_or(held).fields();
        Ok(Certification {
            issuer: (before.issuer != self.name).then(|| before.issuer.clone()),
            subject,
            days,
            until,
            path_length: Some(path_length),
            usages: None,
            dns_names: None,
            ip_addresses: None,
            emails: None,
            request: None,
        })
    }
}
