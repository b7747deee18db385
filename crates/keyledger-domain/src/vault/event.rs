//! What is written of what happens to a vault.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What opens a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OpeningMethod {
    /// A passphrase that somebody types.
    Passphrase,
    /// A file beside the organisation's: it needs nobody.
    LocalFile,
}

/// A vault was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Initialised {
    /// What opens it.
    pub method: OpeningMethod,
    /// When its root key was made.
    pub initialised_at: Timestamp,
}

/// A vault was opened, in one instance of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// What opened it.
    pub method: OpeningMethod,
    /// When.
    pub opened_at: Timestamp,
}

/// A vault was sealed: what is in custody is out of reach until it is opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// When.
    pub sealed_at: Timestamp,
}
