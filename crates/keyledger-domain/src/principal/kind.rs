//! What a principal can be.

use serde::{Deserialize, Serialize};

/// What a principal is.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A human being.
    Person,
    /// A program.
    Service,
    /// A machine that people work at.
    Workstation,
    /// A part of the organisation.
    Unit,
}

impl Kind {
    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Service => "service",
            Self::Workstation => "workstation",
            Self::Unit => "unit",
        }
    }
}
