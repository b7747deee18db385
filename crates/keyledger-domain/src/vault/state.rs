//! The state of a vault: the fold of its events.

use serde::{Deserialize, Serialize};

use super::OpeningMethod;
use crate::{time::Timestamp, word::states};

states! {
    /// The states of a vault.
    State {
        /// Its root key is out of reach.
        Sealed => "sealed",
        /// Custody makes, signs and opens.
        Open => "open",
    }
}

/// A vault as its history left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vault {
    /// Whether it is open.
    pub state: State,
    /// What opens it.
    pub method: OpeningMethod,
    /// When its root key was made.
    pub initialised_at: Timestamp,
    /// When it was last opened.
    pub opened_at: Option<Timestamp>,
    /// When it was last sealed.
    pub sealed_at: Option<Timestamp>,
}
