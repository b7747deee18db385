//! Moments for people: read as they write them, shown as they count them.

use std::time::{SystemTime, UNIX_EPOCH};

use keyledger_domain::Timestamp;

/// The clock of this machine.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Reads `2026-11-22T10:00:00Z`, `2026-11-22` (midnight in UTC), or a distance from now such as `+30d` or `-2h`.
pub(crate) fn parse_moment(text: &str) -> Result<Timestamp, String> {
    let expected = "write a time like 2026-11-22T10:00:00Z, a date like 2026-11-22, or a distance like +30d or -2h";
    let distance = |digits: &str| parse_span_ms(digits);
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
    full.parse().map_err(|_| expected.to_owned())
}

/// Reads a moment of the past to ask about. A second is shown without its milliseconds, and means all of it: what is
/// shown to have happened in it has happened by then.
pub(crate) fn parse_as_of(text: &str) -> Result<Timestamp, String> {
    let at = parse_moment(text)?;
    let whole_second = text.contains(':') && !text.contains('.');
    let at = Timestamp::from_ms(at.ms() + if whole_second { 999 } else { 0 });
    if at.ms() > now().ms() + 999 {
        return Err("it has not come yet: write a moment of the past, such as -7d".to_owned());
    }
    Ok(at)
}

/// Reads a number of days: `30`, `30d` or `4w`.
pub(crate) fn parse_days(text: &str) -> Result<u16, String> {
    let (digits, factor) = match text.strip_suffix('w') {
        Some(weeks) => (weeks, 7),
        None => (text.strip_suffix('d').unwrap_or(text), 1),
    };
    let days = digits
        .parse::<u16>()
        .ok()
        .and_then(|n| n.checked_mul(factor));
    days.ok_or_else(|| "write a number of days like 30d, or of weeks like 4w".to_owned())
}

/// Reads a duration: `500ms`, `10s`, `2m`; a bare number is seconds.
pub(crate) fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    let ms = match text.strip_suffix("ms") {
        Some(ms) => ms.parse().ok(),
        None if text.ends_with(|c: char| c.is_ascii_digit()) => {
            parse_span_ms(&format!("{text}s")).ok()
        }
        None => parse_span_ms(text).ok(),
    };
    ms.and_then(|ms: i64| u64::try_from(ms).ok())
        .filter(|ms| *ms > 0)
        .map(std::time::Duration::from_millis)
        .ok_or_else(|| "write a duration like 10s, 500ms or 2m".to_owned())
}

fn parse_span_ms(text: &str) -> Result<i64, String> {
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit_at);
    let unit_ms = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => 0,
    };
    digits
        .parse::<i64>()
        .ok()
        .filter(|_| unit_ms > 0)
        .and_then(|n| n.checked_mul(unit_ms))
        .ok_or_else(|| "write a distance like 30d, 12h or 4w (s, m, h, d, w)".to_owned())
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
        assert!(parse_as_of("+30d").unwrap_err().contains("not come yet"));
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
            "+1y",
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
        assert!(parse_days("-1").is_err());
        assert!(parse_days("9999w").is_err());
        assert_eq!(parse_duration("10").unwrap().as_secs(), 10);
        assert_eq!(parse_duration("250ms").unwrap().as_millis(), 250);
        assert_eq!(parse_duration("2m").unwrap().as_secs(), 120);
        assert!(parse_duration("0").is_err());
        assert!(parse_duration("soon").is_err());
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
