//! Time, as certificates and signatures write it.

use std::{fmt, str::FromStr, time::Duration};

use der::DateTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A whole second in UTC, from 1970 to the end of the year 9999: DER's calendar has no other. Written as RFC 3339:
/// `2026-11-25T10:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(DateTime);

/// Why a text is not a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time: write it like 2026-11-25T10:00:00Z")]
pub struct NotAMoment;

impl Moment {
    /// The moment `seconds` after 1970-01-01T00:00:00Z. What lies before 1970 counts as 1970, and what lies after 9999 as its
    /// last second.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Self {
        let seconds = u64::try_from(seconds).unwrap_or(0);
        let at = DateTime::from_unix_duration(Duration::from_secs(seconds));
        Self(at.unwrap_or(DateTime::INFINITY))
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn seconds(self) -> i64 {
        let seconds = self.0.unix_duration().as_secs();
        i64::try_from(seconds).expect("the year 9999 is 253,402,300,799 at most")
    }

    pub(crate) const fn date_time(self) -> DateTime {
        self.0
    }
}

impl From<DateTime> for Moment {
    fn from(at: DateTime) -> Self {
        Self(at)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Moment {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        text.parse().map(Self).map_err(|_| NotAMoment)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_lies_between_1970_and_9999() {
        let ends = [
            (i64::MIN, "1970-01-01T00:00:00Z"),
            (-1, "1970-01-01T00:00:00Z"),
            (1_795_600_800, "2026-11-25T10:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (i64::MAX, "9999-12-31T23:59:59Z"),
        ];
        for (seconds, text) in ends {
            let moment = Moment::from_seconds(seconds);
            assert_eq!(moment.to_string(), text);
            assert_eq!(text.parse(), Ok(moment));
        }
        for bad in [
            "",
            "2026-11-25",
            "2026-11-25T10:00:00+01:00",
            "2026-13-25T10:00:00Z",
        ] {
            assert_eq!(bad.parse::<Moment>(), Err(NotAMoment), "{bad}");
        }
    }
}
