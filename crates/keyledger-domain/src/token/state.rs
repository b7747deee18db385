//! The state of a token: the fold of its events.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Announcement, FailureCode, OpenpgpKeyMade, Profile, Step, TaskFiled, TaskKind, TokenKey,
};
use crate::{
    key::Escrowed,
    name::Name,
    text::{Note, Title},
    time::Timestamp,
    word::states,
};

states! {
    /// Where a token stands in its life.
    Phase {
        /// An agent saw it; it is nobody's yet.
        Seen => "seen",
        /// It is the organisation's, and nothing is on it.
        Enrolled => "enrolled",
        /// A task to provision it is under way.
        Provisioning => "provisioning",
        /// It is what its profile says, and that was proved.
        Provisioned => "provisioned",
        /// Its evidence did not fit, or it was found again: not to be used before it is reset.
        Quarantined => "quarantined",
        /// It was lost.
        Lost => "lost",
        /// It is out of use for good.
        Retired => "retired",
        /// It was physically destroyed.
        Destroyed => "destroyed",
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
    /// The workstation whose word counts of it: of the task under way, or where it was last proved.
    pub(super) fn own_workstation(&self) -> Option<&Name> {
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
