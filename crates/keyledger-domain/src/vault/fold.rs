//! What happens to a vault, and what that makes of it.

use super::{Initialised, Opened, Sealed, State, Vault};
use crate::{event::events, folded::Folded, group::Group, time::Timestamp};

events! { of Vault;
    /// Its root key was made, and a way to open it. It is sealed until it is opened.
    "vault.v1.initialised" => Initialised(Initialised),
    /// It was opened in an instance of the service.
    "vault.v1.opened" => Opened(Opened),
    /// It was sealed.
    "vault.v1.sealed" => Sealed(Sealed),
}

impl Event {
    /// The groups that its history is in from then on, if it was not before.
    #[must_use]
    pub fn joins(&self) -> Vec<Group> {
        match self {
            Self::Initialised(_) | Self::Opened(_) | Self::Sealed(_) => Vec::new(),
            Self::OfVerb(event) => event.joins(),
        }
    }
}

impl Folded for Vault {
    type Event = Event;
    type State = State;

    fn begin(event: &Event, _at: Timestamp) -> Option<Self> {
        let Event::Initialised(initialised) = event else {
            return None;
        };
        Some(Self {
            state: State::Sealed,
            method: initialised.method,
            initialised_at: initialised.initialised_at,
            opened_at: None,
            sealed_at: None,
        })
    }

    fn fold(&mut self, event: &Event, _at: Timestamp) {
        match event {
            Event::OfVerb(event) => event.evolve(self),
            Event::Initialised(_) => {}
            Event::Opened(opened) => {
                self.state = State::Open;
                self.method = opened.method;
                self.opened_at = Some(opened.opened_at);
            }
            Event::Sealed(sealed) => {
                self.state = State::Sealed;
                self.sealed_at = Some(sealed.sealed_at);
            }
        }
    }

    fn state(&self) -> State {
        self.state
    }
}
