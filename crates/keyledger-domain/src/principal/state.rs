//! The state of a principal: the fold of its events.

use serde::{Deserialize, Serialize};

use super::{Description, Event, Kind, OpenpgpPublished};
use crate::{
    key::Escrowed,
    name::Name,
    text::{Labels, Title},
    time::Timestamp,
};

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
    /// The principal as its first event makes it; nothing if that is not a registration.
    #[must_use]
    pub fn create(event: &Event, at: Timestamp) -> Option<Self> {
        let Event::Registered(registered) = event else {
            return None;
        };
        let mut principal = Self {
            kind: registered.kind,
            title: None,
            email: None,
            unit: None,
            responsible: None,
            labels: Labels::default(),
            openpgp: None,
            escrowed: Vec::new(),
            registered_at: at,
            offboarded_at: None,
            successor: None,
        };
        principal.describe(registered.description.clone());
        Some(principal)
    }

    /// Takes in what happened.
    pub fn evolve(&mut self, event: &Event) {
        match event {
            Event::OfVerb(event) => event.evolve(self),
            Event::Registered(_) | Event::KeyRecovered(_) => {}
            Event::Described(description) => self.describe(description.clone()),
            Event::OpenpgpPublished(p) => self.openpgp = Some(Box::new(p.clone())),
            Event::KeyEscrowed(e) => self.escrowed.push(e.clone()),
            Event::Offboarded(o) => {
                self.offboarded_at = Some(o.offboarded_at);
                self.successor.clone_from(&o.to);
            }
        }
    }

    /// Its key in custody of this name; the newest if none is named.
    #[must_use]
    pub fn escrowed_as(&self, key: Option<&Name>) -> Option<&Escrowed> {
        match key {
            Some(key) => self.escrowed.iter().find(|escrowed| escrowed.key == *key),
            None => self.escrowed.last(),
        }
    }

    fn describe(&mut self, d: Description) {
        self.title = d.title.or(self.title.take());
        self.email = d.email.or(self.email.take());
        self.unit = d.unit.or(self.unit.take());
        self.responsible = d.responsible.or(self.responsible.take());
        if let Some(labels) = d.labels {
            self.labels = labels;
        }
    }
}
