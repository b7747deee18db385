//! What happens to the operator, and what that makes of it.

use super::{
    AttestationAuthority, Created, Described, Operator, RollbackAccepted, SigningKey, State,
};
use crate::{
    event::events,
    folded::{Folded, Indexed},
    group::Group,
    time::Timestamp,
};

events! { of Operator;
    /// The trust bootstrap made it.
    "operator.v1.created" => Created(Created),
    /// It has a further signing key.
    "operator.v1.signing_key_added" => SigningKeyAdded(SigningKey),
    /// Its title changed.
    "operator.v1.described" => Described(Described),
    /// Attestations of tokens that a further authority signed are believed from now on.
    "operator.v1.attestation_authority_trusted" => AttestationAuthorityTrusted(AttestationAuthority),
    /// The ledger is served although it was proved to be rolled back or replaced.
    "operator.v1.rollback_accepted" => RollbackAccepted(RollbackAccepted),
}

impl Operator {
    /// The operator as its first event makes it; nothing if that is not its creation.
    #[must_use]
    pub fn create(event: &Event, at: Timestamp) -> Option<Self> {
        let Event::Created(created) = event else {
            return None;
        };
        let created = created.clone();
        Some(Self {
            title: created.title,
            nkey: created.nkey,
            key: created.key,
            system_account: created.system_account,
            jwt: created.jwt,
            signing_keys: Vec::new(),
            attestation_authorities: Vec::new(),
            rollbacks: Vec::new(),
            created_at: at,
        })
    }

    /// Takes in what happened.
    pub fn evolve(&mut self, event: &Event) {
        match event {
            Event::OfVerb(event) => event.evolve(self),
            Event::Created(_) => {}
            Event::SigningKeyAdded(key) => self.signing_keys.push(key.clone()),
            Event::Described(described) => self.title = described.title.clone(),
            Event::AttestationAuthorityTrusted(authority) => {
                self.attestation_authorities.push(authority.clone());
            }
            Event::RollbackAccepted(rollback) => self.rollbacks.push(rollback.clone()),
        }
    }
}

impl Folded for Operator {
    type Event = Event;
    type State = State;

    fn begin(event: &Event, at: Timestamp) -> Option<Self> {
        Self::create(event, at)
    }

    fn fold(&mut self, event: &Event, _at: Timestamp) {
        self.evolve(event);
    }

    fn state(&self) -> State {
        State::Active
    }

    fn indexed(event: &Event) -> Vec<Indexed<'_>> {
        match event {
            Event::Created(created) => vec![Indexed::TrustOn(&created.key)],
            Event::SigningKeyAdded(added) => vec![Indexed::TrustOn(&added.key)],
            Event::Described(_)
            | Event::AttestationAuthorityTrusted(_)
            | Event::RollbackAccepted(_)
            | Event::OfVerb(_) => Vec::new(),
        }
    }
}

impl Event {
    /// The groups that its history is in from then on, if it was not before.
    #[must_use]
    pub fn joins(&self) -> Vec<Group> {
        match self {
            Self::Created(_)
            | Self::SigningKeyAdded(_)
            | Self::Described(_)
            | Self::AttestationAuthorityTrusted(_)
            | Self::RollbackAccepted(_) => Vec::new(),
            Self::OfVerb(event) => event.joins(),
        }
    }
}
