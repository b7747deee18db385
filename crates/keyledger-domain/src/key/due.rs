//! What falls due of a key, and what the service itself records of it.

use super::{Activated, Class, Dates, Deactivated, Event, Key, MaterialErased, RotationDue, State};
use crate::time::Timestamp;

/// What the scheduler finds due at `now`; [`Folded::next_due`](crate::folded::Folded::next_due) says when that is. Nothing is due twice: the event moves the date.
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
        State::PreActive if past(key.activation_at).is_none() => vec![],
        State::PreActive => {
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
        State::Active | State::Suspended => {
            let extended = key.extended().filter(|_| ends);
            let over = (ends && past(key.protect_stop_at).is_some()).then(deactivated);
            let rotation = past(key.rotation_due()).filter(|_| !key.rotation_overdue);
            let rotation =
                rotation.map(|rotation_due_at| Event::RotationDue(RotationDue { rotation_due_at }));
            extended.or(over).or(rotation).into_iter().collect()
        }
        State::Deactivated
        | State::Compromised
        | State::Destroyed
        | State::DestroyedCompromised => vec![],
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
    /// What moves its end behind that of its certificates, where it lies before: a certificate promises that its key lives.
    #[must_use]
    pub fn extended(&self) -> Option<Event> {
        let until = self.outlived_until()?;
        let process_stop_at = self.process_stop_at.filter(|stop| *stop < until);
        Some(Event::Scheduled(Dates {
            protect_stop_at: Some(until),
            process_stop_at: process_stop_at.map(|_| until),
            ..Dates::default()
        }))
    }

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
