//! Words that a person reads before a key signs.

use crate::{Moment, text::visible};

const DAY_SECONDS: i64 = 86_400;
const HOUR_SECONDS: i64 = 3_600;

/// Lines of words. What a reader would not see in them is replaced.
#[derive(Debug, Clone)]
pub struct Words {
    text: String,
    now: Moment,
}

impl Words {
    pub(super) const fn at(now: Moment) -> Self {
        let text = String::new();
        Self { text, now }
    }

    /// The moment at which it would be signed.
    #[must_use]
    pub const fn now(&self) -> Moment {
        self.now
    }

    /// A line with a label of up to 12 letters.
    pub fn line(&mut self, label: &str, words: impl AsRef<str>) {
        self.plain(format!("{label:<13}{}", words.as_ref()));
    }

    /// A line without a label.
    pub fn plain(&mut self, words: impl AsRef<str>) {
        self.text.push_str(visible(words.as_ref()).trim_end());
        self.text.push('\n');
    }

    /// An empty line.
    pub fn blank(&mut self) {
        self.text.push('\n');
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// A moment as people read it: `2026-11-25 10:00:00Z`.
#[must_use]
pub fn moment(at: Moment) -> String {
    at.to_string().replace('T', " ")
}

/// An end as people read it, with how far it is from `now`: `2026-12-25 10:00:00Z (in 30 days)`.
#[must_use]
pub fn end(at: Moment, now: Moment) -> String {
    let far = match at.seconds() - now.seconds() {
        ..=0 => "ALREADY OVER".to_owned(),
        left if left < 2 * DAY_SECONDS => {
            format!("in {} hours", (left + HOUR_SECONDS / 2) / HOUR_SECONDS)
        }
        left => format!("in {} days", (left + DAY_SECONDS / 2) / DAY_SECONDS),
    };
    format!("{} ({far})", moment(at))
}
