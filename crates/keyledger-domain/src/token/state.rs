//! The state of a token: the fold of its events.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Announcement, Event, Profile, Step, TaskFiled, TaskKind, TokenKey};
use crate::{
    name::Name,
    text::{Note, Title},
    time::Timestamp,
};

/// Where a token stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// An agent saw it; it is nobody's yet.
    Seen,
    /// It is the organisation's, and nothing is on it.
    Enrolled,
    /// A task to provision it is under way.
    Provisioning,
    /// It is what its profile says, and that was proved.
    Provisioned,
    /// Its evidence did not fit, or it was found again: not to be used before it is reset.
    Quarantined,
    /// It was lost.
    Lost,
    /// It is out of use for good.
    Retired,
    /// It was physically destroyed.
    Destroyed,
}

impl Phase {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 8] = [
        Self::Seen,
        Self::Enrolled,
        Self::Provisioning,
        Self::Provisioned,
        Self::Quarantined,
        Self::Lost,
        Self::Retired,
        Self::Destroyed,
    ];

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Enrolled => "enrolled",
            Self::Provisioning => "provisioning",
            Self::Provisioned => "provisioned",
            Self::Quarantined => "quarantined",
            Self::Lost => "lost",
            Self::Retired => "retired",
            Self::Destroyed => "destroyed",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A task that has not come to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenTask {
    /// What was filed.
    pub filed: TaskFiled,
    /// When.
    pub filed_at: Timestamp,
    /// Where the token stood then.
    pub before: Phase,
    /// The furthest step that was reported.
    pub step: Option<Step>,
    /// The entry of the secrets that were made for it.
    pub entry: Option<Box<str>>,
    /// The keys that were made for it.
    pub keys: Vec<TokenKey>,
}

/// A token as its history left it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Where it stands in its life.
    pub phase: Phase,
    /// What people call it.
    pub title: Option<Title>,
    /// Who holds it.
    pub principal: Option<Name>,
    /// What it last showed.
    pub shown: Option<Box<Announcement>>,
    /// The workstation it was last seen at.
    pub workstation: Option<Name>,
    /// When it last showed something new.
    pub shown_at: Option<Timestamp>,
    /// What it was provisioned with.
    pub profile: Option<Box<Profile>>,
    /// The task under way.
    pub task: Option<Box<OpenTask>>,
    /// The keys on it, proved.
    pub keys: Vec<TokenKey>,
    /// How many keys were ever made on it: numbers their names.
    pub keys_ever: u32,
    /// The entry of its secrets in custody.
    pub entry: Option<Box<str>>,
    /// NATS users that are revoked when it is lost.
    pub users: Vec<Name>,
    /// When its evidence was last checked and fitted.
    pub proved_at: Option<Timestamp>,
    /// Why it is in quarantine, or why the last task failed.
    pub fault: Option<Note>,
    /// The last task that came to its end, and whether it did what it was for.
    pub last_task: Option<(Uuid, bool)>,
}

impl OpenTask {
    /// True once nothing that was on the token before is on it.
    #[must_use]
    pub fn is_past_reset(&self) -> bool {
        self.filed.kind == TaskKind::Provision && self.step.is_some_and(|step| step > Step::Reset)
    }
}

impl Token {
    /// The token as its first event makes it; nothing if that does not begin a history.
    #[must_use]
    pub fn create(event: &Event, at: Timestamp) -> Option<Self> {
        if !matches!(event, Event::Announced(_) | Event::Enrolled(_)) {
            return None;
        }
        let mut token = Self {
            phase: Phase::Seen,
            title: None,
            principal: None,
            shown: None,
            workstation: None,
            shown_at: None,
            profile: None,
            task: None,
            keys: Vec::new(),
            keys_ever: 0,
            entry: None,
            users: Vec::new(),
            proved_at: None,
            fault: None,
            last_task: None,
        };
        token.evolve(event, at);
        Some(token)
    }

    /// Takes in what happened at `at`. Holds no rule: whatever happened, happened.
    pub fn evolve(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::Announced(a) => {
                self.shown = Some(Box::new(a.shown.clone()));
                self.workstation = Some(a.workstation.clone());
                self.shown_at = Some(at);
            }
            Event::Enrolled(e) => {
                self.phase = Phase::Enrolled;
                self.title.clone_from(&e.title);
            }
            Event::Assigned(a) => self.principal = Some(a.principal.clone()),
            Event::TaskFiled(filed) => {
                let before = self.phase;
                if filed.kind == TaskKind::Provision {
                    self.phase = Phase::Provisioning;
                    self.fault = None;
                }
                self.task = Some(Box::new(OpenTask {
                    filed: filed.clone(),
                    filed_at: at,
                    before,
                    step: None,
                    entry: None,
                    keys: Vec::new(),
                }));
            }
            Event::TaskProgressed(p) => self.on_task(|task| task.step = Some(p.step)),
            Event::SecretsEscrowed(s) => self.on_task(|task| task.entry = Some(s.entry.clone())),
            Event::KeysMade(made) => {
                self.keys_ever += u32::try_from(made.keys.len()).unwrap_or_default();
                // What a reset destroyed is no longer on it, whatever comes of the task.
                self.keys.clear();
                self.on_task(|task| {
                    task.keys
                        .retain(|k| made.keys.iter().all(|m| m.place != k.place));
                    task.keys.extend(made.keys.iter().cloned());
                });
            }
            Event::Provisioned(p) => {
                self.phase = Phase::Provisioned;
                self.proved_at = Some(at);
                if let Some(task) = self.end_task(p.task, true) {
                    self.profile = task.filed.profile.map(Box::new);
                    self.keys = task.keys;
                    self.entry = task.entry.or(self.entry.take());
                }
            }
            Event::Verified(p) => {
                self.proved_at = Some(at);
                self.fault = None;
                self.end_task(p.task, true);
            }
            Event::WasReset(e) => {
                self.phase = Phase::Enrolled;
                self.profile = None;
                self.keys.clear();
                self.entry = None;
                self.proved_at = None;
                self.fault = None;
                self.end_task(e.task, true);
            }
            Event::Unblocked(e) => {
                self.end_task(e.task, true);
            }
            Event::SecretsRotated(e) => {
                if let Some(task) = self.end_task(e.task, true) {
                    self.entry = task.entry.or(self.entry.take());
                }
            }
            Event::Quarantined(q) => {
                self.end_too_early(q.task);
                self.phase = Phase::Quarantined;
                self.fault = Some(q.fault.clone());
            }
            Event::TaskFailed(f) => {
                self.fault = Some(f.detail.clone());
                self.end_too_early(f.task);
            }
            Event::TaskCancelled(e) => self.end_too_early(e.task),
            Event::UserBound(b) => self.users.push(b.user.clone()),
            Event::SecretsReleased(_) => {}
            Event::Lost(_) => {
                self.phase = Phase::Lost;
                self.task = None;
            }
            Event::Found(_) => self.phase = Phase::Quarantined,
            Event::Retired(_) => self.phase = Phase::Retired,
            Event::Destroyed(_) => self.phase = Phase::Destroyed,
        }
    }

    fn on_task(&mut self, change: impl FnOnce(&mut OpenTask)) {
        if let Some(task) = &mut self.task {
            change(task);
        }
    }

    fn end_task(&mut self, task: Uuid, done: bool) -> Option<OpenTask> {
        self.last_task = Some((task, done));
        self.task.take().map(|task| *task)
    }

    /// A task ended before its time. Its secrets may have been set: they stay the way in. A token that was to be provisioned
    /// is not; once its reset is behind it, nothing of before is on it either.
    fn end_too_early(&mut self, task: Uuid) {
        let Some(task) = self.end_task(task, false) else {
            return;
        };
        let wiped = task.is_past_reset();
        self.entry = task.entry.or(self.entry.take());
        if wiped {
            self.keys.clear();
        }
        if self.phase == Phase::Provisioning {
            self.phase = if wiped {
                Phase::Quarantined
            } else {
                task.before
            };
        }
    }

    /// True of the entry of its secrets in custody, and of those that its task made.
    #[must_use]
    pub fn names(&self, entry: &str) -> bool {
        let made = self.task.as_ref().and_then(|task| task.entry.as_deref());
        self.entry.as_deref() == Some(entry) || made == Some(entry)
    }

    /// What it holds for the ledger: proved keys, and those of a task under way.
    pub fn all_keys(&self) -> impl Iterator<Item = &TokenKey> {
        let made = self.task.iter().flat_map(|task| &task.keys);
        self.keys.iter().chain(made)
    }
}
