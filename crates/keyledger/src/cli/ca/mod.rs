//! `keyledger ca`: the organisation's certificate authority.

mod accept;
mod certificates;
mod certify;
mod chain;
mod create;
mod crl;
mod csr;
mod list;
mod pem;
mod register;
mod renew;
mod request;
mod revoke;
mod whole;

use anyhow::Context as _;
use keyledger_domain::{Name, record::Ids, verb::Payload};
use serde::Serialize;

use crate::{
    connect::Connection,
    output::{self, Output},
    session::Session,
    when,
};

/// Run the organisation's certificate authority, for keys on tokens and elsewhere.
///
/// A root may be kept on a machine without a network: `keyledger offline ca-init` makes it there, `register` adds it here.
/// With --request a command writes what the root must sign; `keyledger offline sign` signs it there, and `accept` reads the response.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger ca create root-ca --subject 'Example Root CA'
  keyledger ca create issuing-ca --subject 'Example Issuing CA' --issuer root-ca
  keyledger ca renew issuing-ca
  keyledger ca list
  keyledger ca certificates issuing-ca --expiring 30d
  keyledger ca revoke issuing-ca --serial 4f0a3c --revocation-reason superseded --reason 'www has a new name'
  keyledger ca chain 12345678-9a-1 > chain.pem
  keyledger ca crl issuing-ca > issuing-ca.crl
With the root on a machine without a network:
  keyledger ca register root-ca --certificate root-ca.pem
  keyledger ca create issuing-ca --subject 'Example Issuing CA' --issuer root-ca --request issuing.request
  keyledger ca accept issuing.response")]
pub(crate) struct Ca {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Create(create::Create),
    Certify(certify::Certify),
    Renew(renew::Renew),
    Register(register::Register),
    Accept(accept::Accept),
    Chain(chain::Chain),
    Crl(crl::List),
    /// List the authorities: state, end, how many certificates each issued
    #[command(after_help = "Example:\n  keyledger ca list")]
    List,
    Show(list::Show),
    Certificates(certificates::Issued),
    Revoke(revoke::Revoke),
}

impl Ca {
    pub(crate) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let session = self.connection.open().await?;
        match self.verb {
            Verb::Create(create) => create.run(&session, out).await,
            Verb::Certify(certify) => certify.run(&session, out).await,
            Verb::Renew(renew) => renew.run(&session, out).await,
            Verb::Register(register) => register.run(&session, out).await,
            Verb::Accept(accept) => accept.run(&session, out).await,
            Verb::Chain(chain) => chain.run(&session, out).await,
            Verb::Crl(list) => list.run(&session, out).await,
            Verb::List => list::list(&session, out).await,
            Verb::Show(show) => show.run(&session, out).await,
            Verb::Certificates(issued) => issued.run(&session, out).await,
            Verb::Revoke(revoke) => revoke.run(&session, out).await,
        }
    }
}

/// Has a key certified by a command of this verb, and prints the result.
async fn certified(
    session: &Session,
    out: &mut Output<'_>,
    name: &Name,
    body: &(impl Payload + Serialize),
    ids: Ids,
) -> anyhow::Result<()> {
    let done = session
        .command(name, body, ids)
        .await
        .with_context(|| format!("certifying key {name}"))?;
    if out.is_json() {
        return Ok(out.json(&done)?);
    }
    out.line(format!(
        "certified {} at revision {} ({})",
        done.id, done.revision, done.state
    ))?;
    crate::cli::send::remarks(out, &done)?;
    let Some(certificate) = &done.certificate else {
        return Ok(());
    };
    let until = when::dated(certificate.not_after, out.now());
    out.line(format!("serial {}, until {until}", certificate.serial))?;
    if let Some(wanted) = certificate.cut_short_from {
        let said = format!(
            "CUT SHORT: {} was asked for, and the certificate of {} ends before that",
            when::date(wanted),
            certificate.issuer
        );
        out.styled(output::warning(), &said)?;
    }
    Ok(())
}
