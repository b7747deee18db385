//! `keyledger inventory`: all keys and their states.

mod rebuild;
mod rows;
mod watch;

use anyhow::Context as _;
use keyledger_domain::{
    Algorithm, Name, Purpose, Timestamp,
    key::{Class, Classification, Custodian, State},
    views::{InventoryPage, InventoryQuery, InventorySort, States},
};

use crate::{
    args::{self, Label},
    connect::Connection,
    output::Output,
    session::Session,
    when,
};

/// Find keys: their names, their states, and what is due.
///
/// Every condition given must hold.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  keyledger inventory
  keyledger inventory --state active --algorithm ed25519 --owner ada
  keyledger inventory --expiring 30d --sort rotation_due_at
  keyledger inventory --at 2026-11-21T00:00:00Z
  keyledger inventory --columns name,owner,classification,labels
  keyledger inventory --csv > keys.csv
  keyledger inventory --watch"
)]
pub(crate) struct Inventory {
    #[command(subcommand)]
    rebuild: Option<Verb>,
    #[command(flatten)]
    locate: Locate,
    // The last field, because its heading applies to all that follow.
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Rebuild(rebuild::Rebuild),
}

#[derive(Debug, clap::Args)]
struct Locate {
    /// The key with this name
    name: Option<Name>,
    /// Keys whose names begin with this
    #[arg(long, value_name = "TEXT")]
    begins: Option<Name>,
    /// Keys in this state, or in one of several
    #[arg(long, value_delimiter = ',', value_parser = args::state())]
    state: Vec<State>,
    /// Keys of this algorithm
    #[arg(long, value_parser = args::algorithm())]
    algorithm: Option<Algorithm>,
    /// Keys with this purpose, alone or among others
    #[arg(long, value_parser = args::purpose())]
    purpose: Option<Purpose>,
    /// Keys that this principal owns
    #[arg(long, value_name = "PRINCIPAL")]
    owner: Option<Name>,
    /// Keys without an owner
    #[arg(long, conflicts_with = "owner")]
    without_owner: bool,
    /// Keys without an owner since this principal left
    #[arg(long, value_name = "PRINCIPAL", conflicts_with = "owner")]
    former_owner: Option<Name>,
    /// Also the service's own keys, on which NATS trust and the ledger depend
    #[arg(long)]
    system: bool,
    /// Keys of this classification
    #[arg(long, value_parser = args::classification())]
    classification: Option<Classification>,
    /// Keys whose secret half is held by this custodian
    #[arg(long, value_parser = args::custodian())]
    custodian: Option<Custodian>,
    /// Keys directly below this one
    #[arg(long, value_name = "KEY")]
    parent: Option<Name>,
    /// Keys of this class of the key management plan
    #[arg(long, value_parser = args::class())]
    class: Option<Class>,
    /// Keys with this label; may be given several times
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<Label>,
    /// Archived keys (true), or keys that are not archived (false)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    archived: Option<bool>,
    /// Keys in use whose protect-stop, rotation or end of the last certificate is overdue or comes within this time
    #[arg(long, value_name = "DAYS", value_parser = when::parse_days)]
    expiring: Option<u16>,
    /// The inventory as it was then: 2026-11-21, 2026-11-21T10:00:00Z or -7d
    #[arg(long, value_name = "TIME", value_parser = when::parse_as_of, allow_hyphen_values = true, conflicts_with = "watch")]
    at: Option<Timestamp>,
    /// The field to sort by: name, created_at, protect_stop_at, rotation_due_at, certified_until, changed_at; -FIELD reverses the order
    #[arg(long, value_name = "FIELD", value_parser = Sort::parse, allow_hyphen_values = true)]
    sort: Option<Sort>,
    /// The most keys to show, 1 to 500 [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=500), conflicts_with = "all")]
    limit: Option<u16>,
    /// The columns to show, joined by commas; a wrong one gets the list of all. Each is shown, even if it is empty or the terminal is narrow
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', value_parser = rows::Column::parse, conflicts_with = "json")]
    columns: Vec<rows::Column>,
    /// Print comma-separated values, for spreadsheets: every key unless --limit is given, every column or those of --columns
    #[arg(long, conflicts_with_all = ["watch", "json"])]
    csv: bool,
    /// Show every key
    #[arg(long)]
    all: bool,
    /// Keep running, and print each change as it happens
    #[arg(long)]
    watch: bool,
}

/// A field to sort by, forwards or backwards.
#[derive(Debug, Clone, Copy)]
struct Sort {
    by: InventorySort,
    desc: bool,
}

/// A text that names no field to sort by.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("use name, created_at, protect_stop_at, rotation_due_at, certified_until or changed_at")]
struct NoSuchOrder;

impl Sort {
    fn parse(text: &str) -> Result<Self, NoSuchOrder> {
        let (desc, field) = text
            .strip_prefix('-')
            .map_or((false, text), |field| (true, field));
        let by = match field.replace('-', "_").as_str() {
            "name" => InventorySort::Name,
            "created_at" | "created" => InventorySort::CreatedAt,
            "protect_stop_at" => InventorySort::ProtectStopAt,
            "rotation_due_at" => InventorySort::RotationDueAt,
            "certified_until" => InventorySort::CertifiedUntil,
            "changed_at" | "changed" => InventorySort::ChangedAt,
            _ => {
                return Err(NoSuchOrder);
            }
        };
        Ok(Self { by, desc })
    }
}

impl Inventory {
    pub(crate) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let session = self.connection.open().await?;
        if let Some(Verb::Rebuild(rebuild)) = self.rebuild {
            return rebuild.run(&session, out).await;
        }
        let query = self.locate.query();
        if self.locate.watch {
            return watch::run(&session, out, query, &self.locate.columns).await;
        }
        // A file cannot show that rows are missing in it.
        let all = self.locate.all || (self.locate.csv && self.locate.limit.is_none());
        let page = locate(&session, query.clone(), all).await?;
        if let Some(at) = query.at {
            out.set_now(at);
        }
        if out.is_json() {
            out.json(&page)?
        } else if self.locate.csv {
            rows::csv(&page, &self.locate.columns, out)?
        } else {
            rows::print(&page, &self.locate.columns, out)?
        }
        Ok(())
    }
}

impl Locate {
    fn query(&self) -> InventoryQuery {
        let labels = self
            .labels
            .iter()
            .map(|l| (l.name.clone(), l.value.clone()));
        let sort = self.sort;
        InventoryQuery {
            name: self.name.clone(),
            prefix: self.begins.clone(),
            state: (!self.state.is_empty()).then(|| States(self.state.clone())),
            algorithm: self.algorithm,
            purpose: self.purpose,
            owner: self.owner.clone(),
            without_owner: self.without_owner.then_some(true),
            former_owner: self.former_owner.clone(),
            system: (!self.system && self.name.is_none()).then_some(false),
            classification: self.classification,
            custodian: self.custodian,
            parent: self.parent.clone(),
            class: self.class,
            label: (!self.labels.is_empty()).then(|| labels.collect()),
            archived: self.archived,
            expiring_days: self.expiring,
            sort: sort.map(|sort| sort.by),
            desc: sort.map(|sort| sort.desc),
            limit: self.limit,
            after: None,
            at: self.at,
        }
    }
}

/// Asks for one page, or with `all` for every row.
async fn locate(
    session: &Session,
    mut query: InventoryQuery,
    all: bool,
) -> anyhow::Result<InventoryPage> {
    if all {
        query.limit = Some(keyledger_domain::views::page::MAX_PAGE);
    }
    let mut whole: InventoryPage = session
        .query("inventory.locate", &query)
        .await
        .context("locating keys")?;
    while all && whole.next.is_some() {
        query.after = whole.next.take();
        let page: InventoryPage = session
            .query("inventory.locate", &query)
            .await
            .context("locating more keys")?;
        whole.rows.extend(page.rows);
        whole.next = page.next;
    }
    Ok(whole)
}

#[cfg(test)]
pub(crate) mod tests {
    pub(crate) use super::rows::tests::rows;
}
