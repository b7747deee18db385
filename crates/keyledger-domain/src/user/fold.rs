//! What happens to a user, and what that makes of it.

use super::{Issued, RevocationConfirmed, Revoked, State, User};
use crate::{
    event::events,
    folded::{Folded, Indexed},
    group::{Fingerprint, Group},
    record::Why,
    stamp::Role,
    time::Timestamp,
};

events! { of User;
    /// Its JWT was issued.
    "user.v1.issued" => Issued(Issued),
    /// It is refused from now on: the record of the intent.
    "user.v1.revoked" => Revoked(Revoked),
    /// Every server that answered refuses it.
    "user.v1.revocation_confirmed" => RevocationConfirmed(RevocationConfirmed),
}

impl User {
    /// The user as its first event makes it; nothing if that is not its issue.
    #[must_use]
    pub fn create(event: &Event) -> Option<Self> {
        let Event::Issued(issued) = event else {
            return None;
        };
        let Issued {
            account,
            nkey,
            generated,
            role,
            issuer,
            principal,
            issued_at,
            expires_at,
            keys,
            publish,
            subscribe,
        } = issued.clone();
        Some(Self {
            account,
            nkey,
            generated,
            role,
            issuer,
            principal,
            issued_at,
            expires_at,
            keys,
            publish,
            subscribe,
            revoked_at: None,
            revoked_why: None,
            revocation_took_ms: None,
        })
    }

    /// Takes in what happened.
    pub fn evolve(&mut self, event: &Event) {
        match event {
            Event::OfVerb(event) => event.evolve(self),
            Event::Issued(_) => {}
            Event::Revoked(r) => self.revoked_at = Some(r.revoked_at),
            Event::RevocationConfirmed(c) => self.revocation_took_ms = Some(c.took_ms),
        }
    }
}

impl Folded for User {
    type Event = Event;
    type State = State;

    fn begin(event: &Event, _at: Timestamp) -> Option<Self> {
        Self::create(event)
    }

    fn fold(&mut self, event: &Event, _at: Timestamp) {
        self.evolve(event);
    }

    fn state(&self) -> State {
        match self.revoked_at {
            None => State::Issued,
            Some(_) => State::Revoked,
        }
    }

    fn explain(&mut self, event: &Event, why: &Why) {
        if let Event::Revoked(_) = event {
            self.revoked_why.clone_from(&why.reason);
        }
    }

    fn indexed(event: &Event) -> Vec<Indexed<'_>> {
        let Event::Issued(issued) = event else {
            return Vec::new();
        };
        let public = Fingerprint::of_nkey(&issued.nkey);
        vec![Indexed::User(&issued.nkey), Indexed::PublicKey(public)]
    }

    fn public_keys(&self) -> Vec<Fingerprint> {
        Fingerprint::of_nkey(&self.nkey).into_iter().collect()
    }
}

impl Event {
    /// The groups that its history is in from then on, if it was not before.
    #[must_use]
    pub fn joins(&self) -> Vec<Group> {
        match self {
            Self::Issued(issued) => {
                let mut joined = vec![Group::UsersIn(issued.account.clone())];
                joined.extend(issued.principal.clone().map(Group::UsersOf));
                joined.extend(Fingerprint::of_nkey(&issued.nkey).map(Group::Bearers));
                let commands = issued.role == Some(Role::Administrator);
                joined.extend(commands.then_some(Group::Administrators));
                joined
            }
            Self::Revoked(_) | Self::RevocationConfirmed(_) => Vec::new(),
            Self::OfVerb(event) => event.joins(),
        }
    }
}
