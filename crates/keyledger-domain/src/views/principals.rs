//! The list of principals: who owns keys and who acts.

use serde::{Deserialize, Serialize};

use super::page::{self, Budget, ListQuery, Page};
use crate::{
    ledger::{Entry, Ledger},
    name::Name,
    principal::{Kind, Principal},
    rejection::Rejection,
    text::{Labels, Title},
    time::Timestamp,
};

/// A principal, flat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PrincipalRow {
    /// Its name.
    pub name: Name,
    /// `registered` or `offboarded`.
    pub state: String,
    /// What it is.
    pub kind: Kind,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Title>,
    /// Where to write to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Title>,
    /// The unit it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Name>,
    /// The person who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responsible: Option<Name>,
    /// Its labels.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// The fingerprint of its OpenPGP certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openpgp: Option<String>,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// When it was offboarded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offboarded_at: Option<Timestamp>,
    /// Who was named to get what it owned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<Name>,
    /// The newest revision of its history.
    pub revision: u32,
    /// When that was.
    pub changed_at: Timestamp,
}

/// A principal with all that hangs on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PrincipalDetail {
    /// The principal.
    #[serde(flatten)]
    pub row: PrincipalRow,
    /// The users that stand for it and can connect, by name; 100 at most.
    pub users: Vec<Name>,
    /// The tokens that it holds; 100 at most.
    pub tokens: Vec<Name>,
    /// How many keys it answers for that are not destroyed.
    pub keys: usize,
    /// How many keys nobody answers for since it left.
    pub keys_without_owner: usize,
    /// The principals that it answers for, by name; 100 at most.
    pub answers_for: Vec<Name>,
}

/// The principals, by name.
///
/// # Errors
///
/// [`Rejection::OutOfRange`] if the limit is.
pub fn principals(
    ledger: &Ledger,
    query: &ListQuery,
    budget: Budget,
) -> Result<Page<PrincipalRow>, Rejection> {
    page::by_name(ledger.principals(), query, budget, principal_row)
}

/// The principal `name`.
#[must_use]
pub fn principal(ledger: &Ledger, name: &Name) -> Option<PrincipalRow> {
    ledger.principal(name).map(|e| principal_row(name, e))
}

fn principal_row(name: &Name, entry: &Entry<Principal>) -> PrincipalRow {
    let p = &entry.state;
    let state = if p.offboarded_at.is_some() {
        "offboarded"
    } else {
        "registered"
    };
    PrincipalRow {
        name: name.clone(),
        state: state.to_owned(),
        kind: p.kind,
        title: p.title.clone(),
        email: p.email.clone(),
        unit: p.unit.clone(),
        responsible: p.responsible.clone(),
        labels: p.labels.clone(),
        openpgp: p.openpgp.as_ref().map(|o| o.fingerprint.to_string()),
        registered_at: p.registered_at,
        offboarded_at: p.offboarded_at,
        successor: p.successor.clone(),
        revision: entry.head.revision,
        changed_at: entry.head.at,
    }
}

/// The principal `name` with all that hangs on it.
#[must_use]
pub fn detail(ledger: &Ledger, name: &Name, now: Timestamp) -> Option<PrincipalDetail> {
    const MOST: usize = 100;
    fn sorted<'a>(names: impl Iterator<Item = &'a Name>) -> Vec<Name> {
        let mut names: Vec<&Name> = names.collect();
        names.sort_unstable();
        names.into_iter().take(MOST).cloned().collect()
    }
    let row = principal(ledger, name)?;
    let users = ledger
        .users()
        .filter(|(_, u)| u.state.principal.as_ref() == Some(name) && u.state.is_live(now));
    let tokens = ledger
        .tokens()
        .filter(|(_, t)| t.state.principal.as_ref() == Some(name));
    let (mut keys, mut keys_without_owner) = (0, 0);
    for (_, key) in ledger.keys() {
        let key = &key.state;
        keys += usize::from(key.owner.as_ref() == Some(name) && !key.state.is_destroyed());
        keys_without_owner += usize::from(key.former_owner.as_ref() == Some(name));
    }
    Some(PrincipalDetail {
        row,
        users: sorted(users.map(|(user, _)| user)),
        tokens: sorted(tokens.map(|(token, _)| token)),
        keys,
        keys_without_owner,
        answers_for: sorted(ledger.answered_by(name).into_iter()),
    })
}
