//! `keyledger account`: NATS accounts.

mod upgrade;

use anyhow::Context as _;
use keyledger_domain::{Name, account, name::Aggregate, text::Title, views::AccountRow};

use crate::{
    args::Why,
    cli::{history, order, pages, send},
    connect::Connection,
    exit::{Exit, Failure},
    output::{self, Output, faint},
    session::Session,
    table::{Cell, Table},
    when,
};

pub(crate) use upgrade::all as upgrade_all;

/// Create NATS accounts, upgrade them, and see their signing keys.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger account create orders --imports-keyledger
  keyledger account upgrade --all --plan
  keyledger account show orders")]
pub(crate) struct Account {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Create(Create),
    Upgrade(upgrade::Upgrade),
    /// List all accounts
    #[command(after_help = "Example:\n  keyledger account list")]
    List,
    /// Show an account with its signing keys
    #[command(after_help = "Example:\n  keyledger account show orders")]
    Show {
        /// The account's name
        name: Name,
    },
    /// Show an account's history: who did what, when and why, and what it changed
    #[command(after_help = "Example:\n  keyledger account history orders")]
    History {
        /// The account's name
        name: Name,
    },
}

/// Create a NATS account with an online signing key, and push its JWT to the servers
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  keyledger account create orders --title 'Order processing' --imports-keyledger --jetstream-disk-mib 512"
)]
struct Create {
    /// The account's name: chosen once, never used again
    name: Name,
    /// What people call it
    #[arg(long)]
    title: Option<Title>,
    /// The account imports this service: its users have the role `service` and can send commands for their own keys
    #[arg(long)]
    imports_keyledger: bool,
    /// Its users may store in JetStream: 1 GiB on disk, unless limits are given
    #[arg(long)]
    jetstream: bool,
    /// MiB that they may store on disk, counting all replicas; this cannot be changed later
    #[arg(long, value_name = "MIB")]
    jetstream_disk_mib: Option<u32>,
    /// MiB that they may store in memory, counting all replicas
    #[arg(long, value_name = "MIB")]
    jetstream_memory_mib: Option<u32>,
    #[command(flatten)]
    why: Why,
}

order!(Create => "created", account::Create, |this| account::Create {
    title: this.title,
    imports_keyledger: this.imports_keyledger.then_some(true),
    jetstream: this.jetstream.then_some(true),
    jetstream_disk_mib: this.jetstream_disk_mib,
    jetstream_memory_mib: this.jetstream_memory_mib,
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

impl Account {
    pub(crate) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let session = self.connection.open().await?;
        match self.verb {
            Verb::Create(create) => return send(&session, out, create).await,
            Verb::Upgrade(upgrade) => return upgrade.run(&session, out).await,
            Verb::List => {
                let rows = accounts(&session).await?;
                if out.is_json() {
                    out.json(&rows)?
                } else {
                    list(&rows, out)?
                }
            }
            Verb::History { name } => {
                return history::run(&session, out, Aggregate::Account, &name).await;
            }
            Verb::Show { name } => {
                let rows = accounts(&session).await?;
                let row = rows.iter().find(|row| row.name == name);
                let row = row.ok_or_else(|| not_there(&name))?;
                if out.is_json() {
                    out.json(row)?
                } else {
                    show(row, out)?
                }
            }
        }
        Ok(())
    }
}

fn not_there(name: &Name) -> Failure {
    Failure::new(Exit::Rejected, format!("there is no account {name}"))
        .remedy("`keyledger account list` lists the accounts")
}

async fn accounts(session: &Session) -> anyhow::Result<Vec<AccountRow>> {
    pages::every(session, "accounts")
        .await
        .context("listing accounts")
}

fn list(rows: &[AccountRow], out: &mut Output<'_>) -> std::io::Result<()> {
    let mut table = Table::new(&[
        "NAME", "PURPOSE", "TITLE", "NKEY", "KEYS", "REVOKED", "SERVERS", "CREATED",
    ])
    .narrowing("TITLE", &["NKEY", "KEYS"]);
    for row in rows {
        table.row([
            row.name.to_string().into(),
            history::word(&row.purpose).into(),
            row.title.as_str().into(),
            row.nkey.as_str().into(),
            row.signing_keys.len().into(),
            row.revocations.into(),
            confirmed(row),
            when::dated(row.created_at, out.now()).into(),
        ]);
    }
    out.table(&table)
}

fn show(row: &AccountRow, out: &mut Output<'_>) -> std::io::Result<()> {
    let now = out.now();
    let mut table = Table::new(&["", ""]);
    let mut line = |what: &str, value: Cell| table.row([Cell::styled(what, faint()), value]);
    line("name", row.name.to_string().into());
    line("title", row.title.as_str().into());
    line("purpose", history::word(&row.purpose).into());
    line("nkey", row.nkey.as_str().into());
    line("issuer", row.issuer.as_str().into());
    line("JWT issued", when::dated(row.issued_at, now).into());
    line("on every server", confirmed(row));
    line("revoked users", row.revocations.into());
    line("templates", format!("version {}", row.template).into());
    line("JetStream", jetstream(row).into());
    line("created", when::dated(row.created_at, now).into());
    line("revision", row.revision.into());
    out.table(&table)?;
    let mut keys = Table::new(&["SIGNING KEY", "ROLE", "NKEY"]);
    for key in &row.signing_keys {
        let role = key.role.map(|role| role.to_string()).unwrap_or_default();
        keys.row([
            key.key.to_string().into(),
            role.into(),
            key.nkey.as_str().into(),
        ]);
    }
    out.line("")?;
    out.table(&keys)
}

/// The storage limits of the account's users.
fn jetstream(row: &AccountRow) -> String {
    const MIB: i64 = 1_024 * 1_024;
    let most = |bytes: i64, place: &str| match bytes {
        0 => format!("nothing {place}"),
        ..0 => format!("{place} without a limit"),
        bytes => format!("{} MiB {place}", bytes / MIB),
    };
    match (row.jetstream_disk_bytes, row.jetstream_memory_bytes) {
        (0, 0) => "none".to_owned(),
        (disk, memory) => format!("{}, {}", most(disk, "on disk"), most(memory, "in memory")),
    }
}

fn confirmed(row: &AccountRow) -> Cell {
    if row.confirmed {
        Cell::styled("confirmed", output::good())
    } else {
        Cell::styled("not confirmed", output::warning())
    }
}
