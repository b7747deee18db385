//! The parts of a certificate whose end can be moved.

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;

/// What to renew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Renewal {
    /// The primary key, and with it the whole certificate.
    Primary,
    /// One subkey.
    Subkey(Fingerprint),
}
