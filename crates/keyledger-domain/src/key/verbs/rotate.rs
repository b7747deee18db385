//! `key.rotate`.

use super::OfKey;
use crate::{
    command::body,
    event::Event,
    key::{self, Class, Custodian, Key, MAX_VERSIONS, NewVersion, Public, Rotated, State, spki},
    ledger::{Deciding, Decision, Ledger, Reader},
    name::Name,
    rejection::Rejection,
    senders::Senders,
    time::Timestamp,
    verb::{Binds, Nothing, Payload, Urgency, Verb},
};

body! { Key "rotate", optional reason;
    /// Rotate an active key to a new version; older versions only process
    Rotate {
        /// The new version's public key, for a key whose secret half is kept elsewhere.
        public_key: Option<String>,
    }
}

impl Verb for Rotate {
    type Made = Option<NewVersion>;
    type Gives = Nothing;

    const SENDERS: Senders = Senders::AndServices;
    const URGENCY: Urgency = Urgency::Usual;

    fn decide(&self, on: &Deciding<'_>, made: &Option<NewVersion>) -> Result<Decision, Rejection> {
        let key = on.key()?;
        on.check_sound()?;
        on.ledger
            .check_newcomer(self.binds(&on.ledger, on.name()).public)?;
        on.check_not_on_a_token(key)?;
        if key.is_authority() {
            return Err(Rejection::InUse {
                what: on.target.clone(),
                by: "the certificates it signed: make another authority with `keyledger ca create`"
                    .to_owned(),
            });
        }
        if on.ledger.is_escrowed(on.name()) {
            return Err(Rejection::NoMaterial {
                key: on.name().clone(),
                why: "tokens hold it: revoke it, and the next one that is provisioned gets another",
            });
        }
        on.check_not_behind_trust()?;
        match key.state {
            State::Active => {
                let public_key = self.public_key.as_deref();
                let event = rotated(on.name(), key, public_key, made.as_ref(), on.now)?;
                Ok(on.writes([event]))
            }
            state @ (State::PreActive
            | State::Suspended
            | State::Deactivated
            | State::Compromised
            | State::Destroyed
            | State::DestroyedCompromised) => Err(Self::not_allowed(state)),
        }
    }

    fn wrote(&self, first: &Event) -> bool {
        matches!(first, Event::Key(key::Event::Rotated(_)))
    }

    fn remarks(&self, ledger: &Ledger, on: &Name, _changed: bool) -> Vec<String> {
        ledger.same_public_key(&Self::history(on))
    }

    fn binds(&self, ledger: &Reader<'_>, on: &Name) -> Binds<'_> {
        let algorithm = ledger.key(on).map(|entry| entry.state.algorithm);
        let public = algorithm.zip(self.public_key.as_deref());
        Binds {
            public: public.and_then(|(algorithm, text)| spki::fingerprint(algorithm, text)),
            ..Binds::default()
        }
    }
}

fn rotated(
    name: &Name,
    key: &Key,
    public_key: Option<&str>,
    fresh: Option<&NewVersion>,
    now: Timestamp,
) -> Result<key::Event, Rejection> {
    if key.versions.len() >= MAX_VERSIONS {
        return Err(Rejection::LimitReached {
            what: "versions of a key",
            max: MAX_VERSIONS,
        });
    }
    let no_material = |why| Rejection::NoMaterial {
        key: name.clone(),
        why,
    };
    let (public, material) = match (key.custodian, public_key) {
        (Custodian::Software, None) => {
            let next = key.versions.last().map_or(1, |v| v.number + 1);
            let fresh = fresh
                .filter(|fresh| fresh.version == next)
                .ok_or_else(|| no_material("custody generated nothing for the next version"))?;
            (fresh.public.clone(), fresh.material.clone())
        }
        (Custodian::Software, Some(_)) => {
            let fault = "this key is generated in custody: leave the field out".to_owned();
            return Err(Rejection::BadValue {
                field: "public_key",
                fault,
            });
        }
        (Custodian::External, Some(text)) => {
            let public_key = Some(spki::normalised(key.algorithm, text)?.into());
            (
                Public {
                    public_key,
                    nkey: None,
                    check_value: None,
                },
                None,
            )
        }
        (Custodian::External, None) => {
            let fault = "this key is kept elsewhere: send the new version's public key".to_owned();
            return Err(Rejection::BadValue {
                field: "public_key",
                fault,
            });
        }
        (Custodian::Offline, _) => return Err(no_material("it is kept offline")),
        (Custodian::Token, _) => return Err(no_material("it was made on a token")),
    };
    if key
        .versions
        .iter()
        .any(|v| v.public_key.is_some() && v.public_key == public.public_key)
    {
        let fault = "it is a version of this key already: a new version needs a new key".to_owned();
        return Err(Rejection::BadValue {
            field: "public_key",
            fault,
        });
    }
    if public.nkey.is_none() && key.newest().is_some_and(|v| v.nkey.is_some()) {
        return Err(no_material(
            "custody generated no nkey, and this key serves NATS",
        ));
    }
    // As KMIP 2.1 re-keys: the new version's periods are as long as the old one's were.
    let since = key.rotated_at.or(key.activated_at);
    let protect_stop_at = match (since, key.protect_stop_at) {
        (Some(since), Some(stop)) if stop > since => now.plus_ms(stop.ms() - since.ms()),
        _ => now.plus_days(Class::protect_days(key.rotation_period_days)),
    };
    let process_stop_at = match (key.protect_stop_at, key.process_stop_at) {
        (Some(protect), Some(process)) => {
            Some(protect_stop_at.plus_ms(process.ms() - protect.ms()))
        }
        _ => None,
    };
    Ok(key::Event::Rotated(Rotated {
        version: key.versions.last().map_or(1, |v| v.number + 1),
        public,
        material,
        rotated_at: now,
        protect_stop_at,
        process_stop_at,
        rotation_due_at: now.plus_days(i64::from(key.rotation_period_days)),
    }))
}
