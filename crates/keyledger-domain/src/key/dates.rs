//! The rules of a key's dates: their order, their range, and what is over.

use super::{Dates, Event, Key, MAX_PERIOD_DAYS, State};
use crate::{rejection::Rejection, time::Timestamp};

/// What is over cannot begin, nor begin again: T4 and T10 are for the originator-usage period.
pub(super) fn check_not_over(key: &Key, now: Timestamp) -> Result<(), Rejection> {
    for (field, date, rule) in [
        (
            "protect_stop_at",
            key.protect_stop_at,
            "its originator-usage period has ended: `schedule` a later end first",
        ),
        (
            "process_stop_at",
            key.process_stop_at,
            "its recipient-usage period has ended: `schedule` a later end first",
        ),
    ] {
        if let Some(value) = date.filter(|stop| *stop <= now) {
            return Err(Rejection::BadDate { field, value, rule });
        }
    }
    Ok(())
}

/// What a new schedule comes to.
pub(super) fn scheduled(key: &Key, new: Dates, now: Timestamp) -> Result<Vec<Event>, Rejection> {
    if new == Dates::default() {
        return Err(Rejection::NothingToChange);
    }
    if let (Some(value), true) = (new.activation_at, key.state != State::PreActive) {
        let rule = "it is active already: only a pre-active key has an activation date";
        return Err(Rejection::BadDate {
            field: "activation_at",
            value,
            rule,
        });
    }
    check_schedule(&new, now)?;
    let event = Event::Scheduled(new);
    let mut after = key.clone();
    after.evolve(&event, key.created_at);
    check_order(&after)?;
    if let (Some(until), Some(value)) = (key.certified_until(), new.protect_stop_at)
        && value < until
    {
        let rule = "a certificate over it holds longer: revoke that first (`keyledger ca revoke`), or name a later end";
        let field = "protect_stop_at";
        return Err(Rejection::BadDate { field, value, rule });
    }
    if let (Some(_), None) = (new.rotation_period_days, new.protect_stop_at)
        && let (Some(due), Some(value)) = (after.rotation_due(), after.protect_stop_at)
        && due >= value
    {
        let rule =
            "the key would end before its rotation falls due: send a later protect_stop_at too";
        let field = "protect_stop_at";
        return Err(Rejection::BadDate { field, value, rule });
    }
    Ok(if after == *key { vec![] } else { vec![event] })
}

fn check_order(key: &Key) -> Result<(), Rejection> {
    let dates = Dates {
        activation_at: key.activation_at,
        protect_stop_at: key.protect_stop_at,
        process_stop_at: key.process_stop_at,
        rotation_period_days: None,
    };
    ordered(&dates)
}

/// Whether dates can be set at `now`.
pub(super) fn check_schedule(s: &Dates, now: Timestamp) -> Result<(), Rejection> {
    if let Some(days) = s.rotation_period_days
        && !(1..=MAX_PERIOD_DAYS).contains(&days)
    {
        return Err(Rejection::OutOfRange {
            field: "rotation_period_days",
            value: i64::from(days),
            min: 1,
            max: i64::from(MAX_PERIOD_DAYS),
        });
    }
    let latest = now.plus_days(i64::from(MAX_PERIOD_DAYS));
    for (field, date) in [
        ("activation_at", s.activation_at),
        ("protect_stop_at", s.protect_stop_at),
    ] {
        if let Some(value) = date.filter(|at| *at > latest) {
            let rule = "it is more than 7,300 days (twenty years) away";
            return Err(Rejection::BadDate { field, value, rule });
        }
    }
    for (field, date) in [
        ("protect_stop_at", s.protect_stop_at),
        ("process_stop_at", s.process_stop_at),
    ] {
        if let Some(value) = date.filter(|at| *at <= now) {
            let rule = "it is not in the future: to end the key now, deactivate it";
            return Err(Rejection::BadDate { field, value, rule });
        }
    }
    ordered(s)
}

fn ordered(s: &Dates) -> Result<(), Rejection> {
    if let (Some(start), Some(value)) = (s.activation_at, s.protect_stop_at)
        && value <= start
    {
        let rule = "it is not after activation_at";
        return Err(Rejection::BadDate {
            field: "protect_stop_at",
            value,
            rule,
        });
    }
    if let (Some(start), Some(value)) = (s.activation_at, s.process_stop_at)
        && value <= start
    {
        let rule = "it is not after activation_at";
        let field = "process_stop_at";
        return Err(Rejection::BadDate { field, value, rule });
    }
    if let (Some(stop), Some(value)) = (s.protect_stop_at, s.process_stop_at)
        && value < stop
    {
        let rule = "it is before protect_stop_at: what is protected last could not be processed";
        return Err(Rejection::BadDate {
            field: "process_stop_at",
            value,
            rule,
        });
    }
    Ok(())
}
