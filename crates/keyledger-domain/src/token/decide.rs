//! The rules of a token's life, within its own history. What reaches into others is `ledger::tokens`.

use uuid::Uuid;

use super::{
    Announced, Announcement, Assigned, At, Command, Enrolled, Event, Phase, Profile, SecretsErased,
    SecretsReleased, Serial, Step, TaskEnded, TaskFailed, TaskFiled, TaskKind, TaskProgressed,
    Token, UserBound,
};
use crate::{
    name::{Aggregate, HistoryId, Name},
    rejection::Rejection,
    time::Timestamp,
    user::check_nkey,
};

/// The most NATS users that may be bound to a token.
pub const MAX_BOUND_USERS: usize = 32;
/// The most slots a token shows, and the most keys a report names.
pub const MAX_SLOTS: usize = 24;

/// The most secrets of a token that may lie in custody without it being proved which are set.
pub const MAX_DOUBTFUL_SECRETS: usize = 16;

const UNDER_WAY: &str = "a task is under way: wait for it, or cancel it";

/// What was made for a task, and is public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFacts {
    /// 32 random bytes in base64url.
    pub nonce: Box<str>,
    /// The public curve key of the task.
    pub seal_to: Box<str>,
    /// The public halves of its challenges.
    pub challenges: Vec<Box<str>>,
}

/// What a task is filed with: all that comes from other histories.
#[derive(Debug, Clone, PartialEq)]
pub struct Filing {
    /// The id of the command.
    pub task: Uuid,
    /// The agent's public nkey.
    pub agent: Box<str>,
    /// Who holds the token.
    pub holder: Option<super::Holder>,
    /// The key that certifies.
    pub issuer: Option<Name>,
    /// What was made for it.
    pub made: TaskFacts,
}

/// Decides what a command does to the token `name`, as far as its own history goes.
///
/// # Errors
///
/// A [`Rejection`] if a rule says no.
pub fn decide(
    name: &Name,
    token: Option<&Token>,
    command: &Command,
    filing: Option<Filing>,
    now: Timestamp,
) -> Result<Vec<Event>, Rejection> {
    use {Command as C, Phase as P};
    let id = || HistoryId::new(Aggregate::Token, name.clone());
    Serial::of(name).map_err(|e| Rejection::BadName {
        fault: e.to_string(),
    })?;
    if let C::Enrol(enrol) = command {
        return match token.map(|t| t.phase) {
            None | Some(P::Seen) => Ok(vec![Event::Enrolled(Enrolled {
                title: enrol.title.clone(),
            })]),
            Some(_) => Err(Rejection::NameTaken(id())),
        };
    }
    let token = token.ok_or_else(|| Rejection::NotFound(id()))?;
    let refuse = |remedy: &'static str| Rejection::TokenNotAllowed {
        token: name.clone(),
        phase: token.phase,
        verb: command.verb(),
        remedy,
    };
    if let Some(kind) = command.task() {
        check_task(name, token, command, kind)?;
        let filing = filing.ok_or_else(|| refuse("nothing was made for it: try again"))?;
        return file(name, token, command, kind, filing);
    }
    Ok(match (token.phase, command) {
        (P::Enrolled, C::Assign(c)) if token.principal.as_ref() == Some(&c.principal) => vec![],
        (P::Enrolled, C::Assign(c)) if token.principal.is_none() => vec![assigned(&c.principal)],
        (P::Enrolled, C::Assign(_)) => return Err(refuse("it is another's: transfer it")),
        (P::Enrolled, C::Transfer(c)) => vec![assigned(&c.principal)],
        (P::Provisioned | P::Quarantined, C::Transfer(_)) => return Err(refuse("reset it first")),
        (P::Enrolled, C::Retire(_)) if token.task.is_some() => {
            return Err(refuse(UNDER_WAY)); // it would come back to life
        }
        (_, C::Cancel(_)) => match &token.task {
            Some(task) => vec![Event::TaskCancelled(TaskEnded {
                task: task.filed.task,
            })],
            None => return Err(refuse("it has no open task")),
        },
        (P::Enrolled | P::Provisioning | P::Provisioned | P::Quarantined, C::Bind(c)) => {
            if token.users.contains(&c.user) {
                return Ok(vec![]);
            }
            if token.users.len() >= MAX_BOUND_USERS {
                return Err(Rejection::LimitReached {
                    what: "users bound to a token",
                    max: MAX_BOUND_USERS,
                });
            }
            vec![Event::UserBound(UserBound {
                user: c.user.clone(),
            })]
        }
        (_, C::Release(c)) if token.entry.is_some() => {
            check_nkey("seal_to", &c.seal_to, 'X', "a public curve key (`X…`)")?;
            vec![Event::SecretsReleased(SecretsReleased {
                seal_to: c.seal_to.as_str().into(),
                task: None,
            })]
        }
        (_, C::Release(_)) => return Err(refuse("no secrets of it are in custody")),
        (P::Lost, C::Lose(_)) => vec![],
        (P::Enrolled | P::Provisioning | P::Provisioned | P::Quarantined, C::Lose(_)) => {
            vec![Event::Lost(At { at: now })]
        }
        (P::Lost, C::Find(_)) => vec![Event::Found(At { at: now })],
        (P::Retired, C::Retire(_)) => vec![],
        (P::Enrolled | P::Lost, C::Retire(_)) => vec![Event::Retired(At { at: now })],
        (_, C::Retire(_)) => return Err(refuse("reset it first, or declare it lost")),
        (P::Destroyed, C::Destroy(_)) => vec![],
        (P::Retired | P::Lost, C::Destroy(_)) => vec![Event::Destroyed(At { at: now })],
        (_, C::Destroy(_)) => return Err(refuse("retire it first")),
        (P::Seen, _) => return Err(refuse("enrol it first")),
        _ => return Err(refuse("see `keyledger token show`")),
    })
}

fn assigned(principal: &Name) -> Event {
    Event::Assigned(Assigned {
        principal: principal.clone(),
    })
}

impl Command {
    /// The task it files; none if it files none.
    #[must_use]
    pub const fn task(&self) -> Option<TaskKind> {
        Some(match self {
            Self::Provision(_) => TaskKind::Provision,
            Self::Verify(_) => TaskKind::Verify,
            Self::Reset(_) => TaskKind::Reset,
            Self::Unblock(_) => TaskKind::Unblock,
            Self::RotateSecrets(_) => TaskKind::RotateSecrets,
            _ => return None,
        })
    }

    /// The workstation it names.
    #[must_use]
    pub const fn workstation(&self) -> Option<&Name> {
        match self {
            Self::Provision(c) => Some(&c.workstation),
            Self::Verify(c) => c.workstation.as_ref(),
            Self::Reset(c) => c.workstation.as_ref(),
            Self::Unblock(c) => c.workstation.as_ref(),
            Self::RotateSecrets(c) => c.workstation.as_ref(),
            _ => None,
        }
    }
}

/// Checks that a command may file its task now, as far as the token's own history goes. Nothing to say about others.
///
/// # Errors
///
/// A [`Rejection`] if a rule says no.
pub(crate) fn check_task(
    name: &Name,
    token: &Token,
    command: &Command,
    kind: TaskKind,
) -> Result<(), Rejection> {
    use {Phase as P, TaskKind as K};
    let refuse = |remedy: &'static str| {
        Err(Rejection::TokenNotAllowed {
            token: name.clone(),
            phase: token.phase,
            verb: command.verb(),
            remedy,
        })
    };
    if token.task.is_some() {
        return refuse(UNDER_WAY);
    }
    match (token.phase, kind) {
        (P::Enrolled | P::Provisioned | P::Quarantined, K::Provision | K::Reset)
        | (P::Provisioned, K::Verify | K::Unblock | K::RotateSecrets) => {}
        (P::Quarantined, K::Verify) if token.profile.is_some() && !token.keys.is_empty() => {}
        (P::Seen, _) => return refuse("enrol it first"),
        (P::Enrolled | P::Quarantined, _) => return refuse("provision it first"),
        (P::Lost, _) => return refuse("it is lost: `find` it first"),
        _ => return refuse("it is out of use"),
    }
    check_home(name, token, command, kind)?;
    let Command::Provision(provision) = command else {
        return Ok(());
    };
    let bad = |fault: String| Rejection::BadValue {
        field: "profile",
        fault,
    };
    provision.profile.check().map_err(|e| bad(e.to_string()))?;
    // What another workstation's agent says of it is no reason to refuse: that one may lie, or see another token.
    if let Some((shown, _)) = token.seen_at(&provision.workstation) {
        provision
            .profile
            .suits(shown)
            .map_err(|e| bad(e.to_string()))?;
    }
    Ok(())
}

/// Checks that a task which is given the token's secrets goes to the workstation that may be given them.
fn check_home(
    name: &Name,
    token: &Token,
    command: &Command,
    kind: TaskKind,
) -> Result<(), Rejection> {
    let (Some(named), Some(home)) = (command.workstation(), &token.home) else {
        return Ok(()); // it goes home, or nowhere
    };
    let way = match kind {
        TaskKind::Provision | TaskKind::Verify | TaskKind::Reset => return Ok(()),
        _ if named == home => return Ok(()),
        // A blocked PIN cannot prove the token at another place.
        TaskKind::Unblock => format!(
            "plug it in there; or have an approver release the PUK (`keyledger token release {name}`) and set a new PIN with \
             `ykman piv access unblock-pin`; or reset it, and provision it at {named}"
        ),
        TaskKind::RotateSecrets => format!(
            "plug it in there; or prove it at {named} first, with `keyledger token verify {name} --workstation {named}`"
        ),
    };
    Err(Rejection::BadValue {
        field: "workstation",
        fault: format!(
            "the secrets of token {name} go only to {home}, where it was last proved, and not to {named}: {way}"
        ),
    })
}

/// The workstation that a task is for: the one named, or the one where the token was last proved. Never the one that says it sees it.
pub(crate) fn workstation_of<'a>(
    name: &Name,
    token: &'a Token,
    command: &'a Command,
) -> Result<&'a Name, Rejection> {
    let workstation = command.workstation().or(token.home.as_ref());
    workstation.ok_or_else(|| Rejection::BadValue {
        field: "workstation",
        fault: format!(
            "token {name} was proved nowhere yet: name the workstation it is plugged into with --workstation{}",
            seen_at(token)
        ),
    })
}

/// Where a token says that it is. Whoever asks may believe it; a task does not.
fn seen_at(token: &Token) -> String {
    let seen = token.workstation.as_ref();
    seen.map_or(String::new(), |at| format!(" (it was last seen at {at})"))
}

fn file(
    name: &Name,
    token: &Token,
    command: &Command,
    kind: TaskKind,
    filing: Filing,
) -> Result<Vec<Event>, Rejection> {
    let workstation = workstation_of(name, token, command)?;
    let profile: Option<&Profile> = match command {
        Command::Provision(c) => Some(&c.profile),
        Command::Reset(_) => None,
        _ => token.profile.as_deref(),
    };
    Ok(vec![Event::TaskFiled(TaskFiled {
        task: filing.task,
        kind,
        workstation: workstation.clone(),
        agent: filing.agent,
        holder: filing.holder,
        profile: profile.cloned(),
        issuer: filing.issuer,
        nonce: filing.made.nonce,
        seal_to: filing.made.seal_to,
        challenges: filing.made.challenges,
    })])
}

/// What an announcement adds: nothing if the token shows what it showed, at the same place.
#[must_use]
pub fn announce(token: Option<&Token>, workstation: &Name, shown: &Announcement) -> Vec<Event> {
    let known = token.is_some_and(|t| {
        t.shown.as_deref() == Some(shown) && t.workstation.as_ref() == Some(workstation)
    });
    if known {
        vec![]
    } else {
        vec![Event::Announced(Announced {
            workstation: workstation.clone(),
            shown: shown.clone(),
        })]
    }
}

/// What progress adds: nothing if the task was as far before.
#[must_use]
pub fn progress(token: &Token, task: Uuid, step: Step) -> Vec<Event> {
    let reached = token.task.as_ref().and_then(|task| task.step);
    if reached.is_some_and(|reached| reached >= step) {
        vec![]
    } else {
        vec![Event::TaskProgressed(TaskProgressed { task, step })]
    }
}

/// What a failure adds.
#[must_use]
pub fn fail(task: Uuid, failure: &super::Failure) -> Event {
    Event::TaskFailed(TaskFailed {
        task,
        code: failure.code,
        detail: failure.detail.clone(),
    })
}

/// The outcome of erasing secrets that open a token no more; nothing if none of `entries` is among them.
#[must_use]
pub fn erased(token: &Token, entries: &[Box<str>], now: Timestamp) -> Option<Event> {
    let superseded = &token.superseded_entries;
    let entries: Vec<_> = superseded
        .iter()
        .filter(|entry| entries.contains(entry))
        .cloned()
        .collect();
    (!entries.is_empty()).then_some(Event::SecretsErased(SecretsErased {
        entries,
        erased_at: now,
    }))
}
