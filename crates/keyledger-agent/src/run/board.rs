//! What the agent is doing, for who asks: `keyledger-agent status` and `tokens`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use keyledger_domain::{
    Timestamp,
    token::{Prompt, Serial, Step},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::journal::RejectedReport;
use crate::{clock, tokens::TokenSeen};

/// What the agent is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentStatus {
    /// The agent's version.
    pub version: String,
    /// Its public nkey.
    pub agent: String,
    /// The workstation.
    pub workstation: String,
    /// What all subjects begin with.
    pub prefix: String,
    /// The process.
    pub pid: u32,
    /// Since when it runs.
    pub started_at: Timestamp,
    /// When the agent's JWT expires.
    pub expires_at: Option<Timestamp>,
    /// The connection.
    pub connection: ConnectionStatus,
    /// Tasks that have not ended.
    pub tasks: Vec<TaskStatus>,
    /// Announcements to deliver.
    pub announcements: usize,
    /// Tasks that have ended since the agent runs, the oldest first; the last 20.
    pub ended: Vec<EndedTask>,
    /// Reports that the service refused for good, the oldest first; the last 20.
    pub refused: Vec<RejectedReport>,
    /// What is plugged in.
    pub tokens: Vec<TokenSeen>,
    /// Why readers cannot be watched, if they cannot.
    pub readers: Option<String>,
}

/// The connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionStatus {
    /// Where to.
    pub url: String,
    /// How it stands.
    pub state: ConnectionState,
    /// Since when.
    pub since: Timestamp,
    /// What last went wrong with it, in a sentence.
    pub trouble: Option<String>,
}

/// How the connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// There is none: the agent tries again and again.
    Offline,
    /// There is one, but no queue of tasks yet: the service makes it.
    NoQueue,
    /// Tasks come in.
    Online,
}

/// A task that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStatus {
    /// Its id.
    pub task: Uuid,
    /// What is to be done.
    pub kind: String,
    /// The token.
    pub serial: Serial,
    /// How it stands.
    pub state: TaskState,
    /// The step it has come to.
    pub step: Option<Step>,
    /// What the person must do now.
    pub prompt: Option<Prompt>,
    /// What is being worked on.
    pub at: Option<String>,
    /// What it waits for, or what is wrong.
    pub trouble: Option<String>,
    /// Reports to deliver.
    pub undelivered: usize,
}

/// A task that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedTask {
    /// Its id.
    pub task: Uuid,
    /// What was to be done.
    pub kind: String,
    /// The token.
    pub serial: Serial,
    /// When it ended.
    pub at: Timestamp,
    /// Why it did not end well, as far as the agent was told.
    pub fault: Option<String>,
}

/// How a task stands on this workstation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// It waits for another task of the same token, or for its next try.
    Waiting,
    /// It is walked.
    Walking,
    /// The walk waits for the service's answer.
    Asking,
}

/// So much is remembered of what is over.
const MAX_PAST: usize = 20;

/// Where the agent writes what it is doing.
#[derive(Debug)]
pub(crate) struct Board(Mutex<AgentStatus>);

impl Board {
    pub(crate) const fn new(status: AgentStatus) -> Self {
        Self(Mutex::new(status))
    }

    /// What stands on it.
    pub(crate) fn read(&self) -> AgentStatus {
        self.lock().clone()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, AgentStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection stands so, now.
    pub(crate) fn connection(&self, state: ConnectionState) {
        let connection = &mut self.lock().connection;
        if connection.state != state {
            connection.state = state;
            connection.since = clock::now();
        }
        if state == ConnectionState::Online {
            connection.trouble = None;
        }
    }

    /// Something is wrong with the connection.
    pub(crate) fn trouble(&self, what: String) {
        self.lock().connection.trouble = Some(what);
    }

    /// A task has ended.
    pub(crate) fn ended(&self, task: Uuid, fault: Option<String>) {
        let mut status = self.lock();
        let Some(at) = status.tasks.iter().position(|t| t.task == task) else {
            return;
        };
        let over = status.tasks.remove(at);
        status.ended.push(EndedTask {
            task,
            kind: over.kind,
            serial: over.serial,
            at: clock::now(),
            fault,
        });
        let too_many = status.ended.len().saturating_sub(MAX_PAST);
        status.ended.drain(..too_many);
    }

    /// These reports were refused for good, as the journal has it.
    pub(crate) fn refused(&self, refused: Vec<RejectedReport>) {
        let mut status = self.lock();
        status.refused.retain(|before| before.task.is_none());
        status.refused.extend(refused);
    }

    /// The announcement of a token was refused: of each the last one, with their number.
    pub(crate) fn announcement_refused(&self, mut refused: RejectedReport) {
        let mut status = self.lock();
        let same =
            |before: &RejectedReport| before.task.is_none() && before.serial == refused.serial;
        if let Some(at) = status.refused.iter().position(same) {
            refused.count += status.refused.remove(at).count;
        }
        status.refused.push(refused);
    }

    /// What was refused of a token before this task is of no interest any more.
    pub(crate) fn forget_refused(&self, serial: Serial, but: Uuid) {
        let mut status = self.lock();
        status
            .refused
            .retain(|before| before.serial != Some(serial) || before.task == Some(but));
    }

    /// The token of a task that is there.
    pub(crate) fn token_of(&self, task: Uuid) -> Option<Serial> {
        let status = self.lock();
        let task = status.tasks.iter().find(|t| t.task == task);
        task.map(|task| task.serial)
    }

    /// What is wrong with a task, if something is.
    pub(crate) fn trouble_of(&self, task: Uuid) -> Option<String> {
        let status = self.lock();
        let task = status.tasks.iter().find(|t| t.task == task)?;
        task.trouble.clone()
    }

    /// Changes what is said of a task, if it is there.
    pub(crate) fn task(&self, task: Uuid, change: impl FnOnce(&mut TaskStatus)) {
        let mut status = self.lock();
        if let Some(status) = status.tasks.iter_mut().find(|t| t.task == task) {
            change(status);
        }
    }
}
