//! The rules of an account's life.

use super::{AMPLE_JWT_BYTES, Account, Command, Created, Event, Purpose, SigningKey};
use crate::{
    algorithm::{Algorithm, Purposes},
    key::{self, Custodian, Public},
    name::{Aggregate, HistoryId, Name},
    rejection::Rejection,
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
    /// The `nats` object of its JWT without signing keys and revocations.
    pub claims: serde_json::Value,
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

/// Decides what a command does to the account `name`.
///
/// # Errors
///
/// A [`Rejection`] if a rule says no.
pub fn decide(
    name: &Name,
    account: Option<&Account>,
    command: &Command,
    facts: Option<&AccountFacts>,
    now: Timestamp,
) -> Result<Vec<Event>, Rejection> {
    let id = || HistoryId::new(Aggregate::Account, name.clone());
    let Command::Create(create) = command;
    if account.is_some() {
        return Err(Rejection::NameTaken(id()));
    }
    let facts = facts.ok_or_else(|| Rejection::NoMaterial {
        key: name.clone(),
        why: "custody generated nothing",
    })?;
    let title = match &create.title {
        Some(title) => title.clone(),
        None => Title::new(name.as_str()).expect("a name is a line of text"),
    };
    let created = Event::Created(Created {
        title,
        purpose: facts.purpose,
        nkey: facts.identity.public.nkey.clone().unwrap_or_default(),
        key: facts.identity.key.clone(),
        signing_keys: facts.signing_keys.clone(),
        claims: facts.claims.clone(),
        issuer: facts.issuer.clone(),
        issued_at: now.seconds(),
    });
    let bytes = Account::create(&created, now).map_or(0, |account| account.jwt_bytes(0));
    // Half of it is for revocations.
    if bytes > AMPLE_JWT_BYTES {
        return Err(Rejection::LimitReached {
            what: "bytes of an account's JWT before anybody is revoked",
            max: AMPLE_JWT_BYTES,
        });
    }
    Ok(vec![created])
}
