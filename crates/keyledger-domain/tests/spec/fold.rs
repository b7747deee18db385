//! Folding records: each follows the one before it, or the reader stops.

use keyledger_domain::{
    Event, EventCid, Ledger, Record,
    event::Unreadable,
    ledger::{Applied, ChainBreak},
    operator,
};

use crate::support::{World, active, given, history, name, please};

fn world() -> World {
    given([active("k"), please("suspend", "k")]).world()
}

#[test]
fn a_record_folded_before_is_folded_once() {
    let mut world = world();
    let before = world.ledger.clone();
    for (record, cid, sequence) in world.records() {
        assert_eq!(
            world.ledger.apply(&record, cid, sequence),
            Ok(Applied::Already)
        );
    }
    assert_eq!(world.ledger, before);
}

#[test]
fn a_record_written_again_further_on_is_refused() {
    let mut world = world();
    let before = world.ledger.clone();
    let records = world.records();
    let last = records.last().unwrap().2;
    for (record, cid, _) in records {
        let broken = world.ledger.apply(&record, cid, last + 1).unwrap_err();
        let expected = ChainBreak::Reinserted {
            history: record.history,
            revision: record.revision,
        };
        assert_eq!(broken, expected);
    }
    assert_eq!(world.ledger, before);
}

#[test]
fn the_newest_record_with_other_content_is_refused() {
    let mut world = world();
    let (mut record, _, sequence) = world.records().pop().unwrap();
    record.why.reason = Some("rewritten".parse().unwrap());
    let cid = EventCid::of(&record.to_bytes());
    let broken = world.ledger.apply(&record, cid, sequence).unwrap_err();
    assert!(
        matches!(broken, ChainBreak::Altered { revision: 3, .. }),
        "{broken}"
    );
}

#[test]
fn a_gap_or_a_wrong_link_is_refused_and_changes_nothing() {
    let records: Vec<_> = world().records();
    let of_key: Vec<_> = records
        .iter()
        .filter(|r| r.0.history.name == name("k"))
        .collect();
    let mut ledger = Ledger::new();
    let (first, cid, _) = of_key[0];
    ledger.apply(first, *cid, 1).unwrap();
    let before = ledger.clone();
    let (third, cid, _) = of_key[2];
    let broken = ledger.apply(third, *cid, 2).unwrap_err();
    assert!(
        matches!(
            broken,
            ChainBreak::Revision {
                expected: 2,
                found: 3,
                ..
            }
        ),
        "{broken}"
    );
    let (mut second, cid, _) = of_key[1].clone();
    second.prev = Some(cid);
    let broken = ledger.apply(&second, cid, 2).unwrap_err();
    assert!(
        matches!(broken, ChainBreak::Prev { revision: 2, .. }),
        "{broken}"
    );
    assert_eq!(ledger, before);
}

#[test]
fn a_history_that_begins_with_anything_but_a_creation_is_refused_and_leaves_no_trace() {
    let (mut record, cid, _) = world().records().pop().unwrap();
    let mut ledger = Ledger::new();
    (record.revision, record.prev) = (1, None);
    let broken = ledger.apply(&record, cid, 1).unwrap_err();
    assert!(matches!(
        broken,
        ChainBreak::Beginning {
            type_name: "key.v1.suspended",
            ..
        }
    ));
    record.history = history(keyledger_domain::Aggregate::Operator, "acme");
    record.event = Event::Operator(operator::Event::SigningKeyAdded(operator::SigningKey {
        key: name("signing"),
        nkey: "O".into(),
    }));
    assert!(ledger.apply(&record, cid, 1).is_err());
    assert_eq!(ledger, Ledger::new());
}

#[test]
fn an_event_of_one_kind_cannot_stand_in_a_history_of_another() {
    let (record, ..) = world().records().pop().unwrap();
    let text = String::from_utf8(record.to_bytes()).unwrap();
    let moved = text.replace(r#""aggregate":"key""#, r#""aggregate":"user""#);
    assert_ne!(moved, text);
    let Err(Unreadable::Record(fault)) = Record::read(moved.as_bytes()) else {
        panic!("it was read")
    };
    assert!(fault.contains("kind user"), "{fault}");
}

#[test]
fn a_type_of_a_newer_version_is_named() {
    let (record, ..) = world().records().pop().unwrap();
    let text = String::from_utf8(record.to_bytes()).unwrap();
    for unknown in [
        "key.v2.suspended",
        "token.v2.enrolled",
        "badge.v1.enrolled",
        "nonsense",
    ] {
        let newer = text.replace("key.v1.suspended", unknown);
        let read = Record::read(newer.as_bytes());
        assert_eq!(read.unwrap_err(), Unreadable::Type(unknown.to_owned()));
    }
}
