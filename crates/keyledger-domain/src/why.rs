//! Why somebody did something.

use crate::text::{Reason, Ticket};

/// Why somebody did something, and where it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Why {
    /// The reason given.
    pub reason: Option<Reason>,
    /// The ticket named.
    pub ticket: Option<Ticket>,
}
