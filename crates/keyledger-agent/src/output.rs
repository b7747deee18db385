//! The output of commands: lines for people, JSON for programs.

use std::io::{self, IsTerminal as _, Write};

use anstyle::{AnsiColor, Style};
use keyledger_domain::text::plain;
use serde::Serialize;

/// The output of a command: where it prints, and in which form.
pub(crate) struct Output<'a> {
    writer: &'a mut dyn Write,
    json: bool,
    colour: bool,
}

impl<'a> Output<'a> {
    /// Standard output, with colours if the terminal and the environment want them.
    pub(crate) fn standard(writer: &'a mut dyn Write, json: bool) -> Self {
        Self {
            writer,
            json,
            colour: io::stdout().is_terminal() && colours_wanted(),
        }
    }

    /// Output without colours, for tests.
    #[cfg(test)]
    pub(crate) fn plain(writer: &'a mut dyn Write) -> Self {
        Self {
            writer,
            json: false,
            colour: false,
        }
    }

    /// True if the output is JSON, for programs.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a line.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.writer, "{}", plain(text.as_ref()))?;
        self.writer.flush()
    }

    /// Prints a line in a style, if there are colours.
    pub(crate) fn styled(&mut self, style: Style, text: impl AsRef<str>) -> io::Result<()> {
        let text = plain(text.as_ref());
        if self.colour {
            writeln!(self.writer, "{style}{text}{style:#}")?;
        } else {
            writeln!(self.writer, "{text}")?;
        }
        self.writer.flush()
    }

    /// Prints a JSON value on several lines.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *self.writer, value)?;
        writeln!(self.writer)?;
        self.writer.flush()
    }
}

/// The style of what a person should look at.
pub(crate) const fn warning() -> Style {
    AnsiColor::Yellow.on_default()
}

/// The style of what is wrong.
pub(crate) const fn fault() -> Style {
    AnsiColor::Red.on_default().bold()
}

/// The style of what is as it should be.
pub(crate) const fn good() -> Style {
    AnsiColor::Green.on_default()
}

/// False if `NO_COLOR` is set (<https://no-color.org>), or the terminal says that it has no colours.
fn colours_wanted() -> bool {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
    !no_colour && !dumb
}
