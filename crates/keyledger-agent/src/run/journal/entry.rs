//! A line of the journal: a JSON body, a tab, and the signature over the body.

use data_encoding::BASE64URL_NOPAD;
use keyledger_domain::{
    EventCid, Timestamp,
    token::{Report, Serial},
    verify::{Fault, Signatures},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    identity::{Identity, IdentityError},
    run::trust::SignedTask,
};

/// The version of the journal's form.
pub(crate) const VERSION: u8 = 1;

/// The content of a line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum JournalEntry {
    /// The journal begins. It is written anew after each task that has ended.
    Opened {
        /// [`VERSION`].
        version: u8,
        /// The agent's public nkey.
        agent: String,
    },
    /// A task was taken from the queue.
    Taken {
        /// Its id.
        task: Uuid,
        /// The record and its signature.
        signed: SignedTask,
    },
    /// A secret of a task, sealed to the agent's own curve key.
    Kept {
        /// The task.
        task: Uuid,
        /// The name of the secret.
        what: String,
        /// The public curve key it was sealed with.
        sender: String,
        /// The sealed bytes, base64url.
        sealed: String,
    },
    /// A report is to be delivered.
    Filed(Filed),
    /// A report was delivered: the service has acknowledged it.
    Delivered {
        /// The report's message id.
        message: Uuid,
    },
    /// The service rejected a report for good.
    Refused(RejectedReport),
    /// A task has ended at the service.
    Ended {
        /// The task.
        task: Uuid,
    },
}

/// A report to deliver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filed {
    /// The task.
    pub(crate) task: Uuid,
    /// The id of its message: always the same, however often it is sent.
    pub(crate) message: Uuid,
    /// True if the walk waits for the answer.
    pub(crate) asked: bool,
    /// The report.
    pub(crate) report: Report,
}

/// A report that the service rejected for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RejectedReport {
    /// The task; absent for an announcement.
    pub task: Option<Uuid>,
    /// The token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<Serial>,
    /// The message's id.
    pub message: Uuid,
    /// The name of the report.
    pub report: String,
    /// The service's reason, and what it says of it.
    pub reason: String,
    /// When it was rejected.
    pub at: Timestamp,
    /// How many reports of this task were rejected, including this one.
    #[serde(default = "one")]
    pub count: u32,
}

const fn one() -> u32 {
    1
}

/// The body of a line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineBody {
    /// The line's number, from 1.
    line: u64,
    /// The hash of the body before this one; absent in line 1.
    prev: Option<EventCid>,
    at: Timestamp,
    entry: JournalEntry,
}

/// Why a line is not one that this agent wrote there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalLineError {
    /// There is no tab, and so no signature behind it.
    #[error("it has no signature")]
    Unsigned,
    /// The bytes behind the tab are not text.
    #[error("its signature is not text")]
    NotText(#[source] std::str::Utf8Error),
    /// Somebody else wrote it, or changed it.
    #[error("its signature is not this agent's")]
    Signature(#[source] Fault),
    /// It is signed, but holds no entry that this version knows.
    #[error("it cannot be read")]
    Unreadable(#[source] serde_json::Error),
    /// A line before it was taken away, added or moved.
    #[error("it does not follow the line before it")]
    OutOfOrder,
    /// A newer agent wrote it.
    #[error("it is of version {0}, which this agent does not know")]
    Version(u8),
    /// A journal begins in the middle of another.
    #[error("a journal begins in it")]
    SecondBeginning,
    /// The first line is not one that begins a journal.
    #[error("no journal begins with it")]
    NoBeginning,
}

/// A position in a journal: what the next line must follow.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct JournalPosition {
    line: u64,
    prev: Option<EventCid>,
}

impl JournalPosition {
    /// The number of lines so far.
    pub(crate) const fn line(self) -> u64 {
        self.line
    }

    /// Writes the next line, with its line break.
    pub(crate) fn write(
        &mut self,
        entry: &JournalEntry,
        at: Timestamp,
        identity: &dyn Identity,
    ) -> Result<Vec<u8>, IdentityError> {
        let body = LineBody {
            line: self.line + 1,
            prev: self.prev,
            at,
            entry: entry.clone(),
        };
        let mut line = serde_json::to_vec(&body).expect("an entry has only text keys");
        let cid = EventCid::of(&line);
        let signature = identity.sign(&cid.to_bytes())?;
        line.push(b'\t');
        line.extend_from_slice(BASE64URL_NOPAD.encode(&signature).as_bytes());
        line.push(b'\n');
        self.line += 1;
        self.prev = Some(cid);
        Ok(line)
    }

    /// Reads the next line, given without its line break.
    pub(crate) fn read(
        &mut self,
        line: &[u8],
        agent: &str,
        signatures: &mut Signatures,
    ) -> Result<JournalEntry, JournalLineError> {
        let tab = line.iter().rposition(|byte| *byte == b'\t');
        let (body, signature) = line.split_at(tab.ok_or(JournalLineError::Unsigned)?);
        let signature = std::str::from_utf8(&signature[1..]).map_err(JournalLineError::NotText)?;
        let cid = EventCid::of(body);
        signatures
            .check(agent, cid, signature)
            .map_err(JournalLineError::Signature)?;
        let body: LineBody = serde_json::from_slice(body).map_err(JournalLineError::Unreadable)?;
        if body.line != self.line + 1 || body.prev != self.prev {
            return Err(JournalLineError::OutOfOrder);
        }
        self.line += 1;
        self.prev = Some(cid);
        Ok(body.entry)
    }
}

/// The author of a journal: the agent that its first line names, if that agent signed the line.
pub(crate) fn author(journal: &[u8]) -> Option<String> {
    let line = journal.split(|byte| *byte == b'\n').next()?;
    let body = line.split(|byte| *byte == b'\t').next()?;
    let JournalEntry::Opened { agent, .. } = serde_json::from_slice::<LineBody>(body).ok()?.entry
    else {
        return None;
    };
    let signed = JournalPosition::default().read(line, &agent, &mut Signatures::default());
    signed.is_ok().then_some(agent)
}
