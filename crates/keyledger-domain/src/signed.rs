//! Commands signed by a key on a person's token: what is signed, how long that counts, and which commands must be.

use std::{collections::BTreeSet, fmt, str::FromStr};

use data_encoding::HEXLOWER;
use uuid::Uuid;

use crate::{
    command::Command, name::Aggregate, rejection::Rejection, stamp::Role, time::Timestamp,
    token::Slot,
};

/// The slots whose keys sign commands: signature, and authentication.
pub const SIGNING_SLOTS: [Slot; 2] = [Slot::SIGNATURE, Slot::AUTHENTICATION];

/// How long a signature counts, in milliseconds from the moment in the command's id: long enough for a person to find the token,
/// short enough that what was refused then is not sent again by somebody else later.
pub const MAX_AGE_MS: i64 = 10 * 60 * 1_000;

/// How far the clock where a command was signed may be ahead, in milliseconds.
pub const MAX_AHEAD_MS: i64 = 60 * 1_000;

/// What a key on a token signs to give a command: it names where the command is sent, its id, who sends it and what it says, so that no
/// signature serves for another one. `subject` is the outer one, `user` the sender's public nkey.
#[must_use]
pub fn command_statement(
    subject: &str,
    id: Uuid,
    user: &str,
    payload_sha256: &[u8; 32],
) -> Vec<u8> {
    let payload = HEXLOWER.encode(payload_sha256);
    format!("keyledger signed command v1\n{subject}\n{id}\n{user}\n{payload}\n").into_bytes()
}

/// Checks that a command was signed lately, by the moment in its id.
///
/// A command that changed nothing left no trace under its id, so whoever recorded it could send it again when it would change something.
///
/// # Errors
///
/// [`Rejection::BadSignature`] if the id names no moment (it is no `UUIDv7`), or one that is too long ago or yet to come.
pub fn check_age(id: Uuid, now: Timestamp) -> Result<(), Rejection> {
    let refuse = |why: &str| {
        Err(Rejection::BadSignature {
            why: why.to_owned(),
        })
    };
    let moment = (id.get_version_num() == 7)
        .then(|| id.get_timestamp())
        .flatten();
    let Some((seconds, nanoseconds)) = moment.map(|moment| moment.to_unix()) else {
        return refuse("a signed command's id is a UUIDv7, which says when it was signed");
    };
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let signed = seconds
        .saturating_mul(1_000)
        .saturating_add(i64::from(nanoseconds / 1_000_000));
    match now.ms().saturating_sub(signed) {
        age if age > MAX_AGE_MS => refuse("it was signed more than 10 minutes ago: sign it anew"),
        age if age < -MAX_AHEAD_MS => {
            refuse("it was signed in the future: set the clock where it is signed")
        }
        _ => Ok(()),
    }
}

/// Which commands must be signed by a key on the sender's token: verbs, each for one role or for all.
///
/// Written as `token.release,administrator:key.destroy`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequiredSignatures(BTreeSet<(Aggregate, &'static str, Option<Role>)>);

/// A text does not say which commands must be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no command: write a verb as `token.release`, or as `administrator:key.destroy` for one role; `subjects.md` lists them"
)]
pub struct NotRequirable(String);

impl RequiredSignatures {
    /// True if `role` may give `verb` of `aggregate` only with a signature.
    #[must_use]
    pub fn requires(&self, role: Role, aggregate: Aggregate, verb: &str) -> bool {
        self.0.iter().any(|(of, named, only)| {
            *of == aggregate && *named == verb && only.is_none_or(|only| only == role)
        })
    }

    /// True if no command must be signed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them, as it is written.
    pub fn iter(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(aggregate, verb, role)| match role {
            Some(role) => format!("{role}:{aggregate}.{verb}"),
            None => format!("{aggregate}.{verb}"),
        })
    }
}

impl FromStr for RequiredSignatures {
    type Err = NotRequirable;

    fn from_str(text: &str) -> Result<Self, NotRequirable> {
        let items = text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty());
        items.map(requirement).collect::<Result<_, _>>().map(Self)
    }
}

fn requirement(item: &str) -> Result<(Aggregate, &'static str, Option<Role>), NotRequirable> {
    let wrong = || NotRequirable(item.chars().take(80).collect());
    let (role, command) = match item.split_once(':') {
        Some((role, command)) => {
            let role = Role::OF_CLIENTS
                .into_iter()
                .find(|known| known.as_str() == role);
            (Some(role.ok_or_else(wrong)?), command)
        }
        None => (None, item),
    };
    let (aggregate, verb) = command.split_once('.').ok_or_else(wrong)?;
    let known = Command::verbs()
        .find(|known| known.aggregate.as_str() == aggregate && known.verb == verb)
        .ok_or_else(wrong)?;
    Ok((known.aggregate, known.verb, role))
}

impl fmt::Display for RequiredSignatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().collect::<Vec<_>>().join(","))
    }
}
