//! The rule of the verbs that file a task, within the token's own history.

use uuid::Uuid;

use super::{self as token, OfToken, Phase, Profile, TaskKind, Token};
use crate::{address::EmailAddress, event::Event, name::Name, rejection::Rejection, verb::Verb};

pub(crate) const UNDER_WAY: &str = "a task is under way: wait for it, or cancel it";

/// What was made for a task, and is public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskMade {
    /// The id of the task: that of its command.
    pub task: Uuid,
    /// 32 random bytes in base64url.
    pub nonce: Box<str>,
    /// The public curve key of the task.
    pub seal_to: Box<str>,
    /// The public halves of its challenges.
    pub challenges: Vec<Box<str>>,
}

/// What a task that provisions a token is to put on it.
#[derive(Debug, Clone, Copy)]
pub struct ToProvision<'a> {
    /// The workstation it is plugged into.
    pub workstation: &'a Name,
    /// What to put on it.
    pub profile: &'a Profile,
    /// The key that certifies the keys of its slots; the only certified authority if absent.
    pub issuer: Option<&'a Name>,
    /// The holder's e-mail address, for certificates.
    pub email: Option<&'a EmailAddress>,
}

/// A verb that files a task for a workstation's agent.
pub trait FilesTask: Verb<Made = Option<TaskMade>> {
    /// Which task.
    const KIND: TaskKind;

    /// The workstation it names.
    fn workstation(&self) -> Option<&Name>;

    /// True of the event that files this very task.
    fn filed(first: &Event) -> bool {
        matches!(first, Event::Token(token::Event::TaskFiled(filed)) if filed.kind == Self::KIND)
    }

    /// What is to be put on the token, where that is the task.
    fn provision(&self) -> Option<ToProvision<'_>> {
        None
    }
}

/// Checks that a command may file its task now, as far as the token's own history goes. Nothing to say about others.
///
/// # Errors
///
/// A [`Rejection`] if a rule says no.
pub(crate) fn check_task<V: FilesTask>(
    name: &Name,
    token: &Token,
    command: &V,
) -> Result<(), Rejection> {
    use {Phase as P, TaskKind as K};
    let refuse = |remedy| Err(V::refused(name, token, remedy));
    if token.task.is_some() {
        return refuse(UNDER_WAY);
    }
    match (token.phase, V::KIND) {
        (P::Enrolled | P::Provisioned | P::Quarantined, K::Provision | K::Reset)
        | (P::Provisioned, K::Verify | K::Unblock | K::RotateSecrets) => {}
        (P::Quarantined, K::Verify) if token.profile.is_some() && !token.keys.is_empty() => {}
        (P::Seen, _) => return refuse("enrol it first"),
        (P::Enrolled | P::Quarantined, _) => return refuse("provision it first"),
        (P::Lost, _) => return refuse("it is lost: `find` it first"),
        (P::Provisioning | P::Retired | P::Destroyed, _) => return refuse("it is out of use"),
    }
    check_home(name, token, command)?;
    let Some(provision) = command.provision() else {
        return Ok(());
    };
    let bad = |fault: String| Rejection::BadValue {
        field: "profile",
        fault,
    };
    provision.profile.check().map_err(|e| bad(e.to_string()))?;
    // What another workstation's agent says of it is no reason to refuse: that one may lie, or see another token.
    if let Some((shown, _)) = token.seen_at(provision.workstation) {
        provision
            .profile
            .suits(shown)
            .map_err(|e| bad(e.to_string()))?;
    }
    Ok(())
}

/// Checks that a task which is given the token's secrets goes to the workstation that may be given them.
fn check_home<V: FilesTask>(name: &Name, token: &Token, command: &V) -> Result<(), Rejection> {
    let (Some(named), Some(home)) = (command.workstation(), &token.home) else {
        return Ok(()); // it goes home, or nowhere
    };
    if named == home {
        return Ok(());
    }
    let way = match V::KIND {
        TaskKind::Provision | TaskKind::Verify | TaskKind::Reset => return Ok(()),
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
pub(crate) fn workstation_of<'a, V: FilesTask>(
    name: &Name,
    token: &'a Token,
    command: &'a V,
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

/// What is to be on the token when the task is done.
pub(crate) fn profile_of<'a, V: FilesTask>(
    token: &'a Token,
    command: &'a V,
) -> Option<&'a Profile> {
    match V::KIND {
        TaskKind::Provision => command.provision().map(|provision| provision.profile),
        TaskKind::Reset => None,
        TaskKind::Verify | TaskKind::Unblock | TaskKind::RotateSecrets => token.profile.as_deref(),
    }
}
