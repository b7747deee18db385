//! The list of principals: who owns keys and who acts.

use serde::{Deserialize, Serialize};

use super::page::{self, ListQuery, Page};
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
    /// The newest revision of its history.
    pub revision: u32,
    /// When that was.
    pub changed_at: Timestamp,
}

/// The principals, by name.
///
/// # Errors
///
/// [`Rejection::OutOfRange`] if the limit is.
pub fn principals(ledger: &Ledger, query: &ListQuery) -> Result<Page<PrincipalRow>, Rejection> {
    page::by_name(ledger.principals(), query, principal_row)
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
        revision: entry.head.revision,
        changed_at: entry.head.at,
    }
}
