//! The tokens: what the ledger knows of each, and what an agent last saw.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::page::{self, Budget, ListQuery, Page};
use crate::{
    ledger::{Entry, Ledger},
    name::Name,
    rejection::Rejection,
    text::{Note, Title},
    time::Timestamp,
    token::{Announcement, OpenpgpKeyMade, Step, TaskKind, Token},
};

/// A token, flat: what is not known of it is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TokenRow {
    /// Its name: its serial number.
    pub name: Name,
    /// Where it stands in its life.
    pub state: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Title>,
    /// Who holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Name>,
    /// The profile it was provisioned with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Name>,
    /// What it last showed to the agent of its own workstation: the one of its task, or where it was last proved; to whichever was the
    /// last, if that one has not seen it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub shown: Option<Announcement>,
    /// The workstation it was seen at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workstation: Option<Name>,
    /// When it last showed something new there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_at: Option<Timestamp>,
    /// What the agents of other workstations said, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<SeenElsewhere>,
    /// The task under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskRow>,
    /// The last task that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_task: Option<LastTask>,
    /// The keys on it, by place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<OnToken>,
    /// Its OpenPGP keys, as the holder's certify key is to bind them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<serde_json::Value>")]
    pub openpgp: Vec<OpenpgpKeyMade>,
    /// True if its PUK and management key are in custody.
    pub secrets_in_custody: bool,
    /// NATS users that are revoked when it is lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<Name>,
    /// When its evidence was last checked and fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proved_at: Option<Timestamp>,
    /// Why it is in quarantine, or why the last task failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Note>,
    /// The newest revision of its history.
    pub revision: u32,
    /// When that was.
    pub changed_at: Timestamp,
}

/// What the agent of another workstation said of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SeenElsewhere {
    /// The workstation.
    pub workstation: Name,
    /// When it last showed something new there.
    pub shown_at: Timestamp,
    /// What it showed there.
    #[schemars(with = "serde_json::Value")]
    pub shown: Announcement,
}

/// A task under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TaskRow {
    /// Its id.
    #[schemars(with = "String")]
    pub task: Uuid,
    /// What is to be done.
    #[schemars(with = "String")]
    pub kind: TaskKind,
    /// For which workstation.
    pub workstation: Name,
    /// When it was filed.
    pub filed_at: Timestamp,
    /// The furthest step that was reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub step: Option<Step>,
}

/// A task that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LastTask {
    /// Its id.
    #[schemars(with = "String")]
    pub task: Uuid,
    /// Whether it did what it was for.
    pub done: bool,
}

/// A key on a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OnToken {
    /// Where it lies: `piv.9a`, `openpgp.sign`.
    pub place: String,
    /// The key aggregate.
    pub key: Name,
    /// That key's state.
    pub state: String,
    /// Base64 of the DER `SubjectPublicKeyInfo`.
    pub public_key: String,
    /// The newest certificate over it: its serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_serial: Option<String>,
    /// Until when that certificate holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
}

/// The tokens, by serial number as text.
///
/// # Errors
///
/// [`Rejection::OutOfRange`] if the limit is.
pub fn tokens(
    ledger: &Ledger,
    query: &ListQuery,
    budget: Budget,
) -> Result<Page<TokenRow>, Rejection> {
    page::by_name(ledger.tokens(), query, budget, |name, entry| {
        token_row(ledger, name, entry)
    })
}

/// The token `name`.
#[must_use]
pub fn token(ledger: &Ledger, name: &Name) -> Option<TokenRow> {
    ledger.token(name).map(|e| token_row(ledger, name, e))
}

fn token_row(ledger: &Ledger, name: &Name, entry: &Entry<Token>) -> TokenRow {
    let t = &entry.state;
    let keys = t.all_keys().map(|on_it| {
        let key = ledger.key(&on_it.key).map(|e| &e.state);
        let certificate = key.and_then(|key| key.certificates().next_back());
        OnToken {
            place: on_it.place.to_string(),
            key: on_it.key.clone(),
            state: key.map_or_else(String::new, |key| key.state.to_string()),
            public_key: on_it.public_key.to_string(),
            certificate_serial: certificate.map(|c| c.serial.to_string()),
            not_after: certificate.map(|c| c.not_after),
        }
    });
    let mut sightings = t.sightings().into_iter();
    let own = sightings.next();
    let elsewhere = sightings.map(|(workstation, shown, shown_at)| SeenElsewhere {
        workstation: workstation.clone(),
        shown_at,
        shown: shown.clone(),
    });
    TokenRow {
        name: name.clone(),
        state: t.phase.as_str().to_owned(),
        title: t.title.clone(),
        principal: t.principal.clone(),
        profile: t.profile.as_ref().map(|p| p.name.clone()),
        shown: own.map(|(_, shown, _)| shown.clone()),
        workstation: own.map(|(workstation, ..)| workstation.clone()),
        shown_at: own.map(|(.., at)| at),
        elsewhere: elsewhere.collect(),
        task: t.task.as_ref().map(|open| TaskRow {
            task: open.filed.task,
            kind: open.filed.kind,
            workstation: open.filed.workstation.clone(),
            filed_at: open.filed_at,
            step: open.step,
        }),
        last_task: t.last_task.map(|(task, done)| LastTask { task, done }),
        keys: keys.collect(),
        openpgp: t.openpgp.clone(),
        secrets_in_custody: t.entry.is_some(),
        users: t.users.clone(),
        proved_at: t.proved_at,
        fault: t.fault.clone(),
        revision: entry.head.revision,
        changed_at: entry.head.at,
    }
}
