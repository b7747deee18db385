//! Whether a task is the ledger's, and for this agent.

use keyledger_domain::{
    Event, EventCid, Name, Record,
    cid::NotACid,
    event::Unreadable,
    token::{self, NotASerial, Serial, TaskFiled},
    verify::{Fault, Signatures},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Whose tasks are walked.
#[derive(Debug, Clone)]
pub struct TaskTrust {
    /// The public nkeys that sign for the ledger, as the enrolment names them.
    pub signers: Vec<String>,
    /// This workstation.
    pub workstation: Name,
    /// This agent's public nkey.
    pub agent: String,
}

/// A task as it came: the ledger's record, and what proves that it is the ledger's.
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

/// A task of the ledger, for this agent.
#[derive(Debug, Clone)]
pub struct TrustedTask {
    /// The token it is about.
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

/// Why a task is not walked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskRejection {
    /// A header is missing that every event of the ledger has.
    #[error("it is no event of the ledger: it has no {0}")]
    NoHeader(&'static str),
    /// It is not text.
    #[error("it is no event of the ledger: it is not text")]
    NotText(#[source] std::str::Utf8Error),
    /// Its header holds no CID.
    #[error("it is no event of the ledger")]
    Cid(#[source] NotACid),
    /// It has not the form of a stored event.
    #[error("it is no event of the ledger")]
    Record(#[source] Unreadable),
    /// Its history is not a token's.
    #[error("it is about no token")]
    Token(#[source] NotASerial),
    /// The bytes are not what was signed.
    #[error("its bytes are not those of its CID {0}: it was changed")]
    Changed(EventCid),
    /// Somebody signed it whom the enrolment does not name.
    #[error("it is signed by {0}, whom this agent's enrolment does not name")]
    UnknownSigner(String),
    /// The signature is not by whom it says.
    #[error("its signature is not by {signer}")]
    BadSignature {
        /// Whom it names as its signer.
        signer: String,
        /// What is wrong with the signature.
        #[source]
        source: Fault,
    },
    /// It is an event of another kind.
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
    /// Reads a task, if it is the ledger's and for this agent.
    ///
    /// # Errors
    ///
    /// [`TaskRejection`] says why not.
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

/// Reads a task without asking whose it is.
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

/// From outside: shown back shortened.
fn short(text: &str) -> String {
    text.chars().take(80).collect()
}
