//! What commands print: lines for people, JSON for programs.

use std::io::{self, IsTerminal as _, Write};

use anstyle::{AnsiColor, Style};
use keyledger_domain::text::plain;
use serde::Serialize;

/// Where a command prints, and how.
pub(crate) struct Output<'a> {
    writer: &'a mut dyn Write,
    json: bool,
    colour: bool,
}

impl<'a> Output<'a> {
    /// Standard output, as the terminal and the environment want it.
    pub(crate) fn standard(writer: &'a mut dyn Write, json: bool) -> Self {
        Self {
            writer,
            json,
            colour: io::stdout().is_terminal() && colours_wanted(),
        }
    }

    /// Without colours, for tests.
    #[cfg(test)]
    pub(crate) fn plain(writer: &'a mut dyn Write) -> Self {
        Self {
            writer,
            json: false,
            colour: false,
        }
    }

    /// True if programs read it.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// A line.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.writer, "{}", plain(text.as_ref()))?;
        self.writer.flush()
    }

    /// A line in a style, where there are colours.
    pub(crate) fn styled(&mut self, style: Style, text: impl AsRef<str>) -> io::Result<()> {
        let text = plain(text.as_ref());
        if self.colour {
            writeln!(self.writer, "{style}{text}{style:#}")?;
        } else {
            writeln!(self.writer, "{text}")?;
        }
        self.writer.flush()
    }

    /// A JSON value, on several lines.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *self.writer, value)?;
        writeln!(self.writer)?;
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

/// <https://no-color.org>, and terminals that say they have none.
fn colours_wanted() -> bool {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
    !no_colour && !dumb
}
