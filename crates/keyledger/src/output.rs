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
    /// Standard output, with the width and colours that the terminal and the environment ask for.
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

    /// True if the output is JSON, for programs.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// The moment from which relative dates are counted.
    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }

    /// Counts relative dates from another moment.
    pub(crate) const fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Prints a line.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.writer, "{}", plain(text.as_ref()))?;
        self.writer.flush()
    }

    /// Prints a line in a style, if the output has colours.
    pub(crate) fn styled(&mut self, style: Style, text: &str) -> io::Result<()> {
        let text = plain(text);
        if self.colour {
            writeln!(self.writer, "{style}{text}{style:#}")?;
        } else {
            writeln!(self.writer, "{text}")?;
        }
        self.writer.flush()
    }

    /// Prints a table.
    pub(crate) fn table(&mut self, table: &Table) -> io::Result<()> {
        self.writer
            .write_all(table.render(self.width, self.colour).as_bytes())?;
        self.writer.flush()
    }

    /// Prints a JSON value on several lines.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *self.writer, value)?;
        writeln!(self.writer)?;
        self.writer.flush()
    }

    /// Prints a JSON value on one line, for output with many values.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut *self.writer, value)?;
        writeln!(self.writer)?;
        self.writer.flush()
    }

    /// Prints bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)?;
        self.writer.flush()
    }
}

/// The style of something that a person should look at.
pub(crate) const fn warning() -> Style {
    AnsiColor::Yellow.on_default()
}

/// The style of something wrong.
pub(crate) const fn fault() -> Style {
    AnsiColor::Red.on_default().bold()
}

/// The style of something in order.
pub(crate) const fn good() -> Style {
    AnsiColor::Green.on_default()
}

/// The style of something less important.
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

/// False if <https://no-color.org> or the terminal forbids colours.
fn colours_wanted() -> bool {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
    !no_colour && !dumb
}
