//! The pauses between tries.

use std::time::Duration;

/// The pause before the second try; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause: a person may be waiting for a service that is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The pauses between tries: each twice as long as the one before, up to ten seconds.
#[derive(Debug)]
pub(crate) struct Pauses(Duration);

impl Pauses {
    pub(crate) const fn new() -> Self {
        Self(FIRST_PAUSE)
    }

    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST_PAUSE);
        pause
    }
}
