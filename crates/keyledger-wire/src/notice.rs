//! Notices: what is shown while it happens, and not stored.

use keyledger_domain::{
    text::Note,
    token::{Prompt, Serial, Step},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A step of a token's task begins, or waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The token.
    pub serial: Serial,
    /// The task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Uuid>,
    /// The step.
    pub step: Step,
    /// What the person must do now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Prompt>,
    /// What is being worked on: a slot, or an OpenPGP key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Note>,
}
