//! Why a key was revoked, in OpenPGP's words.

use keyledger_domain::{Timestamp, text::Reason};
use pgp::packet::RevocationCode;
use serde::{Deserialize, Serialize};

/// Why a key is revoked (RFC 9580 §5.2.3.31).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    /// No reason is given.
    Unspecified,
    /// Another key replaces it; its signatures stay valid.
    Superseded,
    /// Somebody else may have it: none of its signatures can be trusted.
    Compromised,
    /// It is no longer used; its signatures stay valid.
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

    /// An unknown code counts as no reason.
    pub(super) const fn of(code: Option<&RevocationCode>) -> Self {
        match code {
            Some(RevocationCode::KeySuperseded) => Self::Superseded,
            Some(RevocationCode::KeyCompromised) => Self::Compromised,
            Some(RevocationCode::KeyRetired) => Self::Retired,
            _ => Self::Unspecified,
        }
    }
}

/// A revocation, which is for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// When the revocation was signed.
    pub at: Timestamp,
    /// Why.
    pub reason: RevocationReason,
    /// The text that was given with it.
    pub text: Option<Reason>,
}
