//! OpenPGP counts time in seconds of 32 bits.

use keyledger_domain::Timestamp;
use pgp::types::{Duration, Timestamp as PgpTime};

/// A moment that OpenPGP cannot write: it counts seconds from 1970 to February 2106.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("OpenPGP cannot write {at}: it can write 1970 to 2106")]
pub struct OutOfRange {
    /// The moment.
    pub at: Timestamp,
}

pub(super) fn to_pgp(at: Timestamp) -> Result<PgpTime, OutOfRange> {
    let seconds = u32::try_from(at.seconds()).map_err(|_| OutOfRange { at })?;
    Ok(PgpTime::from_secs(seconds))
}

pub(super) fn from_pgp(at: PgpTime) -> Timestamp {
    Timestamp::from_seconds(i64::from(at.as_secs()))
}

/// The time from `from` to `to`; `None` if `to` is not later.
pub(super) fn span(from: PgpTime, to: PgpTime) -> Option<Duration> {
    let seconds = to.as_secs().checked_sub(from.as_secs())?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// The moment `span` after `from`. Zero means never (RFC 9580 §5.2.3.13).
pub(super) fn after(from: PgpTime, span: Duration) -> Option<Timestamp> {
    (span.as_secs() > 0)
        .then(|| Timestamp::from_seconds(i64::from(from.as_secs()) + i64::from(span.as_secs())))
}
