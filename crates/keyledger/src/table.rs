//! Tables for people: aligned columns without lines, cut to the terminal.

use anstyle::Style;
use keyledger_domain::text::plain;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The text between two columns.
const GAP: usize = 2;
/// The least width of a column that is cut: less would show nothing useful.
const LEAST: usize = 6;
/// The soft column is cut to this width before any other column: most names still differ then.
const SOFT: usize = 24;

/// Rows under headings. A column that is empty in every row is left out.
#[derive(Debug)]
pub(crate) struct Table {
    heads: Vec<&'static str>,
    /// The columns to leave out if there is no room, in this order.
    dispensable: Vec<&'static str>,
    /// The column to cut before all others.
    soft: Option<&'static str>,
    /// The columns that are useless when they are cut.
    whole: Vec<&'static str>,
    /// True if columns are shown even if they are empty in every row.
    keeps_empty: bool,
    rows: Vec<Vec<Cell>>,
}

/// A text with its style.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// `text` in `style`.
    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self {
            text: plain(&text.into()).replace('\n', " "),
            style,
        }
    }

    /// True if it is empty.
    pub(crate) const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(value: T) -> Self {
        Self::styled(value.to_string(), Style::new())
    }
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(heads: &[&'static str]) -> Self {
        Self {
            heads: heads.to_vec(),
            dispensable: Vec::new(),
            soft: None,
            whole: Vec::new(),
            keeps_empty: false,
            rows: Vec::new(),
        }
    }

    /// Sets which column is cut first, and which columns are left out in this order, if there is no room.
    pub(crate) fn narrowing(mut self, soft: &'static str, dispensable: &[&'static str]) -> Self {
        self.soft = Some(soft);
        self.dispensable = dispensable.to_vec();
        self
    }

    /// Never cuts these columns, because people copy their text.
    pub(crate) fn whole(mut self, columns: &[&'static str]) -> Self {
        self.whole = columns.to_vec();
        self
    }

    /// Shows every column, also an empty one, because the user asked for it.
    pub(crate) fn keeping_all(mut self) -> Self {
        self.keeps_empty = true;
        self
    }

    /// Adds a row with one cell for each heading.
    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.heads.len(), "a cell a heading");
        self.rows.push(cells.into());
    }

    /// Adds a row with one cell for each heading. Its length is known only at run time.
    pub(crate) fn push(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.heads.len(), "a cell a heading");
        self.rows.push(cells);
    }

    /// The headings and rows as comma-separated values (RFC 4180). A cell that a spreadsheet would read as a formula is turned into text.
    pub(crate) fn csv(&self) -> String {
        let field = |text: &str| {
            let formula = text.starts_with(['=', '+', '-', '@']);
            let text = if formula {
                format!("'{text}")
            } else {
                text.to_owned()
            };
            if text.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", text.replace('"', "\"\""))
            } else {
                text
            }
        };
        let heads = self.heads.iter().map(|head| field(head));
        let mut lines = vec![heads.collect::<Vec<_>>().join(",")];
        for row in &self.rows {
            let cells = row.iter().map(|cell| field(&cell.text));
            lines.push(cells.collect::<Vec<_>>().join(","));
        }
        lines.into_iter().map(|line| line + "\r\n").collect()
    }

    /// The text of the table, cut to `width` if it is given, and with colours if they are wanted.
    pub(crate) fn render(&self, width: Option<usize>, colour: bool) -> String {
        let headed = self.heads.iter().any(|head| !head.is_empty());
        // Without headings it shows one thing completely, such as a public key to copy. The terminal may wrap it.
        let (shown, widths) = self.layout(width.filter(|_| headed));
        let mut text = String::new();
        if headed {
            let bold = Style::new().bold();
            let head = |c: usize| Cell {
                text: self.heads[c].to_owned(),
                style: bold,
            };
            line(&mut text, shown.iter().map(|c| head(*c)), &widths, colour);
        }
        for row in &self.rows {
            line(
                &mut text,
                shown.iter().map(|c| row[*c].clone()),
                &widths,
                colour,
            );
        }
        text
    }

    fn has(&self, column: usize) -> bool {
        self.keeps_empty
            || self.rows.is_empty()
            || self.rows.iter().any(|row| !row[column].text.is_empty())
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[column].text.width());
        cells
            .chain([self.heads[column].width()])
            .max()
            .unwrap_or_default()
    }

    /// Which columns are shown, and how wide.
    fn layout(&self, limit: Option<usize>) -> (Vec<usize>, Vec<usize>) {
        let mut shown: Vec<usize> = (0..self.heads.len()).filter(|c| self.has(*c)).collect();
        let soft = |column: usize| self.soft == Some(self.heads[column]);
        let Some(limit) = limit else {
            let widths = shown.iter().map(|c| self.width(*c)).collect();
            return (shown, widths);
        };
        // The least width of the columns, if only the soft column is cut.
        let needed = |shown: &[usize]| {
            let least = |c: &usize| {
                let width = self.width(*c);
                if soft(*c) { width.min(SOFT) } else { width }
            };
            shown.iter().map(least).sum::<usize>() + GAP * shown.len().saturating_sub(1)
        };
        for head in &self.dispensable {
            if needed(&shown) > limit {
                shown.retain(|column| self.heads[*column] != *head);
            }
        }
        let mut widths: Vec<usize> = shown.iter().map(|c| self.width(*c)).collect();
        let gaps = GAP * shown.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > limit {
            let at = shown.iter().position(|c| soft(*c));
            let at = at.filter(|at| widths[*at] > SOFT).or_else(|| {
                // Then the widest column is cut, or of several equal ones the one furthest right.
                let is_whole = |at: usize| self.whole.contains(&self.heads[shown[at]]);
                let cuttable = (0..widths.len()).filter(|at| widths[*at] > LEAST && !is_whole(*at));
                cuttable.max_by_key(|at| widths[*at])
            });
            let Some(at) = at else { break };
            widths[at] -= 1;
        }
        (shown, widths)
    }
}

fn line(text: &mut String, cells: impl Iterator<Item = Cell>, widths: &[usize], colour: bool) {
    let start = text.len();
    for (cell, width) in cells.zip(widths) {
        let Cell {
            text: content,
            style,
        } = cell;
        let content = cut(&content, *width);
        let padding = " ".repeat(width - content.width() + GAP);
        if colour && !content.is_empty() && style != Style::new() {
            text.push_str(&format!("{style}{content}{style:#}"));
        } else {
            text.push_str(&content);
        }
        text.push_str(&padding);
    }
    text.truncate(start + text[start..].trim_end_matches(' ').len());
    text.push('\n');
}

/// `text` in at most `width` columns, with `…` at the end if it was cut.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let fits = |c: &char| {
        let needed = c.width().unwrap_or(0);
        let fits = needed <= room;
        room = room.saturating_sub(needed);
        fits
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["NAME", "OWNER", "TITLE"]);
        table.row(["orders-db".into(), "".into(), "The orders’ database".into()]);
        table.row(["käse".into(), "".into(), "日本".into()]);
        table
    }

    #[test]
    fn an_empty_column_is_left_out() {
        let expected = "NAME       TITLE\norders-db  The orders’ database\nkäse       日本\n";
        assert_eq!(table().render(None, false), expected);
    }

    #[test]
    fn the_widest_column_is_cut_to_the_terminal() {
        let expected = "NAME       TITLE\norders-db  The orde…\nkäse       日本\n";
        assert_eq!(table().render(Some(20), false), expected);
        for line in table().render(Some(10), false).lines() {
            assert!(line.width() <= LEAST * 2 + GAP);
        }
    }

    #[test]
    fn columns_that_can_be_done_without_go_first() {
        let mut table = Table::new(&["NAME", "STATE", "VERSION"]).narrowing("NAME", &["VERSION"]);
        let name = "a-name-of-thirty-letters-in-it";
        table.row([name.into(), "active".into(), "v1".into()]);
        let row = |limit| {
            table
                .render(Some(limit), false)
                .lines()
                .nth(1)
                .unwrap()
                .to_owned()
        };
        assert_eq!(row(47), format!("{name}  active  v1"));
        assert_eq!(row(44), "a-name-of-thirty-letters-i…  active  v1");
        assert_eq!(row(40), format!("{name}  active"));
    }

    #[test]
    fn what_has_no_headings_is_never_cut() {
        let mut table = Table::new(&["", ""]);
        table.row([
            "nkey".into(),
            "OBJBO4YXSTR23XE65L7XCUQVQXSL63KA2ZK43W5K6RN26AJRLZKX4NTM".into(),
        ]);
        assert!(table.render(Some(20), false).ends_with("4NTM\n"));
    }

    #[test]
    fn wide_letters_count_twice() {
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
    }

    #[test]
    fn columns_that_were_asked_for_stay_although_they_are_empty() {
        let mut table = Table::new(&["NAME", "OWNER"]).keeping_all();
        table.row(["a".into(), "".into()]);
        assert_eq!(table.render(None, false), "NAME  OWNER\na\n");
    }

    #[test]
    fn what_is_to_be_copied_is_never_cut() {
        let serial = "4f0a3c".repeat(6);
        let mut table = Table::new(&["SERIAL", "SUBJECT"])
            .narrowing("SUBJECT", &[])
            .whole(&["SERIAL"]);
        table.row([serial.clone().into(), "CN=www.example.org,O=Example".into()]);
        let text = table.render(Some(50), false);
        assert!(text.contains(&serial), "{text}");
        assert!(text.lines().all(|line| line.len() <= 52), "{text}");
    }

    #[test]
    fn colours_take_no_room() {
        let mut table = Table::new(&["A", "B"]);
        table.row([
            Cell::styled("x", anstyle::AnsiColor::Red.on_default()),
            "y".into(),
        ]);
        assert_eq!(
            table.render(None, true),
            "\u{1b}[1mA\u{1b}[0m  \u{1b}[1mB\u{1b}[0m\n\u{1b}[31mx\u{1b}[0m  y\n"
        );
    }
}
