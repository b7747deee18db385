//! Shows a command in words to the person who is to sign it: every field by name, and long values cut to what a window holds.

use keyledger_domain::text::visible;
use keyledger_wire::local::Sign;
use serde_json::{Map, Value};

/// The room for all fields together, in bytes of pinentry's protocol. A line has 1,000 bytes, and the rest of the text takes some 300.
const MAX_BYTES: usize = 600;
/// A person can read through this many fields.
const MAX_FIELDS: usize = 32;
/// A value that is cut shows at least this many bytes: fewer would say nothing.
const LEAST_BYTES: usize = 12;
/// The longest text that stands behind a cut value: `… (65536 bytes)`.
const CUT_BYTES: usize = 17;

/// A command has more fields than a window can show, so it must not be signed.
#[derive(Debug, thiserror::Error)]
#[error(
    "the command has {fields} fields, which the agent's window cannot all show: it is not signed"
)]
pub(super) struct NotShown {
    fields: usize,
}

/// The question that the person is asked. `payload` is the payload of `sign`, parsed.
///
/// # Errors
///
/// [`NotShown`] if the fields are too many, or their names too long.
pub(super) fn shown(sign: &Sign, payload: &Map<String, Value>) -> Result<String, NotShown> {
    let Sign {
        serial,
        slot,
        aggregate,
        verb,
        name,
        user,
        ..
    } = sign;
    Ok(format!(
        "Sign a command with token {serial}, slot {slot}?\n\n{verb} {aggregate} {name}\n{}\nas user {user}",
        fields(payload)?
    ))
}

/// The number of fields, then a line for each.
fn fields(payload: &Map<String, Value>) -> Result<String, NotShown> {
    let count = payload.len();
    let fields: Vec<_> = payload
        .iter()
        .map(|(name, value)| (visible(name), text_of(value)))
        .collect();
    let names: usize = fields
        .iter()
        .map(|(name, _)| cost(name) + 2 + cost("\n"))
        .sum();
    let values: Vec<_> = fields.iter().map(|(_, value)| cost(value)).collect();
    let share = MAX_BYTES
        .checked_sub(names)
        .map(|room| share_of(room, values));
    let share = share.filter(|share| count <= MAX_FIELDS && *share >= LEAST_BYTES + CUT_BYTES);
    let share = share.ok_or(NotShown { fields: count })?;
    let mut lines = match count {
        1 => "1 field:\n".to_owned(),
        _ => format!("{count} fields:\n"),
    };
    for (name, value) in fields {
        lines.push_str(&format!("{name}: {}\n", cut(&value, share)));
    }
    Ok(lines)
}

/// A value in one line, with every character visible.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => visible(text),
        other => visible(&other.to_string()),
    }
}

/// The most bytes that each value may take so that all fit into `room`. What short values leave over goes to the long ones.
fn share_of(mut room: usize, mut values: Vec<usize>) -> usize {
    values.sort_unstable();
    let mut left = values.len();
    for value in values {
        if value > room / left {
            return room / left;
        }
        room -= value;
        left -= 1;
    }
    MAX_BYTES // no value is cut
}

/// The beginning of a value that takes more than `share` bytes, and its length.
fn cut(value: &str, share: usize) -> String {
    if cost(value) <= share {
        return value.to_owned();
    }
    let mut room = share - CUT_BYTES;
    let kept = value.chars().take_while(|c| {
        let cost = cost_of(*c);
        let fits = cost <= room;
        room = room.saturating_sub(cost);
        fits
    });
    format!("{}… ({} bytes)", kept.collect::<String>(), value.len())
}

/// The bytes that a text takes in pinentry's protocol.
fn cost(text: &str) -> usize {
    text.chars().map(cost_of).sum()
}

const fn cost_of(c: char) -> usize {
    match c {
        '%' | '\n' => 3, // escaped
        c => c.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(payload: &Value) -> Result<String, NotShown> {
        fields(payload.as_object().unwrap())
    }

    #[test]
    fn a_long_value_hides_no_other() {
        let shown = of(&serde_json::json!({
            "account": "admin", "reason": "ä".repeat(350), "role": "administrator", "seal_to": null,
        }));
        let shown = shown.unwrap();
        assert!(shown.starts_with("4 fields:\n"), "{shown}");
        assert!(shown.contains("\nrole: administrator\n"), "{shown}");
        assert!(shown.contains("\nseal_to: null\n"), "{shown}");
        assert!(shown.contains("ä… (700 bytes)\n"), "{shown}");
        assert!(cost(&shown) <= MAX_BYTES + cost("4 fields:\n"), "{shown}");
    }

    #[test]
    fn what_every_field_of_a_command_needs_is_there() {
        let long = "x".repeat(500);
        let names = [
            "account",
            "nkey",
            "seal_to",
            "role",
            "principal",
            "expires_days",
            "keys",
            "publish",
            "subscribe",
            "reason",
            "ticket",
        ];
        let mut payload = Map::new();
        payload.extend(names.map(|name| (name.to_owned(), Value::from(long.as_str()))));
        payload.insert("role".to_owned(), Value::from("administrator"));
        let shown = fields(&payload).unwrap();
        assert!(shown.contains("\nrole: administrator\n"), "{shown}");
        for name in names {
            assert!(shown.contains(&format!("\n{name}: ")), "{shown}");
        }
    }

    #[test]
    fn what_cannot_all_be_shown_is_refused() {
        let many: Map<_, _> = (0..33).map(|n| (format!("f{n}"), Value::from(1))).collect();
        let refused = fields(&many).unwrap_err().to_string();
        assert!(refused.contains("33 fields"), "{refused}");
        let long: Map<_, _> = (0..25)
            .map(|n| {
                (
                    format!("a_long_name_of_a_field_{n}"),
                    Value::from("x".repeat(40)),
                )
            })
            .collect();
        assert!(fields(&long).is_err());
        let wide: Map<_, _> = [("n".repeat(600), Value::from(1))].into_iter().collect();
        assert!(fields(&wide).is_err());
    }

    /// With a line break in it, a value could pass for a field.
    #[test]
    fn neither_names_nor_values_break_the_line_or_turn_it_round() {
        let shown = of(&serde_json::json!({
            "reason": "a\nrole: auditor\u{2028}\r\u{202e}x", "ro\nle\u{200b}": "y", "labels": {"k": "v\nw"},
        }));
        let shown = shown.unwrap();
        assert_eq!(shown.lines().count(), 4, "{shown}");
        for invisible in ['\r', '\u{2028}', '\u{202e}', '\u{200b}'] {
            assert!(!shown.contains(invisible), "{shown:?}");
        }
        assert!(shown.contains("ro\u{fffd}le\u{fffd}: y\n"), "{shown}");
    }

    #[test]
    fn no_field_is_said_too() {
        assert_eq!(of(&serde_json::json!({})).unwrap(), "0 fields:\n");
    }
}
