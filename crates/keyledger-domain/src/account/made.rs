//! What custody makes for an account.

use super::{Purpose, SigningKey, intent::Intent};
use crate::{
    algorithm::{Algorithm, Purposes},
    key::{self, Custodian, Public},
    name::Name,
    text::Title,
    time::Timestamp,
};

/// What custody and the operator prepared for a new account.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountFacts {
    /// Its identity.
    pub identity: NkeyMade,
    /// Its signing keys.
    pub signing_keys: Vec<SigningKey>,
    /// The keys behind them, in the same order.
    pub signing_made: Vec<NkeyMade>,
    /// What it is for.
    pub purpose: Purpose,
    /// What it is to be.
    pub intent: Intent,
    /// The operator's signing key.
    pub issuer: Box<str>,
}

/// An nkey that custody generated, with the name of its key aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NkeyMade {
    /// The name that its key aggregate will have.
    pub key: Name,
    /// Its public face.
    pub public: Public,
    /// Where its sealed seed lies; nothing if it is kept offline.
    pub material: Option<key::Material>,
}

impl NkeyMade {
    /// The events of the key aggregate behind it: generated and active at once.
    #[must_use]
    pub fn events(&self, title: Title, parent: Option<Name>, now: Timestamp) -> Vec<key::Event> {
        let purposes = Purposes::of(&[crate::Purpose::Certify]);
        let period = key::Class::of(Algorithm::Ed25519, purposes).period_days();
        let custodian = if self.material.is_some() {
            Custodian::Software
        } else {
            Custodian::Offline
        };
        let created = key::Event::Generated(key::Created {
            algorithm: Algorithm::Ed25519,
            purposes,
            custodian,
            public: self.public.clone(),
            material: self.material.clone(),
            parent,
            description: key::Description {
                title: Some(title),
                classification: Some(key::Classification::Restricted),
                ..key::Description::default()
            },
            schedule: key::Dates {
                rotation_period_days: Some(period),
                ..key::Dates::default()
            },
        });
        let days = i64::from(period);
        let activated = key::Event::Activated(key::Activated {
            activated_at: now,
            // Trust keys are rotated by plan, never ended by a clock: that would cut every client off.
            protect_stop_at: now.plus_days(i64::from(key::MAX_PERIOD_DAYS)),
            rotation_due_at: now.plus_days(days),
        });
        vec![created, activated]
    }
}
