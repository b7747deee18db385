//! What happens to a token, and what that makes of it.

use uuid::Uuid;

use super::{
    Announced, Assigned, At, Enrolled, EscrowedKeyReleased, FailureCode, HolderLeft, KeysMadeOn,
    MAX_ELSEWHERE, OpenTask, Phase, Proved, Quarantined, SecretsErased, SecretsEscrowed,
    SecretsReleased, Sighting, TaskEnded, TaskFailed, TaskFiled, TaskKind, TaskProgressed, Token,
    UserBound,
};
use crate::{event::events, folded::Folded, group::Group, name::Name, text::Note, time::Timestamp};

events! { of Token;
    /// An agent saw it, or saw that it shows something else than before.
    "token.v1.announced" => Announced(Announced),
    /// It is the organisation's from now on.
    "token.v1.enrolled" => Enrolled(Enrolled),
    /// A principal holds it from now on.
    "token.v1.assigned" => Assigned(Assigned),
    /// A task was filed for a workstation's agent.
    "token.v1.task_filed" => TaskFiled(TaskFiled),
    /// A step of a task began.
    "token.v1.task_progressed" => TaskProgressed(TaskProgressed),
    /// Its secrets lie sealed in custody, before they are set on it.
    "token.v1.secrets_escrowed" => SecretsEscrowed(SecretsEscrowed),
    /// Secrets that open it no more were erased, and looked for in vain.
    "token.v1.secrets_erased" => SecretsErased(SecretsErased),
    /// A key that decrypts, made in custody, was given to an agent, sealed, to be imported into it.
    "token.v1.escrowed_key_released" => EscrowedKeyReleased(EscrowedKeyReleased),
    /// Its keys were made on it and attested; they are pre-active until it is provisioned.
    "token.v1.keys_made" => KeysMade(KeysMadeOn),
    /// Its evidence was checked: it is what the profile says.
    "token.v1.provisioned" => Provisioned(Proved),
    /// Its evidence was checked again: it still is what the ledger says.
    "token.v1.verified" => Verified(Proved),
    /// It is back in the factory's state: nothing is on it.
    "token.v1.was_reset" => WasReset(TaskEnded),
    /// Its PIN was unblocked.
    "token.v1.unblocked" => Unblocked(TaskEnded),
    /// It has a new PUK and a new management key.
    "token.v1.secrets_rotated" => SecretsRotated(TaskEnded),
    /// Its evidence did not fit: it is not to be used.
    "token.v1.quarantined" => Quarantined(Quarantined),
    /// A task could not go on.
    "token.v1.task_failed" => TaskFailed(TaskFailed),
    /// A task was cancelled.
    "token.v1.task_cancelled" => TaskCancelled(TaskEnded),
    /// A NATS user is bound to it.
    "token.v1.user_bound" => UserBound(UserBound),
    /// Its secrets were given to somebody, sealed.
    "token.v1.secrets_released" => SecretsReleased(SecretsReleased),
    /// It was declared lost.
    "token.v1.lost" => Lost(At),
    /// Who held it was offboarded: nothing on it counts any more.
    "token.v1.holder_left" => HolderLeft(HolderLeft),
    /// It was declared found.
    "token.v1.found" => Found(At),
    /// It is out of use for good.
    "token.v1.retired" => Retired(At),
    /// It was physically destroyed.
    "token.v1.destroyed" => Destroyed(At),
}

impl Event {
    /// The task that it is of; none of what belongs to none.
    #[must_use]
    pub const fn task(&self) -> Option<Uuid> {
        match self {
            Self::TaskFiled(e) => Some(e.task),
            Self::TaskProgressed(e) => Some(e.task),
            Self::SecretsEscrowed(e) => Some(e.task),
            Self::EscrowedKeyReleased(e) => Some(e.task),
            Self::KeysMade(e) => Some(e.task),
            Self::Provisioned(e) | Self::Verified(e) => Some(e.task),
            Self::WasReset(e)
            | Self::Unblocked(e)
            | Self::SecretsRotated(e)
            | Self::TaskCancelled(e) => Some(e.task),
            Self::Quarantined(e) => Some(e.task),
            Self::TaskFailed(e) => Some(e.task),
            Self::SecretsReleased(e) => e.task,
            Self::Announced(_)
            | Self::Enrolled(_)
            | Self::Assigned(_)
            | Self::SecretsErased(_)
            | Self::UserBound(_)
            | Self::Lost(_)
            | Self::Found(_)
            | Self::Retired(_)
            | Self::HolderLeft(_)
            | Self::Destroyed(_) => None,
            Self::OfVerb(_) => None,
        }
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
}

impl Folded for Token {
    type Event = Event;
    type State = Phase;

    fn begin(event: &Event, at: Timestamp) -> Option<Self> {
        Self::create(event, at)
    }

    fn fold(&mut self, event: &Event, at: Timestamp) {
        self.evolve(event, at);
    }

    fn state(&self) -> Phase {
        self.phase
    }
}

impl Event {
    /// The groups that its history is in from then on, if it was not before.
    #[must_use]
    pub fn joins(&self) -> Vec<Group> {
        match self {
            Self::Announced(announced) => vec![Group::SeenAt(announced.workstation.clone())],
            Self::Assigned(assigned) => vec![Group::TokensOf(assigned.principal.clone())],
            Self::TaskFiled(filed) => vec![Group::TasksOf(filed.agent.clone())],
            Self::Enrolled(_)
            | Self::TaskProgressed(_)
            | Self::SecretsEscrowed(_)
            | Self::SecretsErased(_)
            | Self::EscrowedKeyReleased(_)
            | Self::KeysMade(_)
            | Self::Provisioned(_)
            | Self::Verified(_)
            | Self::WasReset(_)
            | Self::Unblocked(_)
            | Self::SecretsRotated(_)
            | Self::Quarantined(_)
            | Self::TaskFailed(_)
            | Self::TaskCancelled(_)
            | Self::UserBound(_)
            | Self::SecretsReleased(_)
            | Self::Lost(_)
            | Self::HolderLeft(_)
            | Self::Found(_)
            | Self::Retired(_)
            | Self::Destroyed(_) => Vec::new(),
            Self::OfVerb(event) => event.joins(),
        }
    }
}
