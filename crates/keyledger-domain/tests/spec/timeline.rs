//! Timelines in pages: a history of any length can be read.

use keyledger_domain::{
    Record,
    token::{Slot, SlotShown},
    views::{Budget, HistoryFold, HistoryQuery, TimelinePage, timeline},
};

use crate::support::{SERIAL, Say, Step, forged, given, history, shown, surroundings, then};

/// A token that shows as much as it can, and something else each time.
fn announced(turn: u8) -> Step {
    let much: fn(&mut _, &mut _) = match turn % 2 {
        0 => |reported, _| fill(shown(reported), 1),
        _ => |reported, _| fill(shown(reported), 2),
    };
    forged(Say::Announce, much)
}

fn fill(shown: &mut keyledger_domain::token::Announcement, tries: u8) {
    let first = shown.slots[0].clone();
    let slots = (0x82..=0x95).filter_map(Slot::new);
    shown.slots = slots
        .map(|slot| SlotShown {
            slot,
            public_key: "A".repeat(1_024).into(),
            ..first.clone()
        })
        .collect();
    shown.pin_tries = Some(tries);
}

#[test]
fn a_history_larger_than_a_message_is_read_page_by_page() {
    let world = given(then(surroundings(), (0..40).map(announced))).world();
    let token = history(keyledger_domain::Aggregate::Token, &SERIAL.to_string());
    let is_of_it = |record: &Record| record.history == token;
    let records: Vec<_> = world.records();
    let records: Vec<_> = records.into_iter().filter(|r| is_of_it(&r.0)).collect();
    let whole = timeline(&records).unwrap();
    assert_eq!(whole.len(), 40);
    assert!(serde_json::to_vec(&whole).unwrap().len() > 1_024 * 1_024);
    // Each page begins with what was folded before it, and reads nothing of that again.
    let (mut read, mut pages, mut fold) = (Vec::new(), 0, HistoryFold::default());
    while read.len() < records.len() {
        let mut page = TimelinePage::behind(fold.clone(), Budget::default());
        let from = read.len();
        for (record, cid, sequence) in &records[from..] {
            if !page.add(record, *cid, *sequence).unwrap() {
                break;
            }
            fold.fold(record, *cid, *sequence).unwrap();
        }
        let page = page.finish();
        assert!(serde_json::to_vec(&page).unwrap().len() < 900 * 1_024);
        assert!(!page.is_empty());
        read.extend(page);
        pages += 1;
    }
    assert_eq!(read, whole);
    assert!(pages > 1);
}

#[test]
fn what_a_page_begins_with_does_not_grow_with_the_history() {
    let bytes = |events| {
        let world = given(then(surroundings(), (0..events).map(announced))).world();
        let token = history(keyledger_domain::Aggregate::Token, &SERIAL.to_string());
        let mut fold = HistoryFold::default();
        for (record, cid, sequence) in world.records() {
            if record.history == token {
                fold.fold(&record, cid, sequence).unwrap();
            }
        }
        fold.bytes()
    };
    let (short, long) = (bytes(4), bytes(80));
    assert!(long < short + 100, "{short} bytes, then {long}");
}

#[test]
fn a_page_of_records_that_do_not_follow_is_refused() {
    let world = given(then(surroundings(), (0..3).map(announced))).world();
    let token = history(keyledger_domain::Aggregate::Token, &SERIAL.to_string());
    let records = world.records();
    let of_it = records
        .iter()
        .find(|(record, ..)| record.history == token && record.revision == 2);
    let (record, cid, sequence) = of_it.unwrap();
    let mut page = TimelinePage::behind(HistoryFold::default(), Budget::default());
    assert!(page.add(record, *cid, *sequence).is_err());
}

#[test]
fn a_page_ends_where_it_is_asked_to() {
    let page = |limit, after| HistoryQuery { limit, after }.until();
    assert_eq!(page(Some(3), Some(7)), Ok(10));
    assert_eq!(page(None, None), Ok(500));
    assert_eq!(page(Some(1), Some(u32::MAX)), Ok(u32::MAX));
    assert!(page(Some(0), None).is_err());
    assert!(page(Some(501), None).is_err());
}
