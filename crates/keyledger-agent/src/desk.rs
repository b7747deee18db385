//! What a walk needs besides the token: reports, a memory that survives a crash, a person.

use std::time::Duration;

use keyledger_custody::Secret;
use keyledger_domain::{
    Rejection,
    token::{PinRules, Prompt, Report, Serial},
};
use keyledger_wire::{Refusal, ReportReply};
use uuid::Uuid;

/// Why the desk could not do what the walk asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeskError {
    /// The agent stops. When it starts again, it goes on from what the token shows.
    #[error("the agent is stopping")]
    Stopping,
    /// The task has ended at the service, or never was this agent's.
    #[error(transparent)]
    TaskOver(#[from] TaskOver),
    /// A rule of the service rejects the report for good. The task is still open.
    #[error("the service rejects the report")]
    Rejected(#[source] Box<Refusal>),
    /// The person said no, or nobody answered.
    #[error("the person at the workstation did not agree")]
    Declined,
    /// The journal cannot be read or written, so nothing would survive a crash.
    #[error("the journal cannot be used")]
    Journal(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The workstation lacks memory, threads or random numbers. The token is not at fault: walk the task again.
    #[error("this workstation cannot go on with the task now")]
    Workstation(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// How it is known that a task is over for this agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskOver {
    /// The service rejects a report, and no other one would be taken.
    #[error(transparent)]
    Rejected(Box<Refusal>),
    /// The service took a report, and has closed the task.
    #[error("the token is {state}, and the task is closed")]
    Closed {
        /// The token's state, as the service names it.
        state: String,
    },
    /// The service was asked whether the task is still open, and it is not.
    #[error(
        "{}: the token is {state}, and the task is closed",
        Rejection::TASK_NOT_OPEN
    )]
    NotOpen {
        /// The token's state, as the service names it.
        state: String,
    },
    /// The service has said so in the answer to an earlier report.
    #[error("the service says that the task has ended")]
    EndedBefore,
    /// The journal notes that the task has ended.
    #[error("task {0} has ended")]
    Ended(Uuid),
}

impl From<Box<Refusal>> for DeskError {
    fn from(refusal: Box<Refusal>) -> Self {
        if says_that_task_is_over(&refusal) {
            return TaskOver::Rejected(refusal).into();
        }
        Self::Rejected(refusal)
    }
}

/// True if the service rejects a report because its task has ended, or never was this agent's.
pub(crate) fn says_that_task_is_over(refusal: &Refusal) -> bool {
    refusal.reason == Rejection::TASK_NOT_OPEN
}

/// When this many tries are left, or fewer, the person is warned first, and no remembered PIN is tried.
pub const LAST_TRIES: u8 = 2;

/// The tries that are left for a PIN that the person is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinTries {
    /// This many wrong PINs in a row block it.
    pub left: u8,
    /// True if the PIN that was typed just before was wrong.
    pub was_wrong: bool,
}

/// What a walk needs besides the token. Each task has a desk of its own. All calls block: each walk has its own thread.
pub trait Desk: Send {
    /// Files a report and does not wait for its answer. The journal keeps it until it is delivered.
    ///
    /// # Errors
    ///
    /// [`DeskError::Journal`], [`DeskError::Stopping`].
    fn tell(&mut self, report: Report) -> Result<(), DeskError>;

    /// Files a report and waits for its answer, however long that takes. The ledger takes a report once, however often it is sent.
    ///
    /// # Errors
    ///
    /// [`DeskError::Rejected`] or [`DeskError::TaskOver`] if the service will never take it, [`DeskError::Journal`],
    /// [`DeskError::Stopping`].
    fn ask(&mut self, report: Report) -> Result<ReportReply, DeskError>;

    /// Keeps a secret of this task, sealed, until the task ends. It is on disk before this returns.
    ///
    /// # Errors
    ///
    /// [`DeskError::Journal`].
    fn keep(&mut self, what: &'static str, secret: &Secret) -> Result<(), DeskError>;

    /// A secret that this run or an earlier one kept.
    ///
    /// # Errors
    ///
    /// [`DeskError::Journal`] if the journal cannot be read.
    fn kept(&mut self, what: &'static str) -> Result<Option<Secret>, DeskError>;

    /// Tells the person what to do now: at the workstation, and as progress to those who watch the task.
    ///
    /// # Errors
    ///
    /// [`DeskError::Stopping`].
    fn show(&mut self, serial: Serial, prompt: Prompt, at: &str) -> Result<(), DeskError>;

    /// Asks the person twice for a new PIN that keeps the rules; or, if the settings say so, makes one and shows it.
    ///
    /// # Errors
    ///
    /// [`DeskError::Declined`], [`DeskError::Stopping`].
    fn new_pin(&mut self, serial: Serial, rules: &PinRules) -> Result<Secret, DeskError>;

    /// Asks for another new PIN, because the token finds the last one too simple.
    ///
    /// # Errors
    ///
    /// As [`Desk::new_pin`].
    fn another_pin(&mut self, serial: Serial, rules: &PinRules) -> Result<Secret, DeskError> {
        self.new_pin(serial, rules)
    }

    /// Repeats what the person must do, when that takes long. The service's answer tells whether the task is still open.
    ///
    /// # Errors
    ///
    /// As [`Desk::show`].
    fn remind(&mut self, serial: Serial, prompt: Prompt) -> Result<(), DeskError> {
        self.show(serial, prompt, "")
    }

    /// Asks the person for the token's PIN, and says how many tries are left.
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

    /// Sleeps for `length`, while the walk waits for a token or a person.
    ///
    /// # Errors
    ///
    /// [`DeskError::Stopping`], at once when the agent stops.
    fn pause(&mut self, length: Duration) -> Result<(), DeskError> {
        std::thread::sleep(length);
        Ok(())
    }
}
