//! The rules of a key's life: the `match` is NIST SP 800-57 part 1 §7, read aloud.

use super::{
    Activated, Class, Command, Created, Custodian, Dates, Deactivated, Describe, Description,
    Destroyed, Event, Generate, Key, MAX_VERSIONS, Material, MaterialErased, Nothing, Public,
    Register, Revoke, Revoked, Rotated, RotationDue, State,
    dates::{check_not_over, check_schedule, scheduled},
    spki,
};
use crate::{
    algorithm::{Algorithm, Purposes},
    name::{Aggregate, HistoryId, Name},
    rejection::Rejection,
    time::Timestamp,
};

/// What a decision about a key must know from outside.
#[derive(Debug, Clone, Copy)]
pub struct KeyFacts<'a> {
    /// The time.
    pub now: Timestamp,
    /// The version that custody generated, for `generate` and `rotate`.
    pub fresh: Option<&'a NewVersion>,
}

/// A version that custody generated: its public face, and where its sealed material lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// The number that custody bound its material to.
    pub version: u32,
    /// What may be known of it.
    pub public: Public,
    /// Where its secret half lies, sealed.
    pub material: Option<Material>,
}

/// Decides what a command does to the key `name`.
///
/// # Errors
///
/// A [`Rejection`] if a rule says no.
pub fn decide(
    name: &Name,
    key: Option<&Key>,
    command: &Command,
    facts: KeyFacts<'_>,
) -> Result<Vec<Event>, Rejection> {
    use {Command as C, State as S};
    let now = facts.now;
    let id = || HistoryId::new(Aggregate::Key, name.clone());
    let key = match (key, command) {
        (None, C::Generate(generate)) => return generated(name, generate, facts),
        (None, C::Register(register)) => return registered(register, now),
        (None, _) => return Err(Rejection::NotFound(id())),
        (Some(_), C::Generate(_) | C::Register(_)) => return Err(Rejection::NameTaken(id())),
        (Some(key), _) => key,
    };
    Ok(match (key.state, command) {
        (S::PreActive, C::Activate(_)) => {
            check_not_over(key, now)?;
            vec![key.activated(now)]
        }
        (S::Active, C::Activate(_) | C::Resume(_)) => vec![], // already so: nothing to record
        (S::Active, C::Suspend(_)) => vec![Event::Suspended(Nothing {})],
        (S::Suspended, C::Suspend(_)) => vec![],
        (S::Suspended, C::Resume(_)) => {
            check_not_over(key, now)?;
            vec![Event::Resumed(Nothing {})]
        }
        (S::Active | S::Suspended, C::Deactivate(_)) => {
            vec![Event::Deactivated(Deactivated {
                deactivated_at: now,
            })]
        }
        (S::Deactivated, C::Deactivate(_)) => vec![],
        (_, C::Revoke(revoke)) if is_revoked_so(key, revoke) => vec![],
        (_, C::Revoke(revoke)) => vec![
            revoked(key, revoke, now)
                .map_err(|rejection| already(name, key).unwrap_or(rejection))?,
        ],
        (S::Active, C::Rotate(rotate)) => {
            vec![rotated(name, key, rotate.public_key.as_deref(), facts)?]
        }
        (S::PreActive | S::Deactivated | S::Compromised, C::Destroy(_)) => {
            let entries = key.entries().map(Box::from).collect();
            vec![Event::Destroyed(Destroyed {
                destroyed_at: now,
                entries,
            })]
        }
        (S::Destroyed | S::DestroyedCompromised, C::Destroy(_)) => vec![],
        (S::Deactivated | S::Compromised, C::Archive(_)) if key.archived => vec![],
        (S::Deactivated | S::Compromised, C::Archive(_)) => vec![Event::Archived(Nothing {})],
        (S::Deactivated | S::Compromised, C::Recover(_)) if key.archived => {
            vec![Event::Recovered(Nothing {})]
        }
        (S::Deactivated | S::Compromised, C::Recover(_)) => vec![],
        (_, C::Describe(describe)) => described(key, describe)?,
        (S::PreActive | S::Active | S::Suspended, C::Schedule(schedule)) => {
            let new = Dates {
                activation_at: schedule.activation_at,
                protect_stop_at: schedule.protect_stop_at,
                process_stop_at: schedule.process_stop_at,
                rotation_period_days: schedule.rotation_period_days,
            };
            scheduled(key, new, now)?
        }
        (state, command) => {
            return Err(Rejection::NotAllowed {
                state,
                verb: command.verb(),
            });
        }
    })
}

/// What the scheduler finds due at `now`. Nothing is due twice: the event moves the date.
///
/// `ends` is false of a key that NATS trust or the ledger stands on: such a key is never ended by a clock, which would
/// cut everybody off; that its rotation is due is said.
#[must_use]
pub fn due(key: &Key, ends: bool, now: Timestamp) -> Vec<Event> {
    let past = |at: Option<Timestamp>| at.filter(|at| *at <= now);
    let deactivated = || {
        Event::Deactivated(Deactivated {
            deactivated_at: now,
        })
    };
    match key.state {
        State::PreActive if past(key.activation_at).is_some() => {
            let activated = key.activated(now);
            // Nobody looked for so long that its whole period is over: it never protects.
            let stop = key
                .protect_stop(now)
                .max(key.certified_until().unwrap_or(now));
            let over = ends && past(Some(stop)).is_some();
            std::iter::once(activated)
                .chain(over.then(deactivated))
                .collect()
        }
        State::Active | State::Suspended if ends && key.extended().is_some() => {
            key.extended().into_iter().collect()
        }
        State::Active | State::Suspended if ends && past(key.protect_stop_at).is_some() => {
            vec![deactivated()]
        }
        State::Active | State::Suspended if !key.rotation_overdue => past(key.rotation_due())
            .map(|rotation_due_at| vec![Event::RotationDue(RotationDue { rotation_due_at })])
            .unwrap_or_default(),
        _ => vec![],
    }
}

/// The next moment at which [`due`] finds something.
#[must_use]
pub fn next_due(key: &Key, ends: bool) -> Option<Timestamp> {
    match key.state {
        State::PreActive => key.activation_at,
        // Its certificates outlive it: its end is to be moved now.
        State::Active | State::Suspended if ends && key.extended().is_some() => key.activated_at,
        State::Active | State::Suspended => {
            let rotation = key.rotation_due().filter(|_| !key.rotation_overdue);
            let stop = key.protect_stop_at.filter(|_| ends);
            [stop, rotation].into_iter().flatten().min()
        }
        _ => None,
    }
}

/// The outcome of erasing a destroyed key's material; nothing if it stands in the ledger already.
#[must_use]
pub fn erased(key: &Key, now: Timestamp) -> Option<Event> {
    (key.state.is_destroyed() && !key.erased).then(|| {
        let entries = key.entries().map(Box::from).collect();
        Event::MaterialErased(MaterialErased {
            entries,
            erased_at: now,
        })
    })
}

impl Key {
    fn activated(&self, now: Timestamp) -> Event {
        Event::Activated(Activated {
            activated_at: now,
            protect_stop_at: self.protect_stop(now),
            rotation_due_at: now.plus_days(i64::from(self.rotation_period_days)),
        })
    }

    /// The end of its originator-usage period if it is activated at `now`: never after its recipient-usage period.
    fn protect_stop(&self, now: Timestamp) -> Timestamp {
        let usual = now.plus_days(Class::protect_days(self.rotation_period_days));
        let usual = self.process_stop_at.map_or(usual, |stop| stop.min(usual));
        self.protect_stop_at.unwrap_or(usual)
    }
}

fn generated(name: &Name, g: &Generate, facts: KeyFacts<'_>) -> Result<Vec<Event>, Rejection> {
    let fresh = facts.fresh.ok_or_else(|| Rejection::NoMaterial {
        key: name.clone(),
        why: "custody generated nothing",
    })?;
    let created = Created {
        algorithm: g.algorithm,
        purposes: purposes(g.algorithm, g.purposes)?,
        custodian: Custodian::Software,
        public: fresh.public.clone(),
        material: fresh.material.clone(),
        parent: g.parent.clone(),
        description: Description {
            title: g.title.clone(),
            owner: g.owner.clone(),
            classification: g.classification,
            usage: g.usage.clone(),
            handling: g.handling.clone(),
            disposal: g.disposal.clone(),
            labels: g.labels.clone(),
        },
        schedule: Dates {
            activation_at: g.activation_at,
            protect_stop_at: g.protect_stop_at,
            process_stop_at: g.process_stop_at,
            rotation_period_days: g.rotation_period_days,
        },
    };
    created_events(created, g.activate, facts.now, Event::Generated)
}

fn registered(r: &Register, now: Timestamp) -> Result<Vec<Event>, Rejection> {
    let created = Created {
        algorithm: r.algorithm,
        purposes: purposes(r.algorithm, r.purposes)?,
        custodian: Custodian::External,
        public: Public {
            public_key: Some(spki::normalised(r.algorithm, &r.public_key)?.into()),
            nkey: None,
            check_value: None,
        },
        material: None,
        parent: r.parent.clone(),
        description: Description {
            title: r.title.clone(),
            owner: r.owner.clone(),
            classification: r.classification,
            usage: r.usage.clone(),
            handling: r.handling.clone(),
            disposal: r.disposal.clone(),
            labels: r.labels.clone(),
        },
        schedule: Dates {
            activation_at: r.activation_at,
            protect_stop_at: r.protect_stop_at,
            process_stop_at: r.process_stop_at,
            rotation_period_days: r.rotation_period_days,
        },
    };
    created_events(created, r.activate, now, Event::Registered)
}

/// A creation, and the activation with it if it is wanted or due at once.
fn created_events(
    mut created: Created,
    activate: Option<bool>,
    now: Timestamp,
    event: fn(Created) -> Event,
) -> Result<Vec<Event>, Rejection> {
    let class = Class::of(created.algorithm, created.purposes);
    created
        .schedule
        .rotation_period_days
        .get_or_insert(class.period_days());
    check_schedule(&created.schedule, now)?;
    let due = created.schedule.activation_at.is_some_and(|at| at <= now);
    let activation = created.schedule.activation_at;
    if activate == Some(true)
        && !due
        && let Some(value) = activation
    {
        let rule = "it cannot be activated at once and later: leave out `activate` or the date";
        return Err(Rejection::BadDate {
            field: "activation_at",
            value,
            rule,
        });
    }
    let created = event(created);
    let mut events = vec![created];
    if (due || activate == Some(true))
        && let Some(key) = Key::create(&events[0], now)
    {
        events.push(key.activated(now));
    }
    Ok(events)
}

fn purposes(algorithm: Algorithm, wanted: Option<Purposes>) -> Result<Purposes, Rejection> {
    let able = algorithm.able();
    let purposes = wanted.unwrap_or(algorithm.usual());
    if purposes.is_empty() {
        let fault = format!("name at least one of {able}");
        return Err(Rejection::BadValue {
            field: "purposes",
            fault,
        });
    }
    if !purposes.within(able) {
        return Err(Rejection::PurposeNotPossible {
            algorithm,
            purposes,
            able,
        });
    }
    Ok(purposes)
}

/// True if the revocation stands there already, and the command knows nothing new.
fn is_revoked_so(key: &Key, r: &Revoke) -> bool {
    let known = |said: Option<Timestamp>, stands| said.is_none() || said == stands;
    key.revocation.as_ref().is_some_and(|stands| {
        stands.reason == r.revocation_reason
            && known(r.compromise_occurred_at, stands.compromise_occurred_at)
            && known(r.compromise_detected_at, stands.compromise_detected_at)
    })
}

/// That it was revoked before, if it was: when and why.
fn already(name: &Name, key: &Key) -> Option<Rejection> {
    let before = key.revocation.as_deref()?;
    Some(Rejection::RevokedBefore {
        key: name.clone(),
        at: before.revoked_at,
        reason: before.reason,
        why: before.why.clone(),
    })
}

fn revoked(key: &Key, r: &Revoke, now: Timestamp) -> Result<Event, Rejection> {
    let state = key.state;
    let compromise = r.revocation_reason.is_compromise();
    let allowed = match state {
        State::Active | State::Suspended => true,
        // KMIP has no way from pre-active to deactivated: what was never used is destroyed.
        // A compromise may be found later, also after destruction; other reasons add nothing then.
        State::PreActive | State::Deactivated | State::Destroyed => compromise,
        State::Compromised | State::DestroyedCompromised => false,
    };
    if !allowed {
        return Err(Rejection::NotAllowed {
            state,
            verb: "revoke",
        });
    }
    for (field, date) in [
        ("compromise_occurred_at", r.compromise_occurred_at),
        ("compromise_detected_at", r.compromise_detected_at),
    ] {
        let Some(value) = date else { continue };
        if !compromise {
            let rule = "only a revocation for key_compromise or ca_compromise has such a date";
            return Err(Rejection::BadDate { field, value, rule });
        }
        if value > now {
            return Err(Rejection::BadDate {
                field,
                value,
                rule: "it lies in the future",
            });
        }
        check_plausible(key, field, value)?;
    }
    let detected = compromise.then(|| r.compromise_detected_at.unwrap_or(now));
    if let (Some(occurred), Some(detected)) = (r.compromise_occurred_at, detected)
        && detected < occurred
    {
        let rule = "a compromise is not detected before it occurred";
        let field = "compromise_detected_at";
        return Err(Rejection::BadDate {
            field,
            value: detected,
            rule,
        });
    }
    Ok(Event::Revoked(Revoked {
        revocation_reason: r.revocation_reason,
        revoked_at: now,
        compromise_occurred_at: r.compromise_occurred_at,
        compromise_detected_at: detected,
    }))
}

/// A key is not compromised before it is there. Of one that is kept elsewhere nobody here knows when that was, but computers
/// count from 1970, and so do the lists that will say it.
fn check_plausible(key: &Key, field: &'static str, value: Timestamp) -> Result<(), Rejection> {
    let made_here = matches!(key.custodian, Custodian::Software | Custodian::Token);
    // A day's grace: a date alone is its first moment, in whatever time zone it was meant.
    let made = key.created_at.plus_days(-1);
    let rule = match () {
        () if value < Timestamp::from_seconds(0) => "it lies before 1970: look at the year",
        () if made_here && value < made => "the key was not made yet then: look at the year",
        () => return Ok(()),
    };
    Err(Rejection::BadDate { field, value, rule })
}

fn rotated(
    name: &Name,
    key: &Key,
    public_key: Option<&str>,
    facts: KeyFacts<'_>,
) -> Result<Event, Rejection> {
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
            let fresh = facts
                .fresh
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
    let now = facts.now;
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
    Ok(Event::Rotated(Rotated {
        version: key.versions.last().map_or(1, |v| v.number + 1),
        public,
        material,
        rotated_at: now,
        protect_stop_at,
        process_stop_at,
        rotation_due_at: now.plus_days(i64::from(key.rotation_period_days)),
    }))
}

fn described(key: &Key, d: &Describe) -> Result<Vec<Event>, Rejection> {
    let asked = Description {
        title: d.title.clone(),
        owner: d.owner.clone(),
        classification: d.classification,
        usage: d.usage.clone(),
        handling: d.handling.clone(),
        disposal: d.disposal.clone(),
        labels: d.labels.clone(),
    };
    if asked == Description::default() {
        return Err(Rejection::NothingToChange);
    }
    let event = Event::Described(asked);
    let mut after = key.clone();
    after.evolve(&event, key.created_at);
    Ok(if after == *key { vec![] } else { vec![event] })
}
