//! What ends by itself or does not go on: credentials, agents and certificates whose time is nearly up, tasks that nobody
//! finishes.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{
    key::{Certified, Key, State},
    ledger::Ledger,
    name::Name,
    stamp::Role,
    time::Timestamp,
    token::TaskKind,
    user::User,
};

/// How long what has ended is still shown, in days: nobody may have noticed.
const SHOW_ENDED_DAYS: i64 = 7;
/// How long a task may be open until it counts as stuck, in days.
const STUCK_AFTER_DAYS: i64 = 1;

/// Of what kind something is that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndingKind {
    /// The credentials of a user.
    Creds,
    /// The credentials of an agent.
    Agent,
    /// The last certificate over a key that was not revoked.
    Certificate,
}

/// Something that ends soon, or ended a moment ago.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ending {
    /// When.
    pub at: Timestamp,
    /// What it is.
    pub kind: EndingKind,
    /// The user, or the key that the certificate is over.
    pub name: Name,
}

/// A task that has been open for long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stuck {
    /// Since when.
    pub filed_at: Timestamp,
    /// The token.
    pub token: Name,
    /// What is to be done.
    pub kind: TaskKind,
    /// Whose agent has it.
    pub workstation: Name,
}

/// What ends within `days`, and what ended within the last week; soonest first. What was revoked, has no end or was
/// replaced is left out.
#[must_use]
pub fn ending(ledger: &Ledger, now: Timestamp, days: u16) -> Vec<Ending> {
    let within = now.plus_days(-SHOW_ENDED_DAYS)..=now.plus_days(i64::from(days));
    let users = ledger.users().filter_map(|(name, user)| {
        let user = &user.state;
        let counts = user.revoked_at.is_none() && user.expires_at != 0;
        let at = Timestamp::from_seconds(user.expires_at);
        let kind = match user.role {
            Some(Role::Agent) => EndingKind::Agent,
            Some(Role::Administrator | Role::Approver | Role::Auditor | Role::Service) | None => {
                EndingKind::Creds
            }
        };
        let name = name.clone();
        (counts && within.contains(&at)).then_some((user, Ending { at, kind, name }))
    });
    let newest = newest(ledger);
    let users = users.filter(|(user, _)| {
        let replaced = place(user).and_then(|place| newest.get(&place));
        replaced.is_none_or(|end| *end <= user.expires_at)
    });
    let certificates = ledger.keys().filter_map(|(name, key)| {
        let lives = match key.state.state {
            State::PreActive | State::Active | State::Suspended => true,
            State::Deactivated
            | State::Compromised
            | State::Destroyed
            | State::DestroyedCompromised => false,
        };
        // An older one that lasts longer does not count: whoever certified the key anew meant it to be replaced.
        let mut newest_first = key.state.certificates().rev();
        let at = newest_first
            .find(|c| holds(ledger, &key.state, c))?
            .not_after;
        let (kind, name) = (EndingKind::Certificate, name.clone());
        (lives && within.contains(&at)).then_some(Ending { at, kind, name })
    });
    let mut all: Vec<_> = users
        .map(|(_, ending)| ending)
        .chain(certificates)
        .collect();
    all.sort_unstable();
    all
}

/// True of a certificate that neither was revoked nor is worthless with its issuer.
fn holds(ledger: &Ledger, key: &Key, certified: &Certified) -> bool {
    let issuer = ledger.key(&certified.issuer).map(|e| e.state.state);
    let worthless = issuer.is_some_and(State::is_compromised);
    !worthless && key.revocation_of(certified).is_none()
}

/// The administrator that ends last, if it may connect at `now` and ends within `days`: nobody can command after it.
///
/// # Errors
///
/// [`NobodyCommands`] if there is no administrator any more.
pub fn last_administrator(
    ledger: &Ledger,
    now: Timestamp,
    days: u16,
) -> Result<Option<(&Name, Timestamp)>, NobodyCommands> {
    let users = ledger.users().map(|(name, entry)| (name, &entry.state));
    let live =
        users.filter(|(_, user)| user.role == Some(Role::Administrator) && user.is_live(now));
    let ends = live.map(|(name, user)| (name, user.ends_at()));
    let last = ends.max_by_key(|(_, at)| *at).ok_or(NobodyCommands)?;
    Ok(Some(last).filter(|(_, at)| *at <= now.plus_days(i64::from(days))))
}

/// Every administrator was revoked or has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no administrator may connect any more: nobody can command")]
pub struct NobodyCommands;

/// What a user is for: whose, in which account, in which role.
type Place<'a> = (&'a Name, &'a Name, Option<Role>);

fn place(user: &User) -> Option<Place<'_>> {
    Some((user.principal.as_ref()?, &user.account, user.role))
}

/// Until when somebody has each place.
fn newest(ledger: &Ledger) -> HashMap<Place<'_>, i64> {
    let mut newest = HashMap::new();
    for (_, user) in ledger.users() {
        let user = &user.state;
        if let (Some(place), None) = (place(user), user.revoked_at) {
            let end = newest.entry(place).or_insert(user.expires_at);
            *end = user.expires_at.max(*end);
        }
    }
    newest
}

/// Tasks that were filed more than a day ago and are open, oldest first.
#[must_use]
pub fn stuck(ledger: &Ledger, now: Timestamp) -> Vec<Stuck> {
    let before = now.plus_days(-STUCK_AFTER_DAYS);
    let open = ledger.tokens().filter_map(|(name, token)| {
        let open = token.state.task.as_ref()?;
        (open.filed_at < before).then(|| Stuck {
            filed_at: open.filed_at,
            token: name.clone(),
            kind: open.filed.kind,
            workstation: open.filed.workstation.clone(),
        })
    });
    let mut stuck: Vec<_> = open.collect();
    stuck.sort_unstable_by(|a, b| (a.filed_at, &a.token).cmp(&(b.filed_at, &b.token)));
    stuck
}
