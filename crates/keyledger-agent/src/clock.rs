//! The workstation's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keyledger_domain::Timestamp;

/// The time this long before now.
pub(crate) fn ago(age: Duration) -> Timestamp {
    let ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_ms(now().ms().saturating_sub(ms))
}

/// Now, by the workstation's clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.map_or(0, |since| since.as_millis()); // a clock before 1970 is as wrong as 1970
    Timestamp::from_ms(i64::try_from(ms).unwrap_or(i64::MAX))
}
