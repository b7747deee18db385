//! Progress of something long, for people at a terminal.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// How often the line is updated.
const EVERY: Duration = Duration::from_millis(200);

/// A line on standard error that counts up. Nothing is printed if standard error is no terminal.
#[derive(Debug)]
pub(super) struct Progress {
    what: &'static str,
    total: Option<u64>,
    done: u64,
    shown: Option<Instant>,
    wanted: bool,
}

impl Progress {
    /// Of `total` events, if it is known how many there are.
    pub(super) fn new(what: &'static str, total: Option<u64>) -> Self {
        Self {
            what,
            total,
            done: 0,
            shown: None,
            wanted: io::stderr().is_terminal(),
        }
    }

    /// One more is done.
    pub(super) fn step(&mut self) {
        self.done += 1;
        // The clock is read only now and then, because there may be millions of steps.
        if !self.wanted || !self.done.is_multiple_of(64) {
            return;
        }
        if self.shown.is_none_or(|at| at.elapsed() >= EVERY) {
            self.shown = Some(Instant::now());
            let total = self
                .total
                .map(|total| format!(" of {total}"))
                .unwrap_or_default();
            self.write(&format!("{} {}{total} events", self.what, self.done));
        }
    }

    fn write(&self, text: &str) {
        // If the terminal is gone, nobody needs the progress.
        drop(write!(io::stderr(), "\r\x1b[2K{text}").and_then(|()| io::stderr().flush()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            self.write("");
        }
    }
}
