//! One key, in full.

use anstyle::Style;
use anyhow::Context as _;
use keyledger_domain::{Name, Timestamp, key::State, name::Aggregate, views::InventoryRow};
use keyledger_wire::query::Nothing;

use crate::{
    cli::history,
    output::{self, Output},
    session::Session,
    table::{Cell, Table},
    when,
};

/// Show a key: everything that the inventory knows about it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  keyledger key show orders-db\n  keyledger key show orders-db --json"
)]
pub(crate) struct Show {
    /// The key's name
    name: Name,
}

/// Show a key's history: who did what, when and why, and what it changed
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  keyledger key history orders-db")]
pub(crate) struct History {
    /// The key's name
    name: Name,
}

impl Show {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let tail = format!("inventory.show.{}", self.name);
        let row: InventoryRow = session
            .query(&tail, &Nothing {})
            .await
            .with_context(|| format!("showing key {}", self.name))?;
        if out.is_json() {
            out.json(&row)?
        } else {
            print(&row, out)?
        }
        Ok(())
    }
}

impl History {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        history::run(session, out, Aggregate::Key, &self.name).await
    }
}

fn print(key: &InventoryRow, out: &mut Output<'_>) -> std::io::Result<()> {
    let now = out.now();
    let mut table = Table::new(&["", ""]);
    let mut line = |what: &str, value: Cell| {
        if !value.is_empty() {
            table.row([Cell::styled(what, output::faint()), value]);
        }
    };
    fn maybe<T: ToString>(value: Option<&T>) -> Cell {
        value.map(T::to_string).unwrap_or_default().into()
    }
    let dated = |at: Option<Timestamp>| -> Cell {
        at.map(|at| format!("{}  ({})", when::moment(at), when::relative(at, now)))
            .unwrap_or_default()
            .into()
    };
    line("name", key.name.to_string().into());
    let archived = if key.archived { ", archived" } else { "" };
    let erased = if key.erased { ", material erased" } else { "" };
    let state = format!("{}{archived}{erased}", key.state);
    line("state", Cell::styled(state, output::state(key.state)));
    if let Some(revocation) = &key.revocation {
        let why = format!(
            "{} on {}",
            revocation.reason.as_str(),
            when::moment(revocation.revoked_at)
        );
        line("revoked for", Cell::styled(why, Style::new()));
        line(
            "compromise occurred",
            dated(revocation.compromise_occurred_at),
        );
        line(
            "compromise detected",
            dated(revocation.compromise_detected_at),
        );
    }
    line("title", maybe(key.title.as_ref()));
    line("algorithm", key.algorithm.into());
    line("purposes", key.purposes.into());
    line("class", key.class.as_str().into());
    line("classification", key.classification.as_str().into());
    line("custodian", history::word(&key.custodian).into());
    line("owner", maybe(key.owner.as_ref()));
    line("parent", maybe(key.parent.as_ref()));
    line("usage", maybe(key.usage.as_ref()));
    line("handling", maybe(key.handling.as_ref()));
    line("disposal", maybe(key.disposal.as_ref()));
    let labels: Vec<_> = key
        .labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    line("labels", labels.join(", ").into());
    line(
        "version",
        format!("{} of {}", key.version, key.versions).into(),
    );
    line("public key", maybe(key.public_key.as_ref()));
    line("nkey", maybe(key.nkey.as_ref()));
    line("check value", maybe(key.check_value.as_ref()));
    line("created", dated(Some(key.created_at)));
    line("activation", dated(key.activation_at));
    line("activated", dated(key.activated_at));
    line("rotated", dated(key.rotated_at));
    let in_use = matches!(
        key.state,
        State::PreActive | State::Active | State::Suspended
    );
    line(
        "protects until",
        dated(key.protect_stop_at.filter(|_| in_use)),
    );
    line("processes until", dated(key.process_stop_at));
    line(
        "rotation every",
        format!("{} days", key.rotation_period_days).into(),
    );
    let due = if key.rotation_overdue {
        "rotation OVERDUE since"
    } else {
        "rotation due"
    };
    line(due, dated(key.rotation_due_at));
    line("deactivated", dated(key.deactivated_at));
    line("destroyed", dated(key.destroyed_at));
    line("changed", dated(Some(key.changed_at)));
    line("revision", key.revision.into());
    line("cid", key.cid.into());
    out.table(&table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::inventory::tests::rows;

    #[test]
    fn a_key_is_shown_as_in_the_golden_file() {
        let mut text = Vec::new();
        let mut out = Output::fixed(&mut text, None, when::parse_moment("2026-11-22").unwrap());
        print(&rows()[1], &mut out).unwrap();
        crate::golden::assert("key-show.txt", &text);
    }
}
