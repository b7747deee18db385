//! What commands print: tables and lines for people, JSON for programs.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use keyledger_domain::{Timestamp, key::State, text::plain};
use serde::Serialize;

use crate::{table::Table, when};

/// Where a command prints, and how.
pub(crate) struct Output<'a> {
    writer: &'a mut dyn Write,
    json: bool,
    colour: bool,
    width: Option<usize>,
    now: Timestamp,
}

impl<'a> Output<'a> {
    /// Standard output, as the terminal and the environment want it.
    pub(crate) fn standard(writer: &'a mut dyn Write, json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let width = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0.into());
        Self {
            writer,
            json,
            colour: terminal && colours_wanted(),
            width: width.filter(|_| terminal),
            now: when::now(),
        }
    }

    /// A fixed form, for tests.
    #[cfg(test)]
    pub(crate) fn fixed(writer: &'a mut dyn Write, width: Option<usize>, now: Timestamp) -> Self {
        Self {
            writer,
            json: false,
            colour: false,
            width,
            now,
        }
    }

    /// True if programs read it.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// The moment that relative dates are reckoned from.
    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }

    /// Reckons relative dates from another moment.
    pub(crate) const fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// A line.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.writer, "{}", plain(text.as_ref()))?;
        self.writer.flush()
    }

    /// A line in a style, where there are colours.
    pub(crate) fn styled(&mut self, style: Style, text: &str) -> io::Result<()> {
        let text = plain(text);
        if self.colour {
            writeln!(self.writer, "{style}{text}{style:#}")?;
        } else {
            writeln!(self.writer, "{text}")?;
        }
        self.writer.flush()
    }

    /// A table.
    pub(crate) fn table(&mut self, table: &Table) -> io::Result<()> {
        self.writer
            .write_all(table.render(self.width, self.colour).as_bytes())?;
        self.writer.flush()
    }

    /// A JSON value, on several lines.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *self.writer, value)?;
        writeln!(self.writer)?;
        self.writer.flush()
    }

    /// A JSON value on a line of its own, for output that goes on.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut *self.writer, value)?;
        writeln!(self.writer)?;
        self.writer.flush()
    }

    /// The bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)?;
        self.writer.flush()
    }
}

/// Something a person should look at.
pub(crate) const fn warning() -> Style {
    AnsiColor::Yellow.on_default()
}

/// Something wrong.
pub(crate) const fn fault() -> Style {
    AnsiColor::Red.on_default().bold()
}

/// Something as it should be.
pub(crate) const fn good() -> Style {
    AnsiColor::Green.on_default()
}

/// Something of less weight.
pub(crate) const fn faint() -> Style {
    Style::new().dimmed()
}

/// The style of a key's state.
pub(crate) const fn state(state: State) -> Style {
    match state {
        State::Active => good(),
        State::Suspended => warning(),
        State::Compromised | State::DestroyedCompromised => fault(),
        State::PreActive => Style::new(),
        State::Deactivated | State::Destroyed => faint(),
    }
}

/// <https://no-color.org>, and terminals that say they have none.
fn colours_wanted() -> bool {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
    !no_colour && !dumb
}
