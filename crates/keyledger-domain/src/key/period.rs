//! Cryptoperiods: how long a key may protect when nobody says otherwise.

use serde::{Deserialize, Serialize};

use crate::algorithm::{Algorithm, Purpose, Purposes};

/// The longest period that may be set, in days: twenty years, a root certificate's.
pub const MAX_PERIOD_DAYS: u16 = 7_300;
/// The most versions a key may have: daily rotation for more than ten years.
pub const MAX_VERSIONS: usize = 4_096;

/// What the key management plan goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// It certifies other keys.
    Certificate,
    /// It encrypts or wraps data.
    Data,
    /// Anything else: signatures, authentication, agreement.
    Other,
}

impl Class {
    /// The class of a key.
    #[must_use]
    pub const fn of(algorithm: Algorithm, purposes: Purposes) -> Self {
        if purposes.has(Purpose::Certify) {
            Self::Certificate
        } else if algorithm.is_symmetric() {
            Self::Data
        } else {
            Self::Other
        }
    }

    /// Its default period in days: the plan says five years for certificates, two for other keys, and
    /// three months for data keys. NIST SP 800-57 part 1 §5.3.6 allows 1–3 years for a signature key and
    /// up to two for a data key, so only certificates are longer than its table.
    #[must_use]
    pub const fn period_days(self) -> u16 {
        match self {
            Self::Certificate => 5 * 365,
            Self::Data => 90,
            Self::Other => 2 * 365,
        }
    }

    /// The default end of the originator-usage period, in days from activation, of a key that is rotated every
    /// `rotation_period_days`: a quarter of that period later, and at most a year.
    ///
    /// A key can be rotated only while it is active, so it must not end on the very day its rotation falls due.
    /// With the plan's periods that is 112 days for data keys and two and a half years for others, within the two and
    /// three years of NIST SP 800-57 part 1 §5.3.6.
    #[must_use]
    pub fn protect_days(rotation_period_days: u16) -> i64 {
        let period = i64::from(rotation_period_days);
        period + (period / 4).clamp(1, 365)
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Data => "data",
            Self::Other => "other",
        }
    }
}
