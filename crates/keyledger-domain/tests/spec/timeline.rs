//! Timelines in pages: a history of any length can be read.

use keyledger_domain::{
    Record,
    token::{Slot, SlotShown},
    views::{HistoryQuery, timeline, timeline_page},
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
    let (mut read, mut pages, mut query) = (Vec::new(), 0, HistoryQuery::default());
    loop {
        let page = timeline_page(&records, &query).unwrap();
        assert!(serde_json::to_vec(&page).unwrap().len() < 900 * 1_024);
        let Some(last) = page.last() else { break };
        query.after = Some(last.revision);
        read.extend(page);
        pages += 1;
    }
    assert_eq!(read, whole);
    assert!(pages > 1);
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
