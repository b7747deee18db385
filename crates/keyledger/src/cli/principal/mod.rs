//! `keyledger principal`: persons, services, workstations and units.

mod recover;
mod show;

use std::path::PathBuf;

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyledger_custody::openpgp;
use keyledger_domain::{
    Name,
    address::EmailAddress,
    name::Aggregate,
    principal::{self, Kind},
    text::Title,
    views::PrincipalRow,
};
use keyledger_wire::query::{self, LinesQuery, Nothing, OpenpgpCertificate};

use crate::{
    args::{self, Label, Reasoned, Why},
    cli::{history, order, pages, send},
    connect::Connection,
    output::{Output, faint},
    session::Session,
    table::{Cell, Table},
    when,
};

/// Register who owns keys and who acts: persons, services, workstations, units.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger principal register ada --kind person --title 'Ada Lovelace' --email ada@example.org
  keyledger principal list")]
pub(crate) struct Principal {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Register(Register),
    Describe(Describe),
    Offboard(Offboard),
    Publish(Publish),
    Certificate(Certificate),
    AuthorizedKeys(AuthorizedKeys),
    RecoverKey(recover::RecoverKey),
    /// List all principals
    #[command(after_help = "Example:\n  keyledger principal list")]
    List,
    /// Show a principal: its attributes, its users, its tokens, what it is responsible for
    #[command(after_help = "Example:\n  keyledger principal show ada")]
    Show {
        /// The principal's name
        name: Name,
    },
    /// Show a principal's history: who did what, when and why, and what it changed
    #[command(after_help = "Example:\n  keyledger principal history ada")]
    History {
        /// The principal's name
        name: Name,
    },
}

/// Register a person, service, workstation or unit
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger principal register ada --kind person --title 'Ada Lovelace' --email ada@example.org
  keyledger principal register orders --kind service --title 'Order service' --responsible ada")]
struct Register {
    /// The principal's name: chosen once, never used again
    name: Name,
    /// What it is
    #[arg(long, value_parser = args::kind())]
    kind: Kind,
    /// What people call it
    #[arg(long)]
    title: Title,
    #[command(flatten)]
    description: PrincipalDescription,
    #[command(flatten)]
    why: Why,
}

#[derive(Debug, clap::Args)]
struct PrincipalDescription {
    /// Its e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<EmailAddress>,
    /// The unit it belongs to
    #[arg(long, value_name = "PRINCIPAL")]
    unit: Option<Name>,
    /// The person who is responsible for it; required for a service
    #[arg(long, value_name = "PRINCIPAL")]
    responsible: Option<Name>,
    /// A label; may be given several times. The given labels replace all that it had
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<Label>,
}

order!(Register => "registered", principal::Register, |this| principal::Register {
    kind: this.kind,
    title: this.title,
    labels: args::labels(&this.description.labels)?,
    email: this.description.email,
    unit: this.description.unit,
    responsible: this.description.responsible,
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

/// Describe a principal: title, e-mail address, unit, responsible person, labels
///
/// What is not given stays as it is.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  keyledger principal describe orders --responsible grace --ticket HR-4"
)]
struct Describe {
    /// The principal's name
    name: Name,
    /// What people call it
    #[arg(long)]
    title: Option<Title>,
    #[command(flatten)]
    description: PrincipalDescription,
    #[command(flatten)]
    why: Why,
}

order!(Describe => "described", principal::Describe, |this| principal::Describe {
    title: this.title,
    labels: args::labels(&this.description.labels)?,
    email: this.description.email,
    unit: this.description.unit,
    responsible: this.description.responsible,
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

/// Offboard a principal: its NATS users and tokens end at once, and its keys get another owner
///
/// Without --to the new owner is the person responsible for the principal, or else its unit; otherwise the keys have no owner.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger principal offboard ada --reason 'left the company' --ticket HR-9 --to bob
  keyledger inventory --without-owner
  keyledger user list --without-principal")]
struct Offboard {
    /// The principal's name
    name: Name,
    /// The new owner of its keys, who also becomes responsible in its place
    #[arg(long, value_name = "PRINCIPAL")]
    to: Option<Name>,
    #[command(flatten)]
    why: Reasoned,
}

order!(Offboard => "offboarded", principal::Offboard, |this| principal::Offboard {
    to: this.to,
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

/// Publish a principal's OpenPGP certificate, as its certify key signed it
///
/// A later certificate must contain all signatures of the published one, so that nothing is withdrawn silently.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  keyledger principal publish ada --openpgp ada.asc")]
struct Publish {
    /// The principal's name
    name: Name,
    /// The certificate's file, in ASCII armor
    #[arg(long, value_name = "FILE")]
    openpgp: PathBuf,
    #[command(flatten)]
    why: Why,
}

order!(Publish => "published the OpenPGP certificate of", principal::Publish, |this| principal::Publish {
    openpgp: args::certificate(&this.openpgp)?,
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

/// Print a principal's OpenPGP certificate
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  keyledger principal certificate ada | gpg --import")]
struct Certificate {
    /// The principal's name
    name: Name,
}

impl Certificate {
    async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let found: OpenpgpCertificate = session
            .query(&format!("openpgp.show.{}", self.name), &Nothing {})
            .await
            .with_context(|| format!("asking for the certificate of {}", self.name))?;
        if out.is_json() {
            return Ok(out.json(&found)?);
        }
        let bytes = STANDARD.decode(&found.certificate)?;
        let certificate = openpgp::Certificate::parse(&bytes)?;
        out.raw(certificate.to_armored().as_bytes())?;
        if !found.to_revoke.is_empty() {
            eprintln!(
                "its certify key must still revoke: {} (`keyledger openpgp revoke`)",
                found.to_revoke.join(", ")
            );
        }
        Ok(())
    }
}

/// Print the lines of authorized_keys for a principal, without what was revoked; for sshd's AuthorizedKeysCommand
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  keyledger principal authorized-keys ada > ~ada/.ssh/authorized_keys"
)]
struct AuthorizedKeys {
    /// The principal's name
    name: Name,
}

impl AuthorizedKeys {
    async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let tail = format!("ssh.authorized_keys.{}", self.name);
        let mut question = LinesQuery::default();
        let mut found = query::AuthorizedKeys {
            principal: self.name.clone(),
            lines: Vec::new(),
            next: None,
        };
        loop {
            let page = session.query(&tail, &question).await;
            let page: query::AuthorizedKeys =
                page.with_context(|| format!("asking for the SSH keys of {}", self.name))?;
            found.lines.extend(page.lines);
            if page.next.is_none() {
                break;
            }
            question.after = page.next;
        }
        if out.is_json() {
            return Ok(out.json(&found)?);
        }
        for line in &found.lines {
            out.line(line)?;
        }
        Ok(())
    }
}

impl Principal {
    pub(crate) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let session = self.connection.open().await?;
        match self.verb {
            Verb::Register(verb) => send(&session, out, verb).await,
            Verb::Describe(verb) => send(&session, out, verb).await,
            Verb::Offboard(verb) => send(&session, out, verb).await,
            Verb::Publish(verb) => send(&session, out, verb).await,
            Verb::Certificate(verb) => verb.run(&session, out).await,
            Verb::AuthorizedKeys(verb) => verb.run(&session, out).await,
            Verb::RecoverKey(verb) => verb.run(&session, out).await,
            Verb::List => {
                let rows: Vec<PrincipalRow> = pages::every(&session, "principals")
                    .await
                    .context("listing principals")?;
                if out.is_json() {
                    out.json(&rows)?
                } else {
                    print(&rows, out)?
                }
                Ok(())
            }
            Verb::Show { name } => show::run(&session, &name, out).await,
            Verb::History { name } => {
                history::run(&session, out, Aggregate::Principal, &name).await
            }
        }
    }
}

fn print(rows: &[PrincipalRow], out: &mut Output<'_>) -> std::io::Result<()> {
    if rows.is_empty() {
        return out.styled(faint(), "no principals");
    }
    let mut table = Table::new(&[
        "NAME",
        "KIND",
        "TITLE",
        "E-MAIL",
        "UNIT",
        "RESPONSIBLE",
        "STATE",
        "SINCE",
    ])
    .narrowing("TITLE", &["E-MAIL", "UNIT"]);
    for row in rows {
        let since = row.offboarded_at.unwrap_or(row.registered_at);
        let state = match row.offboarded_at {
            Some(_) => Cell::styled(&row.state, faint()),
            None => row.state.as_str().into(),
        };
        table.row([
            row.name.to_string().into(),
            row.kind.as_str().into(),
            row.title.as_ref().map_or("", Title::as_str).into(),
            row.email.as_ref().map_or("", Title::as_str).into(),
            row.unit.as_ref().map_or("", Name::as_str).into(),
            row.responsible.as_ref().map_or("", Name::as_str).into(),
            state,
            when::dated(since, out.now()).into(),
        ]);
    }
    out.table(&table)
}
