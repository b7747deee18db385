//! The export: JSON lines that are verified as they are read.

use keyledger_domain::verify::{
    Options, StoredEvent,
    export::{ExportError, Line, NotALine, Reader, parse_line, write_line},
};

use super::verify::{head_of, world};

fn export() -> Vec<String> {
    let events = world().stored();
    let head = Line::Head(head_of(&events, 2));
    let header = Line::Header {
        prefix: "keys".to_owned(),
    };
    let events = events.into_iter().map(Line::Event);
    std::iter::once(header)
        .chain(events)
        .chain([head])
        .map(|line| write_line(&line))
        .collect()
}

fn read(lines: &[String]) -> Result<u64, ExportError> {
    let mut reader = Reader::new(Options::default());
    lines.iter().try_for_each(|line| reader.take(line))?;
    reader.finish().map(|report| report.events)
}

#[test]
fn an_export_verifies() {
    let lines = export();
    assert!(lines[0].starts_with(r#"{"format":"keyledger-export","version":1,"prefix":"keys"}"#));
    assert!(lines.iter().all(|line| !line.contains('\n')));
    assert_eq!(read(&lines), Ok(lines.len() as u64 - 2));
}

#[test]
fn an_export_without_its_end_is_unfinished() {
    let lines = export();
    for length in [0, 1, lines.len() - 1] {
        let line = length as u64;
        assert_eq!(
            read(&lines[..length]),
            Err(ExportError::Unfinished { line })
        );
    }
}

#[test]
fn lines_stand_in_order() {
    let lines = export();
    let order = |lines: &[String]| matches!(read(lines), Err(ExportError::Order { .. }));
    assert!(order(&lines[1..]), "no header");
    assert!(
        order(&[lines.clone(), lines.clone()].concat()),
        "something after the head"
    );
    assert!(order(&[&lines[..1], &lines].concat()), "two headers");
}

/// What is broken in an export, as programs and people are told.
fn broken(lines: &[String]) -> (&'static str, String) {
    match read(lines) {
        Err(ExportError::Broken(broken)) => (broken.fault.reason(), broken.to_string()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn lines_that_stand_elsewhere_are_not_called_removed() {
    let lines = export();
    // One with its neighbour, with one far away, and one that was taken to the end.
    let mut neighbours = lines.clone();
    neighbours.swap(3, 4);
    let mut far = lines.clone();
    far.swap(3, 9);
    let mut last = lines.clone();
    let moved = last.remove(3);
    last.insert(last.len() - 1, moved);
    // What the far one overtook stands behind it already.
    for (lines, at) in [(neighbours, 4), (far, 4), (last, lines.len() - 2)] {
        let (reason, said) = broken(&lines);
        assert_eq!(reason, "reordered", "{said}");
        let wanted = format!("stands further down, on line {}", at + 1);
        assert!(said.contains("it is out of order: sequence"), "{said}");
        assert!(said.contains(&wanted), "{said}");
    }
}

#[test]
fn lines_that_stand_nowhere_are_called_removed_whatever_comes_behind() {
    let mut lines = export();
    lines.remove(3);
    let mut damaged = lines.clone();
    damaged[6] = "{".to_owned();
    let cut = lines[..lines.len() - 1].to_vec();
    for lines in [lines, damaged, cut] {
        let (reason, said) = broken(&lines);
        assert_eq!(reason, "removed", "{said}");
        assert!(said.starts_with("sequence 4, "), "{said}");
        assert!(said.contains("removed before it: sequence 3"), "{said}");
    }
}

#[test]
fn an_altered_line_is_named_by_its_event() {
    let mut lines = export();
    let at = lines.len() - 2;
    lines[at] = lines[at].replace("because", "perhaps");
    let Err(ExportError::Broken(broken)) = read(&lines) else {
        panic!("it verifies")
    };
    assert_eq!(
        (broken.sequence, broken.fault.reason()),
        (at as u64, "altered")
    );
}

#[test]
fn a_byte_that_is_no_text_is_named_by_its_line() {
    let lines = export();
    let mut reader = Reader::new(Options::default());
    reader.take_bytes(lines[0].as_bytes()).unwrap();
    let mut damaged = lines[1].clone().into_bytes();
    damaged[7] = 0xff;
    let error = reader.take_bytes(&damaged).unwrap_err();
    let source = NotALine::Malformed("its byte 8 is no UTF-8".to_owned());
    assert_eq!(error, ExportError::Line { line: 2, source });
}

#[test]
fn another_format_and_a_newer_version_are_named() {
    for text in [
        r#"{"format":"keyledger-export","version":2,"prefix":"keys","more":1}"#,
        r#"{"format":"other","version":1}"#,
    ] {
        assert!(
            matches!(parse_line(text), Err(NotALine::Unknown { .. })),
            "{text}"
        );
    }
    for text in [
        "",
        "{}",
        "[]",
        "7",
        r#"{"sequence":1,"subject":"a","headers":{}}"#,
        r#"{"head":{}}"#,
    ] {
        assert!(
            matches!(parse_line(text), Err(NotALine::Malformed(_))),
            "{text}"
        );
    }
}

#[test]
fn every_payload_comes_back_byte_by_byte() {
    for payload in [
        &b"{\"a\": \"\\u00e4\\n\"}"[..],
        "ä\u{2028}\u{1F511}".as_bytes(),
        &[0xff, 0, 1],
    ] {
        let line = Line::Event(StoredEvent {
            sequence: 1,
            subject: "keys.events.key.a.generated".to_owned(),
            headers: [("Keyledger-Cid".to_owned(), "b".to_owned())].into(),
            payload: payload.to_vec(),
        });
        assert_eq!(parse_line(&write_line(&line)), Ok(line));
    }
}

#[test]
fn a_field_that_stands_twice_is_not_read() {
    let lines = export();
    let event = lines[1].replacen(r#"{"sequence":1,"#, r#"{"sequence":1,"sequence":1,"#, 1);
    let header = lines[1].replacen(r#""headers":{"#, r#""headers":{"Keyledger-Cid":"bafk","#, 1);
    let head = lines[lines.len() - 1].replacen(r#""events":"#, r#""events":1,"events":"#, 1);
    for changed in [event, header, head] {
        assert!(!lines.contains(&changed), "it was changed");
        assert!(
            matches!(parse_line(&changed), Err(NotALine::Malformed(_))),
            "{changed}"
        );
    }
}
