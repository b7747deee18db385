//! How a key comes to be.

use super::{Certified, Class, Created, Event, Key, Material, Public, dates::check_schedule};
use crate::{
    algorithm::{Algorithm, Purposes},
    rejection::Rejection,
    time::Timestamp,
};

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

/// A key that custody generated, with the certificate over it where one was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratedKey {
    /// Its first version.
    pub version: NewVersion,
    /// The certificate, where its issuer signs in custody.
    pub certified: Option<Box<Certified>>,
}

/// A creation, and the activation with it if it is wanted or due at once.
pub(super) fn events(
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

pub(super) fn purposes(
    algorithm: Algorithm,
    wanted: Option<Purposes>,
) -> Result<Purposes, Rejection> {
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
