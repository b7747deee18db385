//! The inventory as a table: state and dates at a glance.

use std::fmt;

use keyledger_domain::{
    Name, Timestamp,
    key::State,
    views::{InventoryPage, InventoryRow},
};

use crate::{
    cli::history,
    output::{self, Output},
    table::{Cell, Table},
    when,
};

/// A date within this many days is shown as a warning.
const SOON_DAYS: i64 = 30;

/// A text that names no column.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoSuchColumn;

impl fmt::Display for NoSuchColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Column::ALL.iter().map(|(_, name, _)| *name).collect();
        write!(f, "the columns are {}", names.join(", "))
    }
}

impl std::error::Error for NoSuchColumn {}

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Name,
    Title,
    State,
    Archived,
    Algorithm,
    Purposes,
    Version,
    Class,
    Classification,
    Owner,
    FormerOwner,
    Parent,
    Custodian,
    Labels,
    Created,
    Activated,
    ProtectsUntil,
    ProcessesUntil,
    RotationDue,
    CertifiedUntil,
    Revoked,
    Changed,
    Revision,
}

impl Column {
    /// All columns, with their names on the command line and their headings in the table.
    const ALL: [(Self, &'static str, &'static str); 23] = [
        (Self::Name, "name", "NAME"),
        (Self::Title, "title", "TITLE"),
        (Self::State, "state", "STATE"),
        (Self::Archived, "archived", "ARCHIVED"),
        (Self::Algorithm, "algorithm", "ALGORITHM"),
        (Self::Purposes, "purposes", "PURPOSES"),
        (Self::Version, "version", "VERSION"),
        (Self::Class, "class", "CLASS"),
        (Self::Classification, "classification", "CLASSIFICATION"),
        (Self::Owner, "owner", "OWNER"),
        (Self::FormerOwner, "former_owner", "FORMER OWNER"),
        (Self::Parent, "parent", "PARENT"),
        (Self::Custodian, "custodian", "CUSTODIAN"),
        (Self::Labels, "labels", "LABELS"),
        (Self::Created, "created_at", "CREATED"),
        (Self::Activated, "activated_at", "ACTIVATED"),
        (Self::ProtectsUntil, "protect_stop_at", "PROTECTS UNTIL"),
        (Self::ProcessesUntil, "process_stop_at", "PROCESSES UNTIL"),
        (Self::RotationDue, "rotation_due_at", "ROTATION DUE"),
        (Self::CertifiedUntil, "certified_until", "CERTIFIED UNTIL"),
        (Self::Revoked, "revocation", "REVOKED"),
        (Self::Changed, "changed_at", "CHANGED"),
        (Self::Revision, "revision", "REVISION"),
    ];

    /// The columns that are shown by default.
    const USUAL: [Self; 10] = [
        Self::Name,
        Self::State,
        Self::Classification,
        Self::Owner,
        Self::Archived,
        Self::Algorithm,
        Self::Version,
        Self::ProtectsUntil,
        Self::RotationDue,
        Self::Changed,
    ];

    /// Reads a column's name.
    pub(super) fn parse(text: &str) -> Result<Self, NoSuchColumn> {
        let asked = text.replace('-', "_").to_lowercase();
        let found = Self::ALL.iter().find(|(_, name, _)| *name == asked);
        found.map(|(column, ..)| *column).ok_or(NoSuchColumn)
    }

    fn head(self) -> &'static str {
        let found = Self::ALL.iter().find(|(column, ..)| *column == self);
        found.map_or("", |(_, _, head)| head)
    }

    /// The cell for a key. With `plain`, dates are written for programs.
    fn cell(self, row: &InventoryRow, now: Timestamp, plain: bool) -> Cell {
        // A key that is no longer in use has no end of protection.
        let in_use = matches!(
            row.state,
            State::PreActive | State::Active | State::Suspended
        );
        let name = |name: Option<&Name>| -> Cell { name.map_or("", Name::as_str).into() };
        let at = |at: Option<Timestamp>| -> Cell {
            match at {
                Some(at) if plain => at.into(),
                Some(at) => when::dated(at, now).into(),
                None => "".into(),
            }
        };
        let near = |date: Option<Timestamp>| if plain { at(date) } else { due(date, now) };
        match self {
            Self::Name => row.name.to_string().into(),
            Self::Title => row.title.as_ref().map_or("", |title| title.as_str()).into(),
            Self::State => Cell::styled(row.state.as_str(), output::state(row.state)),
            Self::Archived => if row.archived { "yes" } else { "" }.into(),
            Self::Algorithm => row.algorithm.into(),
            Self::Purposes => row.purposes.to_string().into(),
            Self::Version => format!("v{}", row.version).into(),
            Self::Class => row.class.as_str().into(),
            Self::Classification => row.classification.as_str().into(),
            Self::Owner => match (&row.owner, &row.former_owner) {
                // Somebody must find a new owner for it.
                (None, Some(former)) if !plain => {
                    Cell::styled(format!("(left: {former})"), output::warning())
                }
                (owner, _) => name(owner.as_ref()),
            },
            Self::FormerOwner => name(row.former_owner.as_ref()),
            Self::Parent => name(row.parent.as_ref()),
            Self::Custodian => history::word(&row.custodian).into(),
            Self::Labels => labels(row).into(),
            Self::Created => at(Some(row.created_at)),
            Self::Activated => at(row.activated_at),
            Self::ProtectsUntil => near(row.protect_stop_at.filter(|_| in_use)),
            Self::ProcessesUntil => at(row.process_stop_at),
            Self::RotationDue => near(row.rotation_due_at.filter(|_| in_use)),
            Self::CertifiedUntil => near(row.certified_until.filter(|_| in_use)),
            Self::Revoked => row
                .revocation
                .as_ref()
                .map_or("", |revocation| revocation.reason.as_str())
                .into(),
            Self::Changed if plain => at(Some(row.changed_at)),
            Self::Changed => when::relative(row.changed_at, now).into(),
            Self::Revision => row.revision.into(),
        }
    }
}

fn labels(row: &InventoryRow) -> String {
    let labels = serde_json::to_value(&row.labels).unwrap_or_default();
    let labels = labels.as_object().into_iter().flatten();
    let labels: Vec<String> = labels
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    labels.join(" ")
}

/// Prints a page with the given columns or the usual ones, and the number of keys beyond it.
pub(super) fn print(
    page: &InventoryPage,
    columns: &[Column],
    out: &mut Output<'_>,
) -> std::io::Result<()> {
    if page.rows.is_empty() {
        return out.styled(output::faint(), "no keys");
    }
    out.table(&table(&page.rows, columns, out.now(), false))?;
    let (shown, total) = (page.rows.len(), page.total);
    if shown < total {
        out.styled(
            output::faint(),
            &format!("{shown} of {total} keys; --all shows all"),
        )?;
    }
    Ok(())
}

/// Prints comma-separated values, with dates for programs; every column unless some are given.
pub(super) fn csv(
    page: &InventoryPage,
    columns: &[Column],
    out: &mut Output<'_>,
) -> std::io::Result<()> {
    let all = Column::ALL.map(|(column, ..)| column);
    let columns = if columns.is_empty() {
        &all[..]
    } else {
        columns
    };
    let csv = table(&page.rows, columns, out.now(), true).csv();
    out.raw(csv.as_bytes())
}

/// The rows under headings.
fn table(rows: &[InventoryRow], columns: &[Column], now: Timestamp, plain: bool) -> Table {
    let heads = |columns: &[Column]| columns.iter().map(|it| it.head()).collect::<Vec<_>>();
    let (columns, mut table) = if columns.is_empty() {
        let dispensable = [
            "ARCHIVED",
            "VERSION",
            "CHANGED",
            "ALGORITHM",
            "ROTATION DUE",
        ];
        let usual = &Column::USUAL[..];
        (
            usual,
            Table::new(&heads(usual)).narrowing("NAME", &dispensable),
        )
    } else {
        (columns, Table::new(&heads(columns)).keeping_all())
    };
    for row in rows {
        let cells = columns.iter().map(|column| column.cell(row, now, plain));
        table.push(cells.collect());
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
            &[],
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
            &[],
            &mut out,
        )
        .unwrap();
        assert_eq!(text, b"no keys\n");
    }

    #[test]
    fn columns_are_chosen_and_written_for_spreadsheets() {
        let columns: Vec<_> = ["name", "owner", "protect-stop-at", "certified-until"]
            .iter()
            .map(|name| Column::parse(name).unwrap())
            .collect();
        let page = Page {
            rows: rows(),
            next: None,
            total: 3,
        };
        let mut text = Vec::new();
        let mut out = Output::fixed(&mut text, Some(80), Timestamp::from_ms(0));
        csv(&page, &columns, &mut out).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.starts_with(
                "NAME,OWNER,PROTECTS UNTIL,CERTIFIED UNTIL\r\n\
                 billing,ada,2026-12-10T09:00:00.000Z,2026-12-05T09:00:00.000Z\r\n"
            ),
            "{text}"
        );
        assert_eq!(text.matches("\r\n").count(), 1 + page.rows.len());
        let refused = Column::parse("colour").unwrap_err().to_string();
        assert!(refused.contains("classification"), "{refused}");
        // No cell is a formula.
        let mut table = Table::new(&["A", "B"]);
        table.push(vec!["=1+1".into(), "say \"a, b\"".into()]);
        assert_eq!(table.csv(), "A,B\r\n'=1+1,\"say \"\"a, b\"\"\"\r\n");
    }
}
