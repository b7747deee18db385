//! Checks that a task comes from the ledger, and is for this agent.

use keyledger_domain::{
    Event, EventCid, Name, Record,
    cid::NotACid,
    event::Unreadable,
    token::{self, NotASerial, Serial, TaskFiled},
    verify::{Fault, Signatures},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The rules by which an agent trusts a task.
#[derive(Debug, Clone)]
pub struct TaskTrust {
    /// The public nkeys that sign for the ledger, from the enrolment.
    pub signers: Vec<String>,
    /// This workstation.
    pub workstation: Name,
    /// This agent's public nkey.
    pub agent: String,
}

/// A task as it came: the ledger's record with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedTask {
    /// The exact bytes of the record.
    pub record: String,
    /// Their CID.
    pub cid: EventCid,
    /// The public nkey that signed the CID.
    pub signer: String,
    /// The signature, base64url.
    pub signature: String,
}

/// A task that comes from the ledger and is for this agent.
#[derive(Debug, Clone)]
pub struct TrustedTask {
    /// The token to work on.
    pub serial: Serial,
    /// What is to be done.
    pub filed: TaskFiled,
}

impl TrustedTask {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.filed.task
    }
}

/// Why a task is not trusted, and so is not walked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskRejection {
    /// It lacks a header that every event of the ledger has.
    #[error("it is no event of the ledger: it has no {0}")]
    NoHeader(&'static str),
    /// It is not text.
    #[error("it is no event of the ledger: it is not text")]
    NotText(#[source] std::str::Utf8Error),
    /// Its header does not hold a CID.
    #[error("it is no event of the ledger")]
    Cid(#[source] NotACid),
    /// It does not have the form of a stored event.
    #[error("it is no event of the ledger")]
    Record(#[source] Unreadable),
    /// Its history is not a token's.
    #[error("it is about no token")]
    Token(#[source] NotASerial),
    /// Its bytes do not match its CID.
    #[error("its bytes are not those of its CID {0}: it was changed")]
    Changed(EventCid),
    /// The enrolment does not name its signer.
    #[error("it is signed by {0}, which this agent's enrolment does not name")]
    UnknownSigner(String),
    /// Its signature is not by the signer that it names.
    #[error("its signature is not by {signer}")]
    BadSignature {
        /// The signer that it names.
        signer: String,
        /// What is wrong with the signature.
        #[source]
        source: Fault,
    },
    /// It is an event of the ledger, but not a task.
    #[error("it is a {0}, not a task")]
    OtherEvent(String),
    /// It is for another workstation or another agent.
    #[error("it is for {workstation}, agent {agent}")]
    NotOurs {
        /// The workstation.
        workstation: String,
        /// The agent.
        agent: String,
    },
}

impl TaskTrust {
    /// Reads a task, if it comes from the ledger and is for this agent.
    ///
    /// # Errors
    ///
    /// [`TaskRejection`].
    pub fn check(&self, signed: &SignedTask) -> Result<TrustedTask, TaskRejection> {
        if EventCid::of(signed.record.as_bytes()) != signed.cid {
            return Err(TaskRejection::Changed(signed.cid));
        }
        let signer = || short(&signed.signer);
        if !self.signers.contains(&signed.signer) {
            return Err(TaskRejection::UnknownSigner(signer()));
        }
        Signatures::default()
            .check(&signed.signer, signed.cid, &signed.signature)
            .map_err(|source| TaskRejection::BadSignature {
                signer: signer(),
                source,
            })?;
        let task = read(&signed.record)?;
        if task.filed.workstation != self.workstation || *task.filed.agent != *self.agent {
            return Err(TaskRejection::NotOurs {
                workstation: task.filed.workstation.to_string(),
                agent: short(&task.filed.agent),
            });
        }
        Ok(task)
    }
}

/// Reads a task without checking where it comes from.
///
/// # Errors
///
/// [`TaskRejection::Record`], [`TaskRejection::OtherEvent`], [`TaskRejection::Token`].
pub(super) fn read(record: &str) -> Result<TrustedTask, TaskRejection> {
    let record = Record::read(record.as_bytes()).map_err(TaskRejection::Record)?;
    let type_name = record.event.type_name();
    let Event::Token(token::Event::TaskFiled(filed)) = record.event else {
        return Err(TaskRejection::OtherEvent(type_name.to_owned()));
    };
    let serial = Serial::of(&record.history.name);
    Ok(TrustedTask {
        serial: serial.map_err(TaskRejection::Token)?,
        filed,
    })
}

/// Shortens a text that comes from outside before it is shown.
fn short(text: &str) -> String {
    text.chars().take(80).collect()
}
