//! What the walk of a task needs from outside the token.

use std::time::Duration;

use keyledger_custody::Secret;
use keyledger_domain::token::{PinRules, Prompt, Report, Serial};
use keyledger_wire::{Refusal, ReportReply};

/// The reason by which the service says that a task has ended, or never was this agent's.
const TASK_NOT_OPEN: &str = "task_not_open";

/// Why the desk did not help.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeskError {
    /// The agent stops. When it starts again, it goes on from what the token shows.
    #[error("the agent is stopping")]
    Stopping,
    /// The task has ended at the service, or never was this agent's.
    #[error("{0}")]
    TaskOver(String),
    /// A rule of the service rejects the report for good. The task is still open.
    #[error("the service rejects the report")]
    Rejected(#[source] Box<Refusal>),
    /// The person said no, or nobody answered.
    #[error("the person at the workstation did not agree")]
    Declined,
    /// The journal cannot be read or written, so nothing would survive a crash.
    #[error("the journal cannot be used")]
    Journal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<Box<Refusal>> for DeskError {
    fn from(refusal: Box<Refusal>) -> Self {
        if says_that_task_is_over(&refusal) {
            return Self::TaskOver(refusal.to_string());
        }
        Self::Rejected(refusal)
    }
}

/// True if the service rejects a report because its task has ended, or never was this agent's.
pub(crate) fn says_that_task_is_over(refusal: &Refusal) -> bool {
    refusal.reason == TASK_NOT_OPEN
}

/// So many tries are the last: nothing but a person who was warned uses them.
pub const LAST_TRIES: u8 = 2;

/// How it stands with a PIN that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinTries {
    /// How many wrong ones there may be until it is blocked.
    pub left: u8,
    /// True if the one before was wrong.
    pub was_wrong: bool,
}

/// What the walk of a task needs from outside the token. One task, one desk. Blocks: a walk has a thread of its own.
pub trait Desk: Send {
    /// Says something on the way. Kept in the journal, delivered when there is a connection, never waited for.
    ///
    /// # Errors
    ///
    /// [`DeskError::Journal`], [`DeskError::Stopping`].
    fn tell(&mut self, report: Report) -> Result<(), DeskError>;

    /// Reports, and waits for the answer as long as it takes; the same report is delivered once, however often it is sent.
    ///
    /// # Errors
    ///
    /// [`DeskError::Rejected`] or [`DeskError::TaskOver`] if the service will never take it, [`DeskError::Journal`],
    /// [`DeskError::Stopping`].
    fn ask(&mut self, report: Report) -> Result<ReportReply, DeskError>;

    /// Keeps a secret of this task, sealed, until the task ends: on disk before this returns.
    ///
    /// # Errors
    ///
    /// [`DeskError::Journal`].
    fn keep(&mut self, what: &'static str, secret: &Secret) -> Result<(), DeskError>;

    /// A secret that was kept, by this run or one before it.
    ///
    /// # Errors
    ///
    /// [`DeskError::Journal`] if the journal cannot be read.
    fn kept(&mut self, what: &'static str) -> Result<Option<Secret>, DeskError>;

    /// Says what the person must do now: shown at the workstation and, as progress, to who watches.
    ///
    /// # Errors
    ///
    /// [`DeskError::Stopping`].
    fn show(&mut self, serial: Serial, prompt: Prompt, at: &str) -> Result<(), DeskError>;

    /// Asks the person for a new PIN, twice, by the rules; or makes one and shows it, where no person is to choose.
    ///
    /// # Errors
    ///
    /// [`DeskError::Declined`], [`DeskError::Stopping`].
    fn new_pin(&mut self, serial: Serial, rules: &PinRules) -> Result<Secret, DeskError>;

    /// Asks for yet another new PIN: the token finds the one before too simple.
    ///
    /// # Errors
    ///
    /// As [`Desk::new_pin`].
    fn another_pin(&mut self, serial: Serial, rules: &PinRules) -> Result<Secret, DeskError> {
        self.new_pin(serial, rules)
    }

    /// Says once more what the person must do, where that takes long: by the answer it is heard whether the task is still open.
    ///
    /// # Errors
    ///
    /// As [`Desk::show`].
    fn remind(&mut self, serial: Serial, prompt: Prompt) -> Result<(), DeskError> {
        self.show(serial, prompt, "")
    }

    /// Asks the person for the PIN that the token has, and tells how it stands with it.
    ///
    /// # Errors
    ///
    /// [`DeskError::Declined`], [`DeskError::Stopping`].
    fn pin(&mut self, serial: Serial, tries: PinTries) -> Result<Secret, DeskError>;

    /// Asks the person to type the serial number, since everything on that token is about to be destroyed.
    ///
    /// # Errors
    ///
    /// [`DeskError::Declined`], [`DeskError::Stopping`].
    fn confirm_reset(&mut self, serial: Serial) -> Result<(), DeskError>;

    /// Waits for `length`, while a token or a person is waited for.
    ///
    /// # Errors
    ///
    /// [`DeskError::Stopping`], at once when the agent stops.
    fn pause(&mut self, length: Duration) -> Result<(), DeskError> {
        std::thread::sleep(length);
        Ok(())
    }
}
