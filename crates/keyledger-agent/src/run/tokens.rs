//! The seam to the hardware: what is plugged in, and how a task is walked on it.

use keyledger_domain::token::{Announcement, Serial, TaskFiled};
use serde::{Deserialize, Serialize};

use super::Stop;
use crate::desk::{Desk, DeskError};

/// The tokens of this workstation. Everything here blocks: the runtime gives it threads of its own.
pub trait Tokens: Send + Sync + 'static {
    /// Watches what is plugged in until `stop` says so, and gives `see` everything that is plugged in: once at the
    /// beginning, and whenever something of it has changed.
    ///
    /// # Errors
    ///
    /// [`WatchError`] if nothing can be watched now. It is called again after a pause.
    fn watch(&self, stop: &Stop, see: &mut dyn FnMut(&[TokenSeen])) -> Result<(), WatchError>;

    /// Walks a task on the token `serial` from what the token shows, and waits for the token where it is not plugged in.
    ///
    /// No two walks on one token run at once. Everything that the service and the person have a part in goes by `desk`.
    ///
    /// # Errors
    ///
    /// What `desk` said, as it said it. With [`DeskError::Stopping`] the task is walked again when the agent starts again.
    fn walk(
        &self,
        serial: Serial,
        task: &TaskFiled,
        desk: &mut dyn Desk,
    ) -> Result<WalkEnd, DeskError>;
}

/// How a walk ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalkEnd {
    /// It was walked to its end, or failed for good: the service has answered so.
    Ended,
    /// It cannot go on now, and may later: it is walked again after a pause. Says why, for `keyledger-agent status`.
    Later(String),
}

/// What is plugged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSeen {
    /// The reader's name.
    pub reader: String,
    /// What the token shows; absent if it could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shows: Option<Announcement>,
    /// Why it could not be asked, and what to do: who holds it, say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// Nothing can be watched: says why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WatchError(pub String);
