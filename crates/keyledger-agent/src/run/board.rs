//! What the agent is doing, for the commands `keyledger-agent status` and `tokens`.

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
    /// The prefix of all subjects.
    pub prefix: String,
    /// The process id.
    pub pid: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// When the agent's JWT expires.
    pub expires_at: Option<Timestamp>,
    /// The connection.
    pub connection: ConnectionStatus,
    /// Tasks that have not ended.
    pub tasks: Vec<TaskStatus>,
    /// How many announcements wait for delivery.
    pub announcements: usize,
    /// Tasks that have ended since the agent started: the last 20, the oldest first.
    pub ended: Vec<EndedTask>,
    /// Reports that the service rejected for good: the last 20, the oldest first.
    pub refused: Vec<RejectedReport>,
    /// The tokens that are plugged in.
    pub tokens: Vec<TokenSeen>,
    /// Why the readers cannot be watched, if they cannot.
    pub readers: Option<String>,
}

/// The connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionStatus {
    /// The URLs of the servers.
    pub url: String,
    /// Its state.
    pub state: ConnectionState,
    /// Since when it has this state.
    pub since: Timestamp,
    /// What last went wrong with it, in a sentence.
    pub trouble: Option<String>,
}

/// The state of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// There is no connection: the agent tries again and again.
    Offline,
    /// There is a connection, but no queue of tasks yet: the service makes it.
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
    /// Its state.
    pub state: TaskState,
    /// The step that the walk has reached.
    pub step: Option<Step>,
    /// What the person must do now.
    pub prompt: Option<Prompt>,
    /// The slot or key that is being worked on.
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
    /// Why it failed, if it did and the agent was told.
    pub fault: Option<String>,
}

/// The state of a task on this workstation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// It waits for another task of the same token, or for its next try.
    Waiting,
    /// It is being walked.
    Walking,
    /// The walk waits for the service's answer.
    Asking,
}

/// This many ended tasks are remembered.
const MAX_PAST: usize = 20;

/// The board on which the agent writes what it is doing.
#[derive(Debug)]
pub(crate) struct Board(Mutex<AgentStatus>);

impl Board {
    pub(crate) const fn new(status: AgentStatus) -> Self {
        Self(Mutex::new(status))
    }

    /// A copy of what is on the board.
    pub(crate) fn read(&self) -> AgentStatus {
        self.lock().clone()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, AgentStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the state of the connection.
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

    /// Notes what is wrong with the connection.
    pub(crate) fn trouble(&self, what: String) {
        self.lock().connection.trouble = Some(what);
    }

    /// Notes that a task has ended.
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

    /// Notes which reports were rejected for good, as the journal lists them.
    pub(crate) fn refused(&self, refused: Vec<RejectedReport>) {
        let mut status = self.lock();
        status.refused.retain(|before| before.task.is_none());
        status.refused.extend(refused);
    }

    /// Notes that an announcement was rejected. Keeps the last of each token, and counts them.
    pub(crate) fn announcement_refused(&self, mut refused: RejectedReport) {
        let mut status = self.lock();
        let same =
            |before: &RejectedReport| before.task.is_none() && before.serial == refused.serial;
        if let Some(at) = status.refused.iter().position(same) {
            refused.count += status.refused.remove(at).count;
        }
        status.refused.push(refused);
    }

    /// Forgets what was rejected of a token in other tasks than this one.
    pub(crate) fn forget_refused(&self, serial: Serial, but: Uuid) {
        let mut status = self.lock();
        status
            .refused
            .retain(|before| before.serial != Some(serial) || before.task == Some(but));
    }

    /// The token of a task, if the task is on the board.
    pub(crate) fn token_of(&self, task: Uuid) -> Option<Serial> {
        let status = self.lock();
        let task = status.tasks.iter().find(|t| t.task == task);
        task.map(|task| task.serial)
    }

    /// What is wrong with a task, if anything is.
    pub(crate) fn trouble_of(&self, task: Uuid) -> Option<String> {
        let status = self.lock();
        let task = status.tasks.iter().find(|t| t.task == task)?;
        task.trouble.clone()
    }

    /// Changes the status of a task, if it is on the board.
    pub(crate) fn task(&self, task: Uuid, change: impl FnOnce(&mut TaskStatus)) {
        let mut status = self.lock();
        if let Some(status) = status.tasks.iter_mut().find(|t| t.task == task) {
            change(status);
        }
    }
}
