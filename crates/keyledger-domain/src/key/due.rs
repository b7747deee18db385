//! What falls due of a key, and what the service itself records of it.

use super::{Activated, Class, Deactivated, Event, Key, MaterialErased, RotationDue, State};
use crate::time::Timestamp;

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
    pub(super) fn activated(&self, now: Timestamp) -> Event {
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
