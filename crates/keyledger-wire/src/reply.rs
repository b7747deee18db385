//! What comes back: an acknowledgement or a refusal.

use keyledger_domain::{EventCid, Name, Timestamp, token::Slot};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is done, durably.
    Accepted,
    /// A rule refused it, or something outside the command failed. Nothing was written.
    Rejected,
}

/// A command was accepted: what it wrote survives power loss.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Acknowledgement {
    /// `accepted`.
    pub status: Status,
    /// The command's id.
    #[schemars(with = "String")]
    pub command_id: Uuid,
    /// The conversation.
    #[schemars(with = "String")]
    pub correlation_id: Uuid,
    /// The aggregate's name.
    pub id: String,
    /// The last revision it wrote; the newest one if it changed nothing.
    pub revision: u32,
    /// The CID of that revision.
    pub cid: EventCid,
    /// The state it left.
    pub state: String,
    /// False only where an administrator started the service with `--accept-data-loss`.
    pub durable: bool,
    /// The user's JWT, where one was issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<String>,
    /// The user's creds, sealed to the requester, where they were generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creds: Option<Sealed>,
    /// Released secrets, sealed to the requester: those of a token, the ones first that most likely open it, or a principal's key that
    /// custody holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Sealed>,
    /// More about what was done, as sentences for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// The certificate over the key, where the command brought one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<IssuedCertificate>,
}

/// A certificate that a command added to the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IssuedCertificate {
    /// The key that signed it; a root's certificate names its own key.
    pub issuer: Name,
    /// Its serial number, lower-case hex.
    pub serial: String,
    /// From when on it holds.
    pub not_before: Timestamp,
    /// Until when it holds.
    pub not_after: Timestamp,
    /// The end that was asked for, if the certificate ends earlier: it may not outlive its issuer's own certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_short_from: Option<Timestamp>,
}

/// An agent's report was taken: what it says is in the ledger, as far as it belongs there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportReply {
    /// `accepted`.
    pub status: Status,
    /// The token's state, in a word.
    pub state: String,
    /// False if the agent must stop this task: it has ended, or it never belonged to this agent.
    pub task_open: bool,
    /// Why the evidence was not enough, if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The certificates to write, by slot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<SlotCertificate>,
    /// The token's secrets, sealed to the agent, if it asked for them: the ones that were last proved to open the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Sealed>,
    /// Secrets that unfinished tasks may have set since then, the newest first. The token's management key shows which ones are set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubtful_secrets: Vec<Sealed>,
    /// The key to import, sealed to the agent, where it asked for it: when it was made (seconds since 1970, 8 bytes,
    /// big-endian), then its scalar (32 bytes, the lowest first).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escrowed: Option<Sealed>,
}

/// A certificate for a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotCertificate {
    /// The slot.
    pub slot: Slot,
    /// Base64 of the DER certificate.
    pub certificate: String,
}

/// Something secret, sealed to a public curve key (an nkey `X…`): only its holder can open it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Sealed {
    /// The sender's public curve key, made for this one message.
    pub sender: String,
    /// Base64 of the sealed bytes, in NATS's `xkv1` form.
    pub sealed: String,
}

/// A command or a question was refused: nothing was written.
#[derive(
    Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error, schemars::JsonSchema,
)]
#[error("{reason}: {message}")]
pub struct Refusal {
    /// `rejected`.
    pub status: Status,
    /// The command's id, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub command_id: Option<Uuid>,
    /// The conversation, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub correlation_id: Option<Uuid>,
    /// The stable name of the rule or of the fault.
    pub reason: String,
    /// What is wrong and what to do, in a sentence.
    pub message: String,
    /// 400–499: the caller can fix it. 500–599: something outside the command failed.
    pub code: u16,
    /// Milliseconds after which to try again, where the service can say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    /// True where trying again, under the same id, may help.
    #[must_use]
    pub const fn is_worth_retrying(&self) -> bool {
        self.code >= 500
    }
}

/// Errors that a caller can meet, with their code and what to do: the second part of the table.
pub const ERRORS: &[(&str, u16, &str)] = &[
    (
        "busy",
        503,
        "the service has too many requests at once: try again after `retry_after_ms`, with the same `CIM-Message-Id`",
    ),
    (
        "not_durable",
        503,
        "a server would lose acknowledged writes: set `sync_interval: always` on the server named",
    ),
    (
        "not_ready",
        503,
        "the service is starting, or is reading what another instance wrote: try again",
    ),
    (
        "clock_skewed",
        503,
        "the clocks of the service's machine, of nats-server and the ledger's time are more than a minute apart: set them by NTP, then try again",
    ),
    (
        "too_many_reports",
        503,
        "an agent's announcements change too often: wait, and look at its workstation",
    ),
    (
        "allowance_used",
        503,
        "this user adds events to the ledger faster than it may: wait for `retry_after_ms`, or raise the allowance of `keyledger serve`",
    ),
    (
        "store_unavailable",
        503,
        "JetStream did not acknowledge: try again with the same `CIM-Message-Id`",
    ),
    (
        "store_full",
        507,
        "the disk or a limit is full: make room, then restart nats-server, which takes no writes until then",
    ),
    (
        "custody_failed",
        500,
        "the secret could not be made, sealed or opened: see the service's log",
    ),
    (
        "sealed",
        503,
        "the vault of this instance is sealed: open it with `keyledger vault open` on its machine, then try again",
    ),
    (
        "not_enforceable",
        503,
        "the servers could not be made to enforce it: `keyledger doctor` says why",
    ),
    (
        "ledger_broken",
        500,
        "the stream is not what was written: run `keyledger ledger verify`",
    ),
];
