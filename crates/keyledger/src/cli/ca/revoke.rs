//! `keyledger ca revoke`: one certificate, by its serial number.

use anyhow::Context as _;
use keyledger_domain::{
    Name,
    key::{self, RevocationReason, Serial},
};
use keyledger_wire::query::IssuedQuery;

use super::certificates::every;
use crate::{
    args::{self, Reasoned},
    exit::{Exit, Failure},
    output::Output,
    session::Session,
};

/// Revoke one certificate by its serial number; its key stays in use
///
/// The authority's next list names it: publish that list (`keyledger ca crl`). If the key is compromised, revoke the key instead
/// (`keyledger key revoke`): that revokes every certificate over it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  keyledger ca revoke issuing-ca --serial 4f0a3c --revocation-reason superseded --reason 'www has a new name'")]
pub(super) struct Revoke {
    /// The authority that issued it
    authority: Name,
    /// Its serial number, in hexadecimal, as `openssl x509 -serial` shows it
    #[arg(long)]
    serial: Serial,
    /// Why, in KMIP's words
    #[arg(long, value_parser = args::revocation_reason(), default_value = "unspecified")]
    revocation_reason: RevocationReason,
    #[command(flatten)]
    why: Reasoned,
}

impl Revoke {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let all = every(session, &self.authority, IssuedQuery::default()).await?;
        let is_it = |serial: &str| serial.parse().is_ok_and(|it: Serial| it == self.serial);
        let found = all.into_iter().find(|row| is_it(&row.serial));
        let row = found.ok_or_else(|| {
            let problem = format!("{} issued no certificate {}", self.authority, self.serial);
            Failure::new(Exit::Rejected, problem).remedy(format!(
                "`keyledger ca certificates {}` lists those that it issued",
                self.authority
            ))
        })?;
        let ids = self.why.under.ids();
        let body = key::RevokeCertificate {
            serial: self.serial,
            issuer: Some(self.authority.clone()),
            revocation_reason: self.revocation_reason,
            reason: self.why.reason,
            ticket: self.why.under.ticket,
        };
        let done = session
            .command(&row.key, &body, ids)
            .await
            .with_context(|| format!("revoking certificate {}", row.serial))?;
        if out.is_json() {
            return Ok(out.json(&done)?);
        }
        out.line(format!(
            "revoked certificate {} over {} at revision {}: publish the list again with `keyledger ca crl {}`",
            row.serial, done.id, done.revision, self.authority
        ))?;
        Ok(())
    }
}
