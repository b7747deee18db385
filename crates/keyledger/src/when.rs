//! Moments as people write them and count them.

use std::time::{SystemTime, UNIX_EPOCH};

use keyledger_domain::Timestamp;
use keyledger_pki::Moment;

/// Why a text is no moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MomentError {
    /// It is neither a moment nor a date.
    #[error(
        "write a time like 2026-11-22T10:00:00Z (with seconds, in UTC), a date like 2026-11-22, or a distance like +30d or -2h"
    )]
    Form,
    /// The text after the sign is no distance.
    #[error("write a distance like 30d, 12h or 4w (s, m, h, d, w, y)")]
    Distance,
    /// A moment of the past was asked for.
    #[error("it has not come yet: write a moment of the past, such as -7d")]
    NotPast,
}

/// Why a text is no period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PeriodError {
    /// It is neither a period nor a moment.
    #[error("write a period like 30d, 4w, 2y, 36h or 90m, or its end, like 2027-03-01")]
    Form,
    /// Its end has passed.
    #[error("{} is not in the future: write a period like 30d, 4w, 2y, 36h or 90m, or its end, like 2027-03-01", moment(*.0))]
    Past(Timestamp),
    /// More days than any command takes.
    #[error("that is more than 65,535 days")]
    TooManyDays,
}

/// Why a text is no period for the JWT of a user or an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UsersPeriodError {
    /// It is neither a period nor a moment.
    #[error("write a period like 30d, 4w, 36h or 90m (minutes), or its end, like 2027-03-01")]
    Form,
    /// Its end has passed.
    #[error("{} is not in the future: write a period like 30d, 4w, 36h or 90m (minutes), or its end, like 2027-03-01", moment(*.0))]
    Past(Timestamp),
    /// It is longer than a year.
    #[error(
        "it is {MOST_USER_DAYS} days at most: write a period like 30d, 4w, 36h or 90m (minutes), or its end, like 2027-03-01"
    )]
    TooLong,
}

/// Why a text is no number of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DaysError {
    /// It is neither a number of days nor a date.
    #[error("write a number of days like 30d, 4w or 2y, or a date like 2027-03-01")]
    Form,
    /// It is no whole number of days.
    #[error(
        "it is counted in whole days: write a number of days like 30d, 4w or 2y, or a date like 2027-03-01"
    )]
    NotWhole,
    /// The date has passed.
    #[error("{} is not in the future: write a number of days like 30d, 4w or 2y, or a date like 2027-03-01", moment(*.0))]
    Past(Timestamp),
    /// More days than any command takes.
    #[error("that is more than 65,535 days")]
    TooMany,
}

/// A text that is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a duration like 10s, 500ms or 2m")]
pub(crate) struct NotADuration;

/// The longest that a JWT of a user or an agent lasts, in days.
const MOST_USER_DAYS: u16 = 365;

/// The clock of this machine.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A moment of the ledger as certificates write it, in whole seconds.
pub(crate) fn to_moment(at: Timestamp) -> Moment {
    Moment::from_seconds(at.seconds())
}

/// A moment of a certificate as the ledger writes it.
pub(crate) fn to_timestamp(at: Moment) -> Timestamp {
    Timestamp::from_seconds(at.seconds())
}

/// Reads `2026-11-22T10:00:00Z`, `2026-11-22` (midnight in UTC), or a distance from now such as `+30d` or `-2h`.
pub(crate) fn parse_moment(text: &str) -> Result<Timestamp, MomentError> {
    let distance = |digits: &str| parse_span_ms(digits).ok_or(MomentError::Distance);
    if let Some(ahead) = text.strip_prefix('+') {
        return Ok(Timestamp::from_ms(
            now().ms().saturating_add(distance(ahead)?),
        ));
    }
    if let Some(back) = text.strip_prefix('-') {
        return Ok(Timestamp::from_ms(
            now().ms().saturating_sub(distance(back)?),
        ));
    }
    let is_date = text.len() == 10 && !text.contains('T');
    let full = if is_date {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    full.parse().map_err(|_| MomentError::Form)
}

/// Reads a past moment for a question about the past. A time in whole seconds means the end of that second, because times are shown
/// without milliseconds: everything that is shown with this time has then happened.
pub(crate) fn parse_as_of(text: &str) -> Result<Timestamp, MomentError> {
    let at = parse_moment(text)?;
    let whole_second = text.contains(':') && !text.contains('.');
    let at = Timestamp::from_ms(at.ms() + if whole_second { 999 } else { 0 });
    if at.ms() > now().ms() + 999 {
        return Err(MomentError::NotPast);
    }
    Ok(at)
}

/// How long something is valid: a number of whole days, or until a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Period {
    /// Days of 86,400 seconds.
    Days(u16),
    /// Until then.
    Until(Timestamp),
}

impl Period {
    /// The two fields of the service's commands: days, or a moment.
    pub(crate) const fn fields(self) -> (Option<u16>, Option<Timestamp>) {
        match self {
            Self::Days(days) => (Some(days), None),
            Self::Until(at) => (None, Some(at)),
        }
    }

    /// Its end, if it begins at `now`.
    pub(crate) fn end(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Days(days) => now.plus_days(i64::from(days)),
            Self::Until(at) => at,
        }
    }
}

/// Reads a period: `30`, `30d`, `4w` or `2y`, `36h` or `90m` from now, or its end: `2027-03-01`, `2027-03-01T10:00:00Z`.
pub(crate) fn parse_period(text: &str) -> Result<Period, PeriodError> {
    if let Some(days) = whole_days(text) {
        return days.map(Period::Days).ok_or(PeriodError::TooManyDays);
    }
    let now = now();
    let until = match parse_span_ms(text) {
        Some(ms) => Timestamp::from_ms(now.ms().saturating_add(ms)),
        None => parse_moment(text).map_err(|_| PeriodError::Form)?,
    };
    if until <= now {
        return Err(PeriodError::Past(until));
    }
    Ok(Period::Until(until))
}

/// The same for the JWT of a user or an agent, which lasts no longer than a year.
pub(crate) fn parse_users_period(text: &str) -> Result<Period, UsersPeriodError> {
    let now = now();
    let period = parse_period(text).map_err(|error| match error {
        PeriodError::Form => UsersPeriodError::Form,
        PeriodError::Past(end) => UsersPeriodError::Past(end),
        PeriodError::TooManyDays => UsersPeriodError::TooLong,
    })?;
    // The clocks of two machines may differ by a minute.
    let latest = now.plus_days(i64::from(MOST_USER_DAYS)).plus_ms(60_000);
    if period.end(now) > latest {
        return Err(UsersPeriodError::TooLong);
    }
    Ok(period)
}

/// Reads a number of whole days: `30`, `30d`, `4w`, `2y` or `48h`, or the days until a date: `2027-03-01`.
pub(crate) fn parse_days(text: &str) -> Result<u16, DaysError> {
    const DAY_MS: i64 = 86_400_000;
    if let Some(days) = whole_days(text) {
        return days.ok_or(DaysError::TooMany);
    }
    let days = match parse_span_ms(text) {
        Some(ms) if ms % DAY_MS != 0 => return Err(DaysError::NotWhole),
        Some(ms) => ms / DAY_MS,
        None => {
            let at = parse_moment(text).map_err(|_| DaysError::Form)?;
            let ahead = at.ms().saturating_sub(now().ms());
            if ahead <= 0 {
                return Err(DaysError::Past(at));
            }
            ahead.saturating_add(DAY_MS - 1) / DAY_MS
        }
    };
    u16::try_from(days).map_err(|_| DaysError::TooMany)
}

/// What is written in days, weeks or years; `None` if it is written otherwise, `Some(None)` if it is more than 65,535 days.
fn whole_days(text: &str) -> Option<Option<u16>> {
    let (digits, factor) = match text.char_indices().next_back()? {
        (at, 'd') => (&text[..at], 1),
        (at, 'w') => (&text[..at], 7),
        (at, 'y') => (&text[..at], 365),
        _ => (text, 1),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let days = digits
        .parse::<u16>()
        .ok()
        .and_then(|n| n.checked_mul(factor));
    Some(days)
}

/// Reads a duration: `500ms`, `10s`, `2m`; a bare number is seconds.
pub(crate) fn parse_duration(text: &str) -> Result<std::time::Duration, NotADuration> {
    let ms = match text.strip_suffix("ms") {
        Some(ms) => ms.parse().ok(),
        None if text.ends_with(|c: char| c.is_ascii_digit()) => parse_span_ms(&format!("{text}s")),
        None => parse_span_ms(text),
    };
    ms.and_then(|ms: i64| u64::try_from(ms).ok())
        .filter(|ms| *ms > 0)
        .map(std::time::Duration::from_millis)
        .ok_or(NotADuration)
}

/// Milliseconds of what is written as `30d` or `12h`.
fn parse_span_ms(text: &str) -> Option<i64> {
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit_at);
    let unit_ms = match unit {
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        "y" => 365 * 86_400_000,
        _ => 0,
    };
    digits
        .parse::<i64>()
        .ok()
        .filter(|_| unit_ms > 0)
        .and_then(|n| n.checked_mul(unit_ms))
}

/// `2026-11-22`.
pub(crate) fn date(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

/// `2026-11-22 10:00:00Z`.
pub(crate) fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    match text.split_once('T') {
        Some((date, time)) => format!("{date} {}Z", time.chars().take(8).collect::<String>()),
        None => text,
    }
}

/// How far `at` is from `now`: `in 29d`, `2h ago`, `now`.
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    let away_ms = at.ms().saturating_sub(now.ms());
    let ms = away_ms.unsigned_abs();
    let count = |unit_ms: u64| (ms + unit_ms / 2) / unit_ms;
    let (seconds, minutes, hours, days) = (
        count(1_000),
        count(60_000),
        count(3_600_000),
        count(86_400_000),
    );
    let far = match () {
        () if seconds < 1 => return "now".to_owned(),
        () if seconds < 100 => format!("{seconds}s"),
        () if minutes < 100 => format!("{minutes}min"),
        () if hours < 48 => format!("{hours}h"),
        () if days < 730 => format!("{days}d"),
        () => format!("{}y", days / 365),
    };
    if away_ms > 0 {
        format!("in {far}")
    } else {
        format!("{far} ago")
    }
}

/// `2026-11-22 (29d ago)`: a date beside its distance.
pub(crate) fn dated(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", date(at), relative(at, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_in_whole_seconds_has_happened_by_then() {
        let shown = "2026-01-02 03:04:05Z";
        assert_eq!(
            parse_as_of(shown).unwrap(),
            parse_moment("2026-01-02T03:04:05.999Z").unwrap()
        );
        let exact = "2026-01-02T03:04:05.123Z";
        assert_eq!(parse_as_of(exact), parse_moment(exact));
        assert_eq!(parse_as_of("2026-01-02"), parse_moment("2026-01-02"));
        assert_eq!(parse_as_of("+30d"), Err(MomentError::NotPast));
        assert!(parse_as_of("9999-01-01").is_err());
    }

    #[test]
    fn people_write_moments_in_three_ways() {
        let day = parse_moment("2026-11-22").unwrap();
        assert_eq!(day, parse_moment("2026-11-22T00:00:00Z").unwrap());
        assert_eq!(day, parse_moment("2026-11-22T01:00:00+01:00").unwrap());
        let away = |text| parse_moment(text).unwrap().ms() - now().ms();
        assert!((away("+30d") - 30 * 86_400_000).abs() < 5_000);
        assert!((away("-2h") + 2 * 3_600_000).abs() < 5_000);
        for bad in [
            "",
            "tomorrow",
            "+30",
            "-d",
            "2026-13-01",
            "+9223372036854775807w",
        ] {
            assert!(parse_moment(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn days_and_durations() {
        assert_eq!(parse_days("30d"), Ok(30));
        assert_eq!(parse_days("30"), Ok(30));
        assert_eq!(parse_days("4w"), Ok(28));
        assert_eq!(parse_days("2y"), Ok(730));
        assert_eq!(parse_days("48h"), Ok(2));
        assert_eq!(parse_days("1h"), Err(DaysError::NotWhole));
        let date = date(Timestamp::from_ms(now().ms() + 10 * 86_400_000));
        assert!(matches!(parse_days(&date), Ok(9 | 10)));
        assert!(matches!(parse_days("2020-01-01"), Err(DaysError::Past(_))));
        assert!(parse_days("-1").is_err());
        assert!(parse_days("9999w").is_err());
        assert_eq!(parse_duration("10").unwrap().as_secs(), 10);
        assert_eq!(parse_duration("250ms").unwrap().as_millis(), 250);
        assert_eq!(parse_duration("2m").unwrap().as_secs(), 120);
        assert!(parse_duration("0").is_err());
        assert!(parse_duration("soon").is_err());
    }

    #[test]
    fn a_period_is_days_or_has_an_end() {
        assert_eq!(parse_period("30d"), Ok(Period::Days(30)));
        assert_eq!(parse_period("4w"), Ok(Period::Days(28)));
        assert_eq!(parse_period("90"), Ok(Period::Days(90)));
        let away = |text| match parse_period(text) {
            Ok(Period::Until(at)) => (at.ms() - now().ms() + 30_000) / 60_000,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(away("1h"), 60);
        assert_eq!(away("90m"), 90);
        assert_eq!(away("98min"), 98);
        let date = parse_moment("2137-03-01").unwrap();
        assert_eq!(parse_period("2137-03-01"), Ok(Period::Until(date)));
        for bad in ["", "soon", "1x", "99999d", "2020-01-01", "-1h"] {
            assert!(parse_period(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_users_period_is_a_year_at_most_and_the_advice_is_one_that_is_taken() {
        assert_eq!(parse_users_period("365d"), Ok(Period::Days(365)));
        assert!(parse_users_period("90m").is_ok());
        for bad in ["2y", "366d", "2137-03-01", "soon"] {
            let said = parse_users_period(bad).unwrap_err().to_string();
            assert!(
                said.contains("30d, 4w, 36h") && !said.contains("2y"),
                "{bad}: {said}"
            );
        }
    }

    #[test]
    fn what_is_shown_can_be_written() {
        let now = now();
        for ms in [
            5_000,
            5_900_000,
            40 * 3_600_000,
            29 * 86_400_000,
            1_825 * 86_400_000,
        ] {
            let shown = relative(Timestamp::from_ms(now.ms() + ms), now);
            let written = shown.trim_start_matches("in ");
            assert!(parse_period(written).is_ok(), "{written}");
        }
    }

    #[test]
    fn distances_are_counted_in_what_people_count_in() {
        let now = Timestamp::from_seconds(1_000_000_000);
        let says = |seconds| relative(Timestamp::from_seconds(now.seconds() + seconds), now);
        assert_eq!(says(0), "now");
        assert_eq!(says(-42), "42s ago");
        assert_eq!(says(5_900), "in 98min");
        assert_eq!(says(86_400), "in 24h");
        assert_eq!(says(-29 * 86_400), "29d ago");
        assert_eq!(says(1_825 * 86_400), "in 5y");
    }

    #[test]
    fn a_moment_is_shown_in_utc() {
        let at = parse_moment("2026-11-22T10:00:00.123Z").unwrap();
        assert_eq!(date(at), "2026-11-22");
        assert_eq!(moment(at), "2026-11-22 10:00:00Z");
    }
}
