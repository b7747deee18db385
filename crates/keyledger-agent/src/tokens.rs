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

/// The tokens of this workstation. Everything here blocks: the runtime gives it threads of its own.
pub trait Tokens: Send + Sync + 'static {
    /// Watches what is plugged in until `stop` says so, and gives `see` everything that is plugged in: once at the
    /// beginning, and whenever something of it has changed.
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
    /// What `desk` said, as it said it. With [`DeskError::Stopping`] the task is walked again when the agent starts again.
    fn walk(&self, serial: Serial, task: &TaskFiled, desk: &mut dyn Desk) -> Result<(), DeskError>;

    /// Signs a statement with the key in a slot of a token that is plugged in, with the PIN and the touch that it asks for.
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

/// The person whose signature it is, who has been shown what is signed.
pub trait Signatory {
    /// Asks for the token's PIN, and tells how it stands with it.
    ///
    /// # Errors
    ///
    /// [`TokenSignError::Person`].
    fn pin(&mut self, tries: PinTries) -> Result<Secret, TokenSignError>;

    /// Says that the token is to be touched now.
    fn touch(&mut self);

    /// True while somebody waits for the signature.
    fn waits(&self) -> bool;
}

/// Why nothing was signed: a sentence for the person.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenSignError {
    /// The person said no, or cannot be asked.
    #[error(transparent)]
    Person(#[from] PersonError),
    /// The token does not sign.
    #[error(transparent)]
    Card(#[from] CardError),
    /// Its PIN is blocked: it has to be unblocked.
    #[error(
        "the PIN of token {0} is blocked: the administrator files a task that unblocks it, `keyledger token unblock {0}`"
    )]
    Blocked(Serial),
    /// The same wrong PIN came twice: that would go on until it is blocked.
    #[error(
        "the same wrong PIN of token {0} was given twice, and not tried again; if a program remembers PINs for you, let it forget this one"
    )]
    SameWrongPin(Serial),
    /// A task is walked with it: wait for its end.
    #[error("a task of token {0} is under way: wait for its end, see `keyledger-agent status`")]
    Busy(Serial),
    /// Whoever asked for it is gone.
    #[error("nobody waits for the signature any more")]
    Abandoned,
    /// There is no key.
    #[error(
        "slot {0} is empty: commands are signed by a key that was made there when the token was provisioned"
    )]
    Empty(Slot),
    /// The key signs without a person: that would be nobody's signature.
    #[error("the key in slot {0} asks for no PIN, and signs no commands: use another slot")]
    NoPin(Slot),
    /// It is of an algorithm that does not sign.
    #[error("the key in slot {0} cannot sign: use another slot")]
    CannotSign(Slot),
    /// Nobody touched it.
    #[error("nobody touched token {0} while it blinked")]
    NotTouched(Serial),
}

/// What is plugged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSeen {
    /// The reader's name.
    pub reader: String,
    /// What the token shows; absent if it could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shows: Option<Announcement>,
    /// When it showed that: what another program did since, nobody tells the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
    /// Why it could not be asked, and what to do: who holds it, say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}
