//! The state of a token: the fold of its events.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Announcement, Event, FailureCode, OpenpgpKeyMade, Profile, Step, TaskFiled, TaskKind, TokenKey,
};
use crate::{
    key::Escrowed,
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
    /// How often keys were made for it.
    pub made: u8,
    /// How often its agent was given a secret: the token's own, or a key of custody.
    pub given: u8,
    /// The entry of the secrets that were made for it, the newest.
    pub entry: Option<Box<str>>,
    /// Entries of secrets that were made for it before: an agent that began again.
    pub entries_before: Vec<Box<str>>,
    /// The keys that were made for it.
    pub keys: Vec<TokenKey>,
}

/// What an agent said that it saw. Anybody's agent can say so of any token: no task of another workstation goes by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The workstation.
    pub workstation: Name,
    /// What the token showed there.
    pub shown: Box<Announcement>,
    /// When it last showed something new there.
    pub at: Timestamp,
}

/// Of so many workstations beside the last one it is remembered what they saw.
pub const MAX_ELSEWHERE: usize = 8;

/// A token as its history left it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Where it stands in its life.
    pub phase: Phase,
    /// What people call it.
    pub title: Option<Title>,
    /// Who holds it.
    pub principal: Option<Name>,
    /// What it last showed, to whichever agent.
    pub shown: Option<Box<Announcement>>,
    /// The workstation it was last seen at.
    pub workstation: Option<Name>,
    /// What the agents of other workstations said before: the oldest first, each once, at most [`MAX_ELSEWHERE`].
    pub elsewhere: Vec<Sighting>,
    /// The workstation where it was last proved: an announcement, which anybody's agent can make, is no reason to trust one.
    pub home: Option<Name>,
    /// When it last showed something new.
    pub shown_at: Option<Timestamp>,
    /// What it was provisioned with.
    pub profile: Option<Box<Profile>>,
    /// The task under way.
    pub task: Option<Box<OpenTask>>,
    /// The keys on it: proved, or, of a token not to be used, those that it was last known to hold.
    pub keys: Vec<TokenKey>,
    /// How many keys were ever made on it: numbers their names.
    pub keys_ever: u32,
    /// The entry of its secrets in custody: the way in.
    pub entry: Option<Box<str>>,
    /// Entries of secrets that may be the way in too: the task that made them ended before it was proved which are set.
    pub doubtful_entries: Vec<Box<str>>,
    /// Entries of secrets that open it no more, to be erased.
    pub superseded_entries: Vec<Box<str>>,
    /// Its OpenPGP keys, as the holder's certify key is to bind them.
    pub openpgp: Vec<OpenpgpKeyMade>,
    /// The key of custody that was given for it, with the task: it may be on it.
    pub imported: Option<Box<(Uuid, Escrowed)>>,
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
    /// True once its reset has begun: what was on the token before may be gone, and cannot be relied on.
    #[must_use]
    pub fn is_past_reset(&self) -> bool {
        self.has_reset() || self.resets() && self.step == Some(Step::Reset)
    }

    /// True once its reset is over: nothing that was on the token before is on it.
    #[must_use]
    pub fn has_reset(&self) -> bool {
        self.resets() && (self.step > Some(Step::Reset) || !self.keys.is_empty())
    }

    /// True if nothing of before can be relied on should it end now: for why it failed, or none if it is cancelled.
    #[must_use]
    pub fn ends_wiped(&self, why: Option<FailureCode>) -> bool {
        // What a person is asked in a reset is whether to begin it.
        self.has_reset() || self.is_past_reset() && why != Some(FailureCode::Declined)
    }

    fn resets(&self) -> bool {
        matches!(self.filed.kind, TaskKind::Provision | TaskKind::Reset)
    }

    /// How many secrets were made for it.
    #[must_use]
    pub fn escrows(&self) -> usize {
        self.entries_before.len() + usize::from(self.entry.is_some())
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
            elsewhere: Vec::new(),
            home: None,
            shown_at: None,
            profile: None,
            task: None,
            keys: Vec::new(),
            keys_ever: 0,
            entry: None,
            doubtful_entries: Vec::new(),
            superseded_entries: Vec::new(),
            openpgp: Vec::new(),
            imported: None,
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
            Event::OfVerb(event) => event.evolve(self),
            Event::Announced(a) => {
                self.keep_sighting(&a.workstation);
                self.shown = Some(Box::new(a.shown.clone()));
                self.workstation = Some(a.workstation.clone());
                self.shown_at = Some(at);
            }
            Event::Enrolled(e) => {
                self.phase = Phase::Enrolled;
                self.title.clone_from(&e.title);
            }
            Event::Assigned(a) => {
                // Who held it before is no longer concerned if it is lost.
                if self.principal.as_ref().is_some_and(|p| *p != a.principal) {
                    self.users.clear();
                }
                self.principal = Some(a.principal.clone());
            }
            Event::TaskFiled(filed) => {
                let before = self.phase;
                if filed.kind == TaskKind::Provision {
                    self.phase = Phase::Provisioning;
                }
                self.task = Some(Box::new(OpenTask {
                    filed: filed.clone(),
                    filed_at: at,
                    before,
                    step: None,
                    made: 0,
                    given: 0,
                    entry: None,
                    entries_before: Vec::new(),
                    keys: Vec::new(),
                }));
            }
            Event::TaskProgressed(p) => {
                self.on_task(|task| task.step = Some(p.step));
                // What a reset destroyed is no longer on it, whatever comes of the task.
                if self.task.as_ref().is_some_and(|task| task.has_reset()) {
                    self.keys.clear();
                    self.forget_imported(p.task);
                }
            }
            Event::EscrowedKeyReleased(r) => {
                self.on_task(|task| task.given = task.given.saturating_add(1));
                self.imported = Some(Box::new((r.task, r.escrowed.clone())));
            }
            Event::SecretsEscrowed(s) => self.on_task(|task| {
                let before = task.entry.replace(s.entry.clone());
                task.entries_before.extend(before);
            }),
            Event::SecretsErased(e) => self
                .superseded_entries
                .retain(|entry| !e.entries.contains(entry)),
            Event::KeysMade(made) => {
                self.on_task(|task| task.made = task.made.saturating_add(1));
                self.keys_ever += u32::try_from(made.keys.len()).unwrap_or_default();
                self.keys.clear();
                self.openpgp.clone_from(&made.openpgp);
                self.on_task(|task| {
                    task.keys
                        .retain(|k| made.keys.iter().all(|m| m.place != k.place));
                    task.keys.extend(made.keys.iter().cloned());
                });
            }
            Event::Provisioned(p) => {
                self.phase = Phase::Provisioned;
                self.proved_at = Some(at);
                if let Some(mut task) = self.end_well(p.task) {
                    self.profile = task.filed.profile.take().map(Box::new);
                    self.keys = std::mem::take(&mut task.keys);
                    self.open_with(task);
                }
            }
            Event::Verified(p) => {
                // Quarantined on a verification's word, it is trusted again on another's.
                self.phase = Phase::Provisioned;
                self.proved_at = Some(at);
                self.end_well(p.task);
            }
            Event::WasReset(e) => {
                self.phase = Phase::Enrolled;
                self.profile = None;
                self.openpgp.clear();
                self.imported = None;
                self.keys.clear();
                self.proved_at = None;
                self.end_well(e.task);
                self.home = None;
                // The factory's secrets open it.
                self.supersede();
            }
            Event::Unblocked(e) => {
                self.end_well(e.task);
            }
            Event::SecretsRotated(e) => {
                if let Some(task) = self.end_well(e.task) {
                    self.open_with(task);
                }
            }
            Event::Quarantined(q) => {
                self.distrust(q.task);
                self.phase = Phase::Quarantined;
                self.fault = Some(q.fault.clone());
            }
            Event::TaskFailed(f) => {
                self.fault = Some(f.detail.clone());
                self.end_too_early(f.task, Some(f.code));
            }
            Event::TaskCancelled(e) => self.end_too_early(e.task, None),
            Event::UserBound(b) => self.users.push(b.user.clone()),
            Event::SecretsReleased(r) => self.on_task(|task| {
                if r.task == Some(task.filed.task) {
                    task.given = task.given.saturating_add(1);
                }
            }),
            Event::Lost(_) => {
                if let Some(task) = self.task.as_ref().map(|task| task.filed.task) {
                    self.distrust(task);
                }
                self.phase = Phase::Lost;
            }
            Event::HolderLeft(left) => {
                if let Some(task) = self.task.as_ref().map(|task| task.filed.task) {
                    self.distrust(task);
                    self.phase = Phase::Quarantined;
                }
                if self.phase != Phase::Enrolled {
                    self.phase = Phase::Quarantined;
                    self.fault = Note::new(&format!(
                        "its holder {} was offboarded: reset it",
                        left.principal
                    ))
                    .ok();
                }
                self.principal = None;
                self.users.clear();
            }
            Event::Found(_) => self.phase = Phase::Quarantined,
            Event::Retired(_) => self.phase = Phase::Retired,
            Event::Destroyed(_) => {
                self.phase = Phase::Destroyed;
                self.imported = None;
                self.keys.clear();
                self.supersede();
            }
        }
    }

    /// Keeps apart what was seen last, if it was at another workstation than the one that speaks now.
    fn keep_sighting(&mut self, speaks: &Name) {
        self.elsewhere.retain(|seen| seen.workstation != *speaks);
        if let (Some(workstation), Some(shown), Some(at)) =
            (&self.workstation, &self.shown, self.shown_at)
            && workstation != speaks
        {
            self.elsewhere.push(Sighting {
                workstation: workstation.clone(),
                shown: shown.clone(),
                at,
            });
        }
        if self.elsewhere.len() > MAX_ELSEWHERE {
            // What the token's own workstation saw stays, whoever else speaks.
            let own = self.own_workstation().cloned();
            let others = |seen: &Sighting| Some(&seen.workstation) != own.as_ref();
            let oldest = self.elsewhere.iter().position(others).unwrap_or(0);
            self.elsewhere.remove(oldest);
        }
    }

    /// The workstation whose word counts of it: of the task under way, or where it was last proved.
    fn own_workstation(&self) -> Option<&Name> {
        let task = self.task.as_ref().map(|task| &task.filed.workstation);
        task.or(self.home.as_ref())
    }

    /// What was seen at a workstation.
    #[must_use]
    pub fn seen_at(&self, workstation: &Name) -> Option<(&Announcement, Timestamp)> {
        if self.workstation.as_ref() == Some(workstation) {
            return self.shown.as_deref().zip(self.shown_at);
        }
        let mut elsewhere = self.elsewhere.iter();
        let seen = elsewhere.find(|seen| seen.workstation == *workstation)?;
        Some((&*seen.shown, seen.at))
    }

    /// What to show of it: what its own workstation saw, or else whichever was the last. Behind it, what the others said, the newest first.
    #[must_use]
    pub fn sightings(&self) -> Vec<(&Name, &Announcement, Timestamp)> {
        let last = self.workstation.as_ref().zip(self.shown.as_deref());
        let last = last
            .zip(self.shown_at)
            .map(|((name, shown), at)| (name, shown, at));
        let before = self.elsewhere.iter().rev();
        let before = before.map(|seen| (&seen.workstation, &*seen.shown, seen.at));
        let mut all: Vec<_> = last.into_iter().chain(before).collect();
        let own = self.own_workstation();
        all.sort_by_key(|(name, ..)| own != Some(*name));
        all
    }

    fn on_task(&mut self, change: impl FnOnce(&mut OpenTask)) {
        if let Some(task) = &mut self.task {
            change(task);
        }
    }

    /// The reset of a task took the key away that was given for another, if it was one of the OpenPGP applet.
    fn forget_imported(&mut self, task: Uuid) {
        let profile = self.task.as_ref().and_then(|t| t.filed.profile.as_ref());
        let spares = profile.is_some_and(|profile| profile.openpgp.is_none());
        if !spares && self.imported.as_ref().is_some_and(|i| i.0 != task) {
            self.imported = None;
        }
    }

    /// A task did what it was for.
    fn end_well(&mut self, task: Uuid) -> Option<OpenTask> {
        self.last_task = Some((task, true));
        self.fault = None;
        let task = self.task.take().map(|task| *task);
        self.home = task.as_ref().map(|task| task.filed.workstation.clone());
        task
    }

    /// A task ended before its time. A token that was to be provisioned is not; once its reset has begun, nothing of before
    /// can be relied on either.
    fn end_too_early(&mut self, task: Uuid, why: Option<FailureCode>) {
        self.last_task = Some((task, false));
        let Some(task) = self.task.take() else {
            return;
        };
        if task.ends_wiped(why) {
            self.keys.clear();
            self.phase = Phase::Quarantined;
        } else if self.phase == Phase::Provisioning {
            self.phase = task.before;
        }
        if task.has_reset() {
            // What opened it before the reset does not open it now.
            self.supersede();
        }
        self.doubt(*task);
    }

    /// A task ended, and what it said is not believed: what it made stays on the list until a reset.
    fn distrust(&mut self, task: Uuid) {
        self.last_task = Some((task, false));
        if let Some(mut task) = self.task.take() {
            self.keys.append(&mut task.keys);
            self.doubt(*task);
        }
    }

    /// It was proved that the task's newest secrets are set: all others open it no more.
    fn open_with(&mut self, task: OpenTask) {
        if task.entry.is_some() {
            self.supersede();
        }
        self.superseded_entries.extend(task.entries_before);
        self.entry = task.entry.or(self.entry.take());
    }

    /// The secrets of a task may have been set, or not: they stay known as a way in.
    fn doubt(&mut self, task: OpenTask) {
        let made = task.entries_before.into_iter().chain(task.entry);
        self.doubtful_entries.extend(made);
        if self.entry.is_none() {
            self.entry = self.doubtful_entries.pop();
        }
    }

    /// Nothing that is known opens it any more.
    fn supersede(&mut self) {
        let known = self.doubtful_entries.drain(..).chain(self.entry.take());
        self.superseded_entries.extend(known);
    }

    /// True of an entry that its history named, and whose erasure was not recorded.
    #[must_use]
    pub fn names(&self, entry: &str) -> bool {
        let task = self.task.iter();
        let made = task.flat_map(|task| task.entries_before.iter().chain(&task.entry));
        self.ways_in()
            .chain(&self.superseded_entries)
            .chain(made)
            .any(|named| **named == *entry)
    }

    /// The entries of secrets that open it, the likeliest first: more than one only after a task that ended early.
    pub fn ways_in(&self) -> impl Iterator<Item = &Box<str>> {
        self.entry.iter().chain(self.doubtful_entries.iter().rev())
    }

    /// What it holds for the ledger: proved keys, and those of a task under way.
    pub fn all_keys(&self) -> impl Iterator<Item = &TokenKey> {
        let made = self.task.iter().flat_map(|task| &task.keys);
        self.keys.iter().chain(made)
    }

    /// Every key that it may hold, each once: also one that a task was given to import, and nobody proved to be there.
    pub fn may_hold(&self) -> impl Iterator<Item = &Name> {
        let given = self.imported.iter().map(|imported| &imported.1.key);
        let given = given.filter(|given| self.all_keys().all(|on_it| on_it.key != **given));
        self.all_keys().map(|on_it| &on_it.key).chain(given)
    }
}
