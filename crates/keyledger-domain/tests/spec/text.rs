//! What people write: one visible line, and nothing that must not be kept.

use keyledger_domain::{
    Rejection,
    command::parse_payload,
    text::{Labels, Line, NotALine, Reason, Title, plain, shows_nothing},
};

#[test]
fn a_line_is_plain_visible_text() {
    for good in [
        "a",
        "laptop stolen, see SEC-1123",
        "Schlüssel für Zürich",
        "鍵 🔑",
    ] {
        assert_eq!(Reason::new(good).unwrap().as_str(), good);
    }
    assert_eq!(Reason::new(""), Err(NotALine::Empty));
    assert_eq!(Reason::new(" \u{3000}"), Err(NotALine::Empty));
    let over = "x".repeat(129);
    assert_eq!(
        Title::new(&over),
        Err(NotALine::TooLong {
            bytes: 129,
            max: 128
        })
    );
}

#[test]
fn what_a_reader_does_not_see_is_refused() {
    let unseen = [
        '\n',
        '\r',
        '\t',
        '\u{0}',
        '\u{1b}',
        '\u{7f}',
        '\u{85}',
        '\u{ad}',
        '\u{200b}',
        '\u{200d}',
        '\u{200f}',
        '\u{2028}',
        '\u{2029}',
        '\u{202e}',
        '\u{2060}',
        '\u{2066}',
        '\u{feff}',
        '\u{e0041}',
    ];
    for c in unseen {
        assert_eq!(
            Line::<64>::new(&format!("a{c}b")),
            Err(NotALine::Control),
            "{c:?}"
        );
    }
}

/// Text that looks empty, and is not: each was tried as a title.
const BLANK: [&str; 10] = [
    "\u{2800}",
    "\u{2800}\u{2800} \u{2800}",
    "\u{3164}",
    "\u{115f}",
    "\u{ffa0}",
    "\u{200b}",
    "\u{fe0f}",
    "\u{e0100}\u{fe0e}",
    "\u{202e}\u{2066}",
    "\u{3000}\u{a0}",
];

#[test]
fn text_in_which_nothing_can_be_seen_is_refused_wherever_a_command_holds_it() {
    for blank in BLANK {
        assert!(shows_nothing(blank), "{blank:?}");
        assert!(blank.parse::<Title>().is_err(), "{blank:?}");
        let escaped: String = blank
            .encode_utf16()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect();
        for blank in [blank, &escaped] {
            for (payload, path) in [
                (format!(r#"{{"title":"{blank}"}}"#), "title"),
                (format!(r#"{{"a":[{{"b":["x","{blank}"]}}]}}"#), "a[0].b[1]"),
                (
                    format!(r#"{{"labels":{{"team":"{blank}"}}}}"#),
                    "labels.team",
                ),
            ] {
                match parse_payload::<serde_json::Value>(payload.as_bytes()) {
                    Err(Rejection::Malformed { field, fault }) => {
                        assert_eq!(field, path);
                        assert!(fault.contains("visible character"), "{fault}");
                    }
                    other => panic!("{payload}: {other:?}"),
                }
            }
        }
    }
    for seen in ["", "a", "\u{2800}a", "❤\u{fe0f}", "鍵", "ᄀ"] {
        assert!(!shows_nothing(seen), "{seen:?}");
        let payload = serde_json::json!({ "title": seen }).to_string();
        parse_payload::<serde_json::Value>(payload.as_bytes()).unwrap();
    }
}

/// What was stored before the rule came stays readable.
#[test]
fn a_stored_title_in_which_nothing_can_be_seen_is_read() {
    for blank in ["\u{2800}", "\u{fe0f}"] {
        let stored = serde_json::json!(blank).to_string();
        let title: Title = serde_json::from_str(&stored).unwrap();
        assert_eq!(title.as_str(), blank);
    }
}

#[test]
fn a_secret_key_is_not_written_into_the_ledger() {
    // Not seeds of anybody's: only their form.
    for role in ["SO", "SA", "SU", "SN", "SC", "SX"] {
        let form = format!("{role}{}", "A".repeat(56));
        assert_eq!(Reason::new(&form), Err(NotALine::Secret));
        assert_eq!(
            Reason::new(&format!("lost ({form}), sorry")),
            Err(NotALine::Secret)
        );
    }
    assert_eq!(
        Reason::new("-----BEGIN PRIVATE KEY-----MC4CAQAw"),
        Err(NotALine::Secret)
    );
    assert_eq!(Reason::new("AGE-SECRET-KEY-1QQQQ"), Err(NotALine::Secret));
    // Public keys are no secret.
    let public = format!("U{}", "A".repeat(55));
    assert!(Reason::new(&format!("user {public}")).is_ok());
}

#[test]
fn what_is_refused_is_not_repeated() {
    let form = format!("SU{}", "A".repeat(56));
    let said = serde_json::from_value::<Title>(form.clone().into())
        .unwrap_err()
        .to_string();
    assert!(!said.contains(&form), "{said}");
}

#[test]
fn each_label_stands_once_and_there_are_at_most_32() {
    let twice = r#"{"team":"orders","team":"payments"}"#;
    let said = serde_json::from_str::<Labels>(twice)
        .unwrap_err()
        .to_string();
    assert!(said.contains("team stands twice"), "{said}");
    let many = |n: usize| {
        let entries: Vec<_> = (0..n).map(|i| format!(r#""l{i}":"x""#)).collect();
        serde_json::from_str::<Labels>(&format!("{{{}}}", entries.join(",")))
    };
    assert_eq!(many(32).unwrap().iter().count(), 32);
    assert!(many(33).is_err());
    assert!(serde_json::from_str::<Labels>("null").unwrap().is_empty());
}

#[test]
fn a_terminal_is_given_nothing_to_obey() {
    assert_eq!(plain("a\u{1b}[2Jb\r\nc"), "a\u{fffd}[2Jb\u{fffd}\nc");
}
