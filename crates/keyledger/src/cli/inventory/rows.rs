//! The inventory as a table: state and dates at a glance.

use keyledger_domain::{
    Name, Timestamp,
    key::State,
    views::{InventoryPage, InventoryRow},
};

use crate::{
    output::{self, Output},
    table::{Cell, Table},
    when,
};

/// A date this near is shown as a warning.
const SOON_DAYS: i64 = 30;

/// Prints a page, and how many keys there are beyond it.
pub(super) fn print(page: &InventoryPage, out: &mut Output<'_>) -> std::io::Result<()> {
    if page.rows.is_empty() {
        return out.styled(output::faint(), "no keys");
    }
    out.table(&table(&page.rows, out.now()))?;
    let (shown, total) = (page.rows.len(), page.total);
    if shown < total {
        out.styled(
            output::faint(),
            &format!("{shown} of {total} keys; --all shows every one"),
        )?;
    }
    Ok(())
}

/// The rows under headings.
pub(super) fn table(rows: &[InventoryRow], now: Timestamp) -> Table {
    let mut table = Table::new(&[
        "NAME",
        "STATE",
        "ARCHIVED",
        "ALGORITHM",
        "VERSION",
        "OWNER",
        "PROTECTS UNTIL",
        "ROTATION DUE",
        "CHANGED",
    ])
    .narrowing(
        "NAME",
        &["ARCHIVED", "VERSION", "ALGORITHM", "OWNER", "CHANGED"],
    );
    for row in rows {
        // A key that is no longer in use protects until nothing.
        let in_use = matches!(
            row.state,
            State::PreActive | State::Active | State::Suspended
        );
        table.row([
            row.name.to_string().into(),
            Cell::styled(row.state.as_str(), output::state(row.state)),
            if row.archived { "yes" } else { "" }.into(),
            row.algorithm.into(),
            format!("v{}", row.version).into(),
            row.owner.as_ref().map_or("", Name::as_str).into(),
            due(row.protect_stop_at.filter(|_| in_use), now),
            due(row.rotation_due_at.filter(|_| in_use), now),
            when::relative(row.changed_at, now).into(),
        ]);
    }
    table
}

fn due(at: Option<Timestamp>, now: Timestamp) -> Cell {
    let Some(at) = at else { return "".into() };
    let style = match () {
        () if at <= now => output::fault(),
        () if at <= now.plus_days(SOON_DAYS) => output::warning(),
        () => anstyle::Style::new(),
    };
    Cell::styled(when::dated(at, now), style)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use keyledger_domain::views::Page;

    /// Fixed rows: an active key, a compromised one, an archived one.
    pub(crate) fn rows() -> Vec<InventoryRow> {
        serde_json::from_str(include_str!("../../../tests/golden/rows.json")).unwrap()
    }

    fn printed(width: Option<usize>) -> String {
        let mut text = Vec::new();
        let mut out = Output::fixed(&mut text, width, when::parse_moment("2026-11-22").unwrap());
        print(
            &Page {
                rows: rows(),
                next: Some("…".to_owned()),
                total: 1_234,
            },
            &mut out,
        )
        .unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn the_inventory_is_printed_as_in_the_golden_file() {
        crate::golden::assert("inventory.txt", printed(None).as_bytes());
    }

    #[test]
    fn it_fits_a_terminal_of_80_columns() {
        let text = printed(Some(80));
        crate::golden::assert("inventory-80.txt", text.as_bytes());
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }

    #[test]
    fn an_empty_inventory_says_so() {
        let mut text = Vec::new();
        let mut out = Output::fixed(&mut text, None, Timestamp::from_ms(0));
        print(
            &Page {
                rows: Vec::new(),
                next: None,
                total: 0,
            },
            &mut out,
        )
        .unwrap();
        assert_eq!(text, b"no keys\n");
    }
}
