//! The state of a principal: the fold of its events.

use serde::{Deserialize, Serialize};

use super::{Kind, OpenpgpPublished};
use crate::{
    key::Escrowed,
    name::Name,
    text::{Labels, Title},
    time::Timestamp,
    word::states,
};

states! {
    /// The states of a principal.
    State {
        /// It acts.
        Registered => "registered",
        /// It acts no more.
        Offboarded => "offboarded",
    }
}

/// A principal as its history left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// What it is.
    pub kind: Kind,
    /// What people call it.
    pub title: Option<Title>,
    /// Where to write to.
    pub email: Option<Title>,
    /// The unit it belongs to.
    pub unit: Option<Name>,
    /// The person who answers for it.
    pub responsible: Option<Name>,
    /// Its labels.
    pub labels: Labels,
    /// Its OpenPGP certificate.
    pub openpgp: Option<Box<OpenpgpPublished>>,
    /// Its keys in custody that decrypt, the newest last.
    pub escrowed: Vec<Escrowed>,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// When it was offboarded.
    pub offboarded_at: Option<Timestamp>,
    /// Who was named to get what it owned.
    pub successor: Option<Name>,
}

impl Principal {
    /// Its key in custody of this name; the newest if none is named.
    #[must_use]
    pub fn escrowed_as(&self, key: Option<&Name>) -> Option<&Escrowed> {
        match key {
            Some(key) => self.escrowed.iter().find(|escrowed| escrowed.key == *key),
            None => self.escrowed.last(),
        }
    }
}
