//! Events, exports, profiles, commands and reports.

use keyledger_domain::{
    Aggregate, Command, Event, Ledger, Name, Record, Timestamp,
    command::parse_report,
    name::HistoryId,
    private_key,
    token::Profile,
    verify::{
        Options,
        export::{Reader, parse_line, write_line},
    },
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::text;

/// What the type of a stored event and its body are, whatever else stands beside them.
#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(rename = "type")]
    name: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// An event's type and body.
pub(crate) fn event(bytes: &[u8]) -> bool {
    let Ok(Typed { name, data }) = serde_json::from_slice(bytes) else {
        return false;
    };
    let Ok(event) = Event::read(&name, data.get().as_bytes()) else {
        return false;
    };
    let written = serde_json::to_vec(&event).expect("an event is JSON");
    let again = Event::read(event.type_name(), &written);
    assert_eq!(again.expect("what is written can be read"), event);
    true
}

/// The bytes of an event as they are stored.
pub(crate) fn envelope(bytes: &[u8]) -> bool {
    let Ok(record) = Record::read(bytes) else {
        return false;
    };
    let again = Record::read(&record.to_bytes());
    assert_eq!(again.expect("what is written can be read"), record);
    true
}

/// The lines of an export.
pub(crate) fn export(bytes: &[u8]) -> bool {
    let mut reader = Reader::new(Options::default());
    let mut sound = true;
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Some(Ok(line)) = text(line).map(parse_line) {
            let again = parse_line(&write_line(&line));
            assert_eq!(again.expect("what is written can be read"), line);
        }
        sound = sound && reader.take_bytes(line).is_ok();
    }
    sound && reader.finish().is_ok()
}

/// A token profile in TOML.
pub(crate) fn profile(bytes: &[u8]) -> bool {
    let Some(profile) = text(bytes).and_then(|text| Profile::read(text).ok()) else {
        return false;
    };
    // As it stands in a task.
    let json = serde_json::to_string(&profile).expect("a profile is JSON");
    let again: Profile = serde_json::from_str(&json).expect("what is written can be read");
    assert_eq!(again, profile);
    assert_eq!(again.check(), Ok(()));
    true
}

/// A line with a verb such as `key.revoke` or `report`, and the payload.
pub(crate) fn command(bytes: &[u8]) -> bool {
    // The service looks for private keys in every payload, before it reads it.
    let _ = private_key::find_in_payload(bytes);
    let Some((name, payload)) = named(bytes) else {
        return false;
    };
    if name == "report" {
        return parse_report(payload).is_ok();
    }
    let Some((aggregate, verb)) = name.split_once('.') else {
        return false;
    };
    let Some(aggregate) = Aggregate::parse(aggregate) else {
        return false;
    };
    let Ok((command, _)) = Command::parse(aggregate, verb, payload) else {
        return false;
    };
    assert_eq!((command.aggregate(), command.verb()), (aggregate, verb));
    // A rule never panics, whatever a payload says. There is nothing in this ledger, so nearly all is rejected.
    let target = HistoryId::new(aggregate, Name::new("anything").expect("it is a name"));
    let _ = Ledger::new().decide(
        &target,
        &command.bare(),
        Timestamp::from_seconds(1_796_083_200),
    );
    true
}

/// The first line, and what follows it.
fn named(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((text(&bytes[..end])?, &bytes[end + 1..]))
}
