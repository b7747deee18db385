//! The seam to the hardware: what is plugged in, and how a task is walked on it.

use keyledger_custody::Secret;
use keyledger_domain::{
    Timestamp,
    token::{Announcement, Serial, Slot, TaskFiled},
};
use serde::{Deserialize, Serialize};

use crate::{
    card::CardError,
    desk::{Desk, DeskError, PinTries},
    person::PersonError,
    stop::Stop,
};

/// The tokens of this workstation. All calls block: the run makes them on threads of their own.
pub trait Tokens: Send + Sync + 'static {
    /// Watches the readers until `stop` is signalled. Calls `see` with everything that is plugged in: once at the beginning, and after
    /// each change.
    ///
    /// # Errors
    ///
    /// [`CardError`] if nothing can be watched now. It is called again after a pause.
    fn watch(&self, stop: &Stop, see: &mut dyn FnMut(&[TokenSeen])) -> Result<(), CardError>;

    /// Walks a task on the token `serial` to its end, from what the token shows. Waits for the token while it is not plugged in. The task
    /// has ended once the service says so to `desk`, whether it went well or failed; until then it is walked again.
    ///
    /// No two walks on one token run at once. Everything that the service or the person takes part in goes through `desk`.
    ///
    /// # Errors
    ///
    /// The error that `desk` returned, or [`DeskError::Workstation`]. After [`DeskError::Stopping`], the task is walked again when the agent
    /// starts again.
    fn walk(&self, serial: Serial, task: &TaskFiled, desk: &mut dyn Desk) -> Result<(), DeskError>;

    /// Signs a statement with the key in a slot of a token that is plugged in, with the PIN and the touch that the key asks for.
    ///
    /// # Errors
    ///
    /// [`TokenSignError`]; nothing was signed.
    fn sign(
        &self,
        serial: Serial,
        slot: Slot,
        statement: &[u8],
        person: &mut dyn Signatory,
    ) -> Result<Vec<u8>, TokenSignError>;
}

/// The person who signs, and who has been shown what is to be signed.
pub trait Signatory {
    /// Asks for the token's PIN, and says how many tries are left.
    ///
    /// # Errors
    ///
    /// [`TokenSignError::Person`].
    fn pin(&mut self, tries: PinTries) -> Result<Secret, TokenSignError>;

    /// Asks the person to touch the token now.
    fn touch(&mut self);

    /// True while somebody waits for the signature.
    fn waits(&self) -> bool;
}

/// Why a token did not sign, in a sentence for the person.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenSignError {
    /// The person said no, or cannot be asked.
    #[error(transparent)]
    Person(#[from] PersonError),
    /// The token does not sign.
    #[error(transparent)]
    Card(#[from] CardError),
    /// The PIN is blocked: it has to be unblocked.
    #[error(
        "the PIN of token {0} is blocked: the administrator files a task that unblocks it, `keyledger token unblock {0}`"
    )]
    Blocked(Serial),
    /// The same wrong PIN came twice. A program that remembers PINs would go on until the PIN is blocked.
    #[error(
        "the same wrong PIN of token {0} was given twice, and not tried again; if a program remembers PINs for you, let it forget this one"
    )]
    SameWrongPin(Serial),
    /// A task is being walked on the token: wait until it ends.
    #[error("a task of token {0} is under way: wait for its end, see `keyledger-agent status`")]
    Busy(Serial),
    /// The program that asked for the signature is gone.
    #[error("nobody waits for the signature any more")]
    Abandoned,
    /// The slot holds no key.
    #[error(
        "slot {0} is empty: commands are signed by a key that was made there when the token was provisioned"
    )]
    Empty(Slot),
    /// The key signs without a PIN, so the signature would not show that a person agreed.
    #[error("the key in slot {0} asks for no PIN, so it must not sign commands: use another slot")]
    NoPin(Slot),
    /// Its algorithm cannot sign.
    #[error("the key in slot {0} cannot sign: use another slot")]
    CannotSign(Slot),
    /// Nobody touched the token.
    #[error("nobody touched token {0} while it blinked")]
    NotTouched(Serial),
}

/// A token in a reader, as the agent last saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSeen {
    /// The reader's name.
    pub reader: String,
    /// What the token shows; absent if it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shows: Option<Announcement>,
    /// When it showed that. The agent does not learn what other programs have changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
    /// Why it could not be read, and what to do; for example, which program holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}
