//! One principal, with everything that belongs to it.

use anyhow::Context as _;
use keyledger_domain::{Name, views::PrincipalDetail};
use keyledger_wire::query::Nothing;

use crate::{
    cli::history,
    output::{self, Output},
    session::Session,
    table::{Cell, Table},
    when,
};

/// Asks for a principal and prints it.
pub(super) async fn run(
    session: &Session,
    name: &Name,
    out: &mut Output<'_>,
) -> anyhow::Result<()> {
    let detail: PrincipalDetail = session
        .query(&format!("principals.show.{name}"), &Nothing {})
        .await
        .with_context(|| format!("showing principal {name}"))?;
    if out.is_json() {
        out.json(&detail)?
    } else {
        print(&detail, out)?
    }
    Ok(())
}

fn print(detail: &PrincipalDetail, out: &mut Output<'_>) -> std::io::Result<()> {
    let row = &detail.row;
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
    fn names(names: &[Name]) -> Cell {
        let names: Vec<&str> = names.iter().map(Name::as_str).collect();
        names.join(", ").into()
    }
    let count = |count: usize| {
        if count == 0 {
            "".into()
        } else {
            Cell::from(count)
        }
    };
    line("name", row.name.to_string().into());
    line("kind", history::word(&row.kind).into());
    line("state", row.state.as_str().into());
    line("title", maybe(row.title.as_ref()));
    line("e-mail", maybe(row.email.as_ref()));
    line("unit", maybe(row.unit.as_ref()));
    line("responsible", maybe(row.responsible.as_ref()));
    let labels = serde_json::to_value(&row.labels).unwrap_or_default();
    let labels = labels.as_object().into_iter().flatten();
    let labels: Vec<String> = labels
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    line("labels", labels.join(", ").into());
    line("OpenPGP", maybe(row.openpgp.as_ref()));
    line("users", names(&detail.users));
    line("tokens", names(&detail.tokens));
    line("keys", count(detail.keys));
    line("answers for", names(&detail.answers_for));
    line("registered", when::dated(row.registered_at, now).into());
    let left = row.offboarded_at.map(|at| when::dated(at, now));
    line("offboarded", left.unwrap_or_default().into());
    line("successor", maybe(row.successor.as_ref()));
    if detail.keys_without_owner > 0 {
        let said = format!(
            "{} (keyledger inventory --former-owner {})",
            detail.keys_without_owner, row.name
        );
        line(
            "keys without an owner now",
            Cell::styled(said, output::warning()),
        );
    }
    line("revision", row.revision.into());
    out.table(&table)
}
