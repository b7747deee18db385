//! `keyledger user`: NATS users and their creds.

mod issue;
mod revoke;

use anyhow::Context as _;
use keyledger_domain::{
    Name, Role, Timestamp,
    name::Aggregate,
    views::{Page, UserQuery, UserRow, UserState},
};
use keyledger_wire::query::Nothing;

use crate::{
    args,
    cli::history,
    connect::Connection,
    output::{self, Output},
    session::Session,
    table::{Cell, Table},
    when,
};

/// Issue and revoke NATS credentials.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger user issue orders --role service --out orders.creds
  keyledger user revoke orders --reason 'laptop stolen' --wait
  keyledger user list --principal ada")]
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
    List(List),
    /// Show a user: its account, its principal, what it may do
    #[command(after_help = "Example:\n  keyledger user show orders")]
    Show {
        /// The user's name
        name: Name,
    },
    /// Show a user's history: who did what, when and why, and what it changed
    #[command(after_help = "Example:\n  keyledger user history orders")]
    History {
        /// The user's name
        name: Name,
    },
}

/// List users, of all accounts unless one is named
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger user list
  keyledger user list --account orders
  keyledger user list --principal ada
  keyledger user list --without-principal")]
struct List {
    /// Users of this account
    #[arg(long)]
    account: Option<Name>,
    /// Users of this principal
    #[arg(long)]
    principal: Option<Name>,
    /// Users without a principal: no offboarding ends them
    #[arg(long, conflicts_with = "principal")]
    without_principal: bool,
    /// Users of this role
    #[arg(long, value_parser = args::any_role())]
    role: Option<Role>,
    /// Only those that can connect
    #[arg(long)]
    live: bool,
}

impl List {
    async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let mut query = UserQuery {
            account: self.account,
            principal: self.principal,
            without_principal: self.without_principal.then_some(true),
            role: self.role,
            state: self.live.then_some(UserState::Issued),
            limit: Some(keyledger_domain::views::page::MAX_PAGE),
            after: None,
        };
        let mut rows: Vec<UserRow> = Vec::new();
        loop {
            let page: Page<UserRow> = session
                .query("users", &query)
                .await
                .context("listing users")?;
            rows.extend(page.rows);
            match page.next {
                Some(next) => query.after = Some(Name::new(&next)?),
                None => break,
            }
        }
        if out.is_json() {
            out.json(&rows)?
        } else {
            print(&rows, out)?
        }
        Ok(())
    }
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
            Verb::List(list) => list.run(&session, out).await,
            Verb::Show { name } => {
                let row = of(&session, &name).await?;
                if out.is_json() {
                    out.json(&row)?
                } else {
                    show(&row, out)?
                }
                Ok(())
            }
            Verb::History { name } => history::run(&session, out, Aggregate::User, &name).await,
        }
    }
}

/// Asks for a user.
pub(crate) async fn of(session: &Session, name: &Name) -> anyhow::Result<UserRow> {
    let tail = format!("users.show.{name}");
    let row = session.query(&tail, &Nothing {}).await;
    row.with_context(|| format!("showing user {name}"))
}

/// Prints a user in full.
pub(crate) fn show(row: &UserRow, out: &mut Output<'_>) -> std::io::Result<()> {
    let now = out.now();
    let mut table = Table::new(&["", ""]);
    let mut line = |what: &str, value: Cell| {
        if !value.is_empty() {
            table.row([Cell::styled(what, output::faint()), value]);
        }
    };
    let dated = |at: Option<Timestamp>| at.map(|at| when::dated(at, now)).unwrap_or_default();
    line("name", row.name.to_string().into());
    line("state", state(row));
    line("account", row.account.to_string().into());
    let role = row.role.map(|role| role.to_string());
    line("role", role.unwrap_or_default().into());
    line("principal", principal(row));
    line("nkey", row.nkey.as_str().into());
    line("issuer", row.issuer.as_str().into());
    line("issued", when::dated(row.issued_at, now).into());
    let expires = row
        .expires_at
        .map_or("never".to_owned(), |at| when::dated(at, now));
    line("expires", expires.into());
    line("revoked", dated(row.revoked_at).into());
    let why = row.revoked_why.as_ref().map(ToString::to_string);
    line("why", why.unwrap_or_default().into());
    let took = row
        .revocation_took_ms
        .map(|ms| format!("on every server in {ms} ms"));
    line("refused", took.unwrap_or_default().into());
    let keys: Vec<&str> = row.keys.iter().map(Name::as_str).collect();
    line("keys", keys.join(", ").into());
    if row.role.is_none() {
        line("may publish", subjects(row.publish.as_deref()).into());
        line("may subscribe", subjects(row.subscribe.as_deref()).into());
    }
    line("revision", row.revision.into());
    out.table(&table)
}

/// The subjects that a user without a role may publish and subscribe to.
fn subjects(allowed: Option<&[Box<str>]>) -> String {
    match allowed {
        None => "everything in its account".to_owned(),
        Some([]) => "nothing".to_owned(),
        Some(subjects) => subjects.join(", "),
    }
}

/// Its state, as a word.
pub(crate) fn state(row: &UserRow) -> Cell {
    let (state, style) = match row.state {
        UserState::Issued if row.role == Some(Role::Agent) => ("enrolled", output::good()),
        UserState::Issued => ("issued", output::good()),
        UserState::Expired => ("expired", output::faint()),
        UserState::Revoked => ("revoked", output::fault()),
    };
    Cell::styled(state, style)
}

/// Its principal. A user that can connect and has no principal is shown as a warning.
fn principal(row: &UserRow) -> Cell {
    match &row.principal {
        Some(principal) => principal.as_str().into(),
        None if row.state == UserState::Issued => Cell::styled("(none)", output::warning()),
        None => "".into(),
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
        "ACCOUNT",
        "ROLE",
        "PRINCIPAL",
        "ISSUED",
        "EXPIRES",
        "REVOKED",
        "NKEY",
    ])
    .narrowing("NAME", &["NKEY", "ISSUED", "PRINCIPAL"]);
    for row in rows {
        let took = |ms| format!(", everywhere in {ms} ms");
        let revoked = row.revoked_at.map(|at| {
            when::dated(at, now)
                + &row
                    .revocation_took_ms
                    .map_or(", NOT CONFIRMED".to_owned(), took)
        });
        table.row([
            row.name.to_string().into(),
            state(row),
            row.account.as_str().into(),
            row.role
                .map(|role| role.to_string())
                .unwrap_or_default()
                .into(),
            principal(row),
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
