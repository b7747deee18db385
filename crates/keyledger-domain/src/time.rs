//! Time, as a fact: milliseconds since 1970 in UTC.

use std::{fmt, str::FromStr};

use jiff::{SignedDuration, civil::DateTime, fmt::temporal::Pieces};
use serde::{Deserialize, Deserializer, Serialize};

/// A moment, to the millisecond, in UTC. Written as RFC 3339: `2026-11-22T10:00:00.123Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Milliseconds of a day of 86,400 seconds.
pub const DAY_MS: i64 = 86_400_000;

/// Why a text is not a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time: write it as RFC 3339, like 2026-11-22T10:00:00Z")]
pub struct NotATime(String);

impl Timestamp {
    /// The moment `ms` milliseconds after 1970-01-01T00:00:00Z, held within the years 0 to 9999.
    #[must_use]
    pub const fn from_ms(ms: i64) -> Self {
        const MIN: i64 = -62_167_219_200_000;
        const MAX: i64 = 253_402_300_799_999;
        Self(if ms < MIN {
            MIN
        } else if ms > MAX {
            MAX
        } else {
            ms
        })
    }

    /// The moment `seconds` after 1970-01-01T00:00:00Z: what JWTs carry.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self::from_ms(seconds.saturating_mul(1000))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970-01-01T00:00:00Z: what JWTs carry.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The moment `ms` milliseconds later.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self::from_ms(self.0.saturating_add(ms))
    }

    /// The moment `days` days of 86,400 seconds later.
    #[must_use]
    pub const fn plus_days(self, days: i64) -> Self {
        Self::from_ms(self.0.saturating_add(days.saturating_mul(DAY_MS)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => f.pad(&format!("{moment:.3}")),
            Err(_) => {
                let since = SignedDuration::from_millis(self.0);
                let date_time = EPOCH.saturating_add(since);
                f.pad(&format!("{date_time:.3}Z"))
            }
        }
    }
}

/// Where counting begins. jiff's own moments end 26 hours before the year 9999 does, so that each has a date in every
/// time zone; people write its last second where they mean "never".
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// Reads a moment of the last days of the year 9999.
fn parse_late(text: &str) -> Option<Timestamp> {
    let pieces = Pieces::parse(text).ok()?;
    let offset = pieces.to_numeric_offset()?;
    let local = pieces.date().to_datetime(pieces.time()?);
    let since = local.duration_since(EPOCH) - SignedDuration::from_secs(offset.seconds().into());
    let ms = i64::try_from(since.as_millis()).ok()?;
    Some(Timestamp::from_ms(ms)).filter(|at| at.ms() == ms)
}

impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        text.parse::<jiff::Timestamp>()
            .map(|t| Self::from_ms(t.as_millisecond()))
            .ok()
            .or_else(|| parse_late(text))
            .ok_or_else(|| NotATime(text.chars().take(60).collect()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Self::from_ms)
        }
    }
}

impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}
