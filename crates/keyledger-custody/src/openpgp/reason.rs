//! Why a key was revoked, in OpenPGP's words.

use keyledger_domain::{Timestamp, text::Reason};
use pgp::packet::RevocationCode;
use serde::{Deserialize, Serialize};

/// Why a key is revoked (RFC 9580 §5.2.3.31).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    /// Nothing is said.
    Unspecified,
    /// Another key takes its place; what it signed stays good.
    Superseded,
    /// Somebody else may have it: nothing it signed is to be believed.
    Compromised,
    /// It is not used any more; what it signed stays good.
    Retired,
}

impl RevocationReason {
    /// All reasons.
    pub const ALL: [Self; 4] = [
        Self::Unspecified,
        Self::Superseded,
        Self::Compromised,
        Self::Retired,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Superseded => "superseded",
            Self::Compromised => "compromised",
            Self::Retired => "retired",
        }
    }

    pub(super) const fn code(self) -> RevocationCode {
        match self {
            Self::Unspecified => RevocationCode::NoReason,
            Self::Superseded => RevocationCode::KeySuperseded,
            Self::Compromised => RevocationCode::KeyCompromised,
            Self::Retired => RevocationCode::KeyRetired,
        }
    }

    /// A code that says nothing we know says nothing.
    pub(super) const fn of(code: Option<&RevocationCode>) -> Self {
        match code {
            Some(RevocationCode::KeySuperseded) => Self::Superseded,
            Some(RevocationCode::KeyCompromised) => Self::Compromised,
            Some(RevocationCode::KeyRetired) => Self::Retired,
            _ => Self::Unspecified,
        }
    }
}

/// That something is revoked: for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// When the revocation was signed.
    pub at: Timestamp,
    /// Why.
    pub reason: RevocationReason,
    /// What was said besides.
    pub text: Option<Reason>,
}
