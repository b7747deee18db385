//! The dates of a key: activation, the two usage periods, rotation.

use keyledger_domain::{Timestamp, key::Class};
use serde_json::json;

use crate::support::{BEGINNING, Step, active, given, key, please};

const LATER: fn(i64) -> Step = Step::Later;

fn day(n: i64) -> Timestamp {
    BEGINNING.plus_days(n)
}

fn generated(dates: serde_json::Value) -> Step {
    let mut body = json!({ "algorithm": "aes-256" });
    body.as_object_mut()
        .unwrap()
        .extend(dates.as_object().unwrap().clone());
    key("generate", "k", body)
}

#[test]
fn a_key_is_activated_by_the_scheduler_on_its_day() {
    let waiting = given([generated(json!({ "activation_at": day(10) }))]);
    waiting
        .clone()
        .when(Step::Tick)
        .then_nothing()
        .and_state("k", "pre-active");
    let then = waiting
        .when(LATER(10))
        .given()
        .when(Step::Tick)
        .then(["key k activated"]);
    then.and_state("k", "active")
        .given()
        .when(Step::Tick)
        .then_nothing();
}

#[test]
fn a_key_whose_day_has_come_already_is_active_at_once() {
    given([])
        .when(generated(json!({ "activation_at": day(-1) })))
        .then(["key k generated", "key k activated"]);
    given([])
        .when(generated(
            json!({ "activation_at": day(1), "activate": true }),
        ))
        .then_rejected("bad_date", "at once and later");
}

#[test]
fn rotation_falls_due_before_the_key_ends() {
    for class in [Class::Data, Class::Other, Class::Certificate] {
        let period = class.period_days();
        assert!(Class::protect_days(period) > i64::from(period));
    }
    let mut world = given([generated(json!({ "activate": true }))]).world();
    let key = world.key("k");
    assert_eq!(key.rotation_due_at, Some(day(90)));
    assert_eq!(key.protect_stop_at, Some(day(112)));
    for (days, written) in [(90, "rotation_due"), (22, "deactivated")] {
        world.run(&LATER(days)).unwrap();
        let records = world.run(&Step::Tick).unwrap();
        let records: Vec<_> = records.iter().map(|r| r.event.past()).collect();
        assert_eq!(records, [written]);
    }
    assert_eq!(world.state("k").as_str(), "deactivated");
}

#[test]
fn an_overdue_rotation_is_said_once_and_cured_by_rotating() {
    let overdue = given([active("k"), LATER(730), Step::Tick]);
    assert!(overdue.clone().world().key("k").rotation_overdue);
    overdue.clone().when(Step::Tick).then_nothing();
    let then = overdue.when(please("rotate", "k")).then(["key k rotated"]);
    let key = then.world.key("k");
    assert!(!key.rotation_overdue);
    assert_eq!(key.rotation_due_at, Some(day(1460)));
}

#[test]
fn a_new_version_has_periods_as_long_as_the_old_ones() {
    let dates = json!({
        "activate": true, "rotation_period_days": 30,
        "protect_stop_at": day(40), "process_stop_at": day(100),
    });
    let then = given([generated(dates), LATER(30)]).when(please("rotate", "k"));
    let key = then.world.key("k");
    assert_eq!(key.rotation_due_at, Some(day(60)));
    assert_eq!(key.protect_stop_at, Some(day(70)));
    assert_eq!(key.process_stop_at, Some(day(130)));
}

#[test]
fn a_key_never_protects_longer_than_it_may_process() {
    let then = given([]).when(generated(
        json!({ "activate": true, "process_stop_at": day(20) }),
    ));
    assert_eq!(then.world.key("k").protect_stop_at, Some(day(20)));
}

#[test]
fn what_is_over_is_neither_activated_nor_resumed() {
    given([generated(json!({ "protect_stop_at": day(5) })), LATER(5)])
        .when(please("activate", "k"))
        .then_rejected("bad_date", "originator-usage period has ended");
    given([generated(json!({ "process_stop_at": day(5) })), LATER(5)])
        .when(please("activate", "k"))
        .then_rejected("bad_date", "recipient-usage period has ended");
    given([active("k"), please("suspend", "k"), LATER(1000)])
        .when(please("resume", "k"))
        .then_rejected("bad_date", "originator-usage period has ended");
    let later = json!({ "protect_stop_at": day(2000) });
    given([
        active("k"),
        please("suspend", "k"),
        LATER(1000),
        key("schedule", "k", later),
    ])
    .when(please("resume", "k"))
    .and_state("k", "active");
}

#[test]
fn a_key_that_nobody_looked_at_for_its_whole_period_never_protects() {
    given([
        generated(json!({ "activation_at": day(1), "protect_stop_at": day(2) })),
        LATER(3),
    ])
    .when(Step::Tick)
    .then(["key k activated", "key k deactivated"])
    .and_state("k", "deactivated");
}

#[test]
fn a_suspended_key_ends_on_its_day_too() {
    given([active("k"), please("suspend", "k"), LATER(1000)])
        .when(Step::Tick)
        .then(["key k deactivated"]);
}

#[test]
fn dates_stand_in_order() {
    for (dates, words) in [
        (
            json!({ "activation_at": day(9), "protect_stop_at": day(9) }),
            "not after activation_at",
        ),
        (
            json!({ "activation_at": day(9), "process_stop_at": day(9) }),
            "not after activation_at",
        ),
        (
            json!({ "protect_stop_at": day(9), "process_stop_at": day(8) }),
            "before protect_stop_at",
        ),
        (json!({ "protect_stop_at": day(0) }), "not in the future"),
        (json!({ "process_stop_at": day(-1) }), "not in the future"),
        (json!({ "activation_at": day(7_301) }), "twenty years"),
    ] {
        given([])
            .when(generated(dates))
            .then_rejected("bad_date", words);
    }
    for days in [0, 7_301] {
        given([])
            .when(generated(json!({ "rotation_period_days": days })))
            .then_rejected("out_of_range", "1 to 7300");
    }
}

#[test]
fn a_schedule_is_held_against_the_dates_that_stand() {
    let stands = given([generated(
        json!({ "protect_stop_at": day(50), "process_stop_at": day(60) }),
    )]);
    let scheduled = |dates| stands.clone().when(key("schedule", "k", dates));
    scheduled(json!({ "activation_at": day(51) })).then_rejected("bad_date", "activation_at");
    scheduled(json!({ "process_stop_at": day(49) })).then_rejected("bad_date", "protect_stop_at");
    scheduled(json!({ "protect_stop_at": day(50) })).then_nothing();
    scheduled(json!({})).then_rejected("nothing_to_change", "");
    scheduled(json!({ "activation_at": day(1) })).then(["key k scheduled"]);
    given([active("a")])
        .when(key("schedule", "a", json!({ "activation_at": day(1) })))
        .then_rejected("bad_date", "active already");
}

#[test]
fn a_longer_rotation_period_needs_a_later_end() {
    let key_of = || given([generated(json!({ "activate": true }))]);
    key_of()
        .when(key("schedule", "k", json!({ "rotation_period_days": 365 })))
        .then_rejected("bad_date", "send a later protect_stop_at");
    key_of()
        .when(key(
            "schedule",
            "k",
            json!({ "rotation_period_days": 365, "protect_stop_at": day(400) }),
        ))
        .then(["key k scheduled"]);
}

#[test]
fn no_clock_ends_what_trust_stands_on() {
    let mut world = given([LATER(20_000)]).world();
    let written = world.run(&Step::Tick).unwrap();
    assert!(!written.is_empty());
    assert!(
        written.iter().all(|r| r.event.past() == "rotation_due"),
        "{written:?}"
    );
    assert!(
        written
            .iter()
            .any(|r| r.history.name.as_str() == "ledger-signing")
    );
    assert_eq!(world.ledger.next_due(), None);
}

#[test]
fn a_clock_that_is_set_back_dates_nothing_before_what_it_follows() {
    let then = given([LATER(100), active("k"), LATER(-50)]).when(please("deactivate", "k"));
    let key = then.world.key("k");
    assert_eq!(key.activated_at, Some(day(100)));
    assert_eq!(key.deactivated_at, Some(day(100)));
}

#[test]
fn what_has_ended_falls_due_no_more() {
    for end in [
        please("deactivate", "k"),
        crate::support::revoke("k", "key_compromise"),
    ] {
        let then = given([active("k")]).when(end);
        assert_eq!(then.world.key("k").rotation_due_at, None);
        assert_eq!(
            then.world.ledger.next_due_of(&crate::support::name("k")),
            None
        );
    }
}

#[test]
fn what_falls_due_under_a_clock_that_was_set_back_is_dated_behind_what_it_follows() {
    let soon = key("schedule", "k", json!({ "activation_at": day(3) }));
    let then = given([LATER(5), generated(json!({})), soon, LATER(-1)]).when(Step::Tick);
    let key = then.then(["key k activated"]).world.key("k").clone();
    assert_eq!(key.activated_at, Some(key.created_at));
}
