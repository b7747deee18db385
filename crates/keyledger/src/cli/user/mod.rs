//! `keyledger user`: NATS users and their creds.

mod issue;
mod revoke;

use anyhow::Context as _;
use keyledger_domain::{
    Name,
    views::{UserRow, UserState},
};

use crate::{
    cli::pages,
    connect::Connection,
    output::{self, Output},
    table::{Cell, Table},
    when,
};

/// Issue and revoke NATS credentials.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger user issue orders --role service --out orders.creds
  keyledger user revoke orders --reason 'laptop stolen' --wait
  keyledger user list --account orders")]
pub(crate) struct User {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Issue(issue::Issue),
    Revoke(revoke::Revoke),
    /// List the users of an account
    #[command(after_help = "Example:\n  keyledger user list --account orders")]
    List {
        /// The account
        #[arg(long)]
        account: Name,
    },
}

impl User {
    pub(crate) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        if let Verb::Issue(issue) = &self.verb {
            issue.check_out()?;
        }
        let session = self.connection.open().await?;
        match self.verb {
            Verb::Issue(issue) => issue.run(&session, out).await,
            Verb::Revoke(revoke) => revoke.run(&session, out).await,
            Verb::List { account } => {
                let tail = format!("credentials.{account}");
                let rows: Vec<UserRow> = pages::every(&session, &tail)
                    .await
                    .with_context(|| format!("listing users of account {account}"))?;
                if out.is_json() {
                    out.json(&rows)?
                } else {
                    print(&rows, out)?
                }
                Ok(())
            }
        }
    }
}

fn print(rows: &[UserRow], out: &mut Output<'_>) -> std::io::Result<()> {
    if rows.is_empty() {
        return out.styled(output::faint(), "no users");
    }
    let now = out.now();
    let mut table = Table::new(&[
        "NAME",
        "STATE",
        "ROLE",
        "PRINCIPAL",
        "ISSUED",
        "EXPIRES",
        "REVOKED",
        "NKEY",
    ]);
    for row in rows {
        let (state, style) = match row.state {
            UserState::Issued => ("issued", output::good()),
            UserState::Expired => ("expired", output::faint()),
            UserState::Revoked => ("revoked", output::fault()),
        };
        let took = |ms| format!(", everywhere in {ms} ms");
        let revoked = row.revoked_at.map(|at| {
            when::dated(at, now)
                + &row
                    .revocation_took_ms
                    .map_or(", NOT CONFIRMED".to_owned(), took)
        });
        table.row([
            row.name.to_string().into(),
            Cell::styled(state, style),
            row.role
                .map(|role| role.to_string())
                .unwrap_or_default()
                .into(),
            row.principal.as_ref().map_or("", Name::as_str).into(),
            when::date(row.issued_at).into(),
            row.expires_at
                .map_or("never".to_owned(), |at| when::dated(at, now))
                .into(),
            revoked.unwrap_or_default().into(),
            row.nkey.as_str().into(),
        ]);
    }
    out.table(&table)
}
