//! What happens to a principal, and what that makes of it.

use super::{
    Description, KeyRecovered, Offboarded, OpenpgpPublished, Principal, Registered, State,
};
use crate::{
    event::events, folded::Folded, group::Group, key::Escrowed, text::Labels, time::Timestamp,
};

events! { of Principal;
    /// It was registered.
    "principal.v1.registered" => Registered(Registered),
    /// Its description changed: what is absent stayed as it was.
    "principal.v1.described" => Described(Description),
    /// Its OpenPGP certificate was published: the newest one holds all that the earlier ones held.
    "principal.v1.openpgp_published" => OpenpgpPublished(OpenpgpPublished),
    /// Custody made a key that decrypts for it: its tokens hold that from now on.
    "principal.v1.key_escrowed" => KeyEscrowed(Escrowed),
    /// A key that decrypts for it was given to somebody, sealed.
    "principal.v1.key_recovered" => KeyRecovered(KeyRecovered),
    /// It acts no more.
    "principal.v1.offboarded" => Offboarded(Offboarded),
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

impl Folded for Principal {
    type Event = Event;
    type State = State;

    fn begin(event: &Event, at: Timestamp) -> Option<Self> {
        Self::create(event, at)
    }

    fn fold(&mut self, event: &Event, _at: Timestamp) {
        self.evolve(event);
    }

    fn state(&self) -> State {
        match self.offboarded_at {
            None => State::Registered,
            Some(_) => State::Offboarded,
        }
    }
}

impl Event {
    /// The groups that its history is in from then on, if it was not before.
    #[must_use]
    pub fn joins(&self) -> Vec<Group> {
        let described = match self {
            Self::Registered(registered) => &registered.description,
            Self::Described(described) => described,
            Self::OpenpgpPublished(_)
            | Self::KeyEscrowed(_)
            | Self::KeyRecovered(_)
            | Self::Offboarded(_) => {
                return Vec::new();
            }
            Self::OfVerb(event) => return event.joins(),
        };
        let responsible = described.responsible.clone();
        responsible.map(Group::AnsweredBy).into_iter().collect()
    }
}
