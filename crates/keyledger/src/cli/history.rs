//! The timeline of one aggregate, for people.

use anyhow::Context as _;
use keyledger_domain::{
    Name, Stamp,
    name::Aggregate,
    text::visible,
    views::{Change, HistoryQuery, TimelineEntry},
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    output::{Output, faint},
    session::Session,
    when,
};

/// Asks for the history of `name` and prints it.
pub(crate) async fn run(
    session: &Session,
    out: &mut Output<'_>,
    aggregate: Aggregate,
    name: &Name,
) -> anyhow::Result<()> {
    let entries = of(session, aggregate, name).await?;
    if out.is_json() {
        out.json(&entries)?;
    } else {
        entries.iter().try_for_each(|entry| print(entry, out))?;
    }
    Ok(())
}

/// Asks for the history of `name`, page by page.
pub(crate) async fn of(
    session: &Session,
    aggregate: Aggregate,
    name: &Name,
) -> anyhow::Result<Vec<TimelineEntry>> {
    let tail = format!("history.{aggregate}.{name}");
    let (mut entries, mut query) = (Vec::new(), HistoryQuery::default());
    loop {
        let page: Vec<TimelineEntry> = session
            .query(&tail, &query)
            .await
            .with_context(|| format!("the history of {aggregate} {name}"))?;
        let Some(last) = page.last() else {
            return Ok(entries);
        };
        query.after = Some(last.revision);
        entries.extend(page);
    }
}

/// Who did it: `alice (administrator) from 10.0.0.7`.
pub(crate) fn who(stamp: &Stamp) -> String {
    // The public nkey is shown if the user has no name, as that of the trust bootstrap.
    let nkey = match stamp.user.starts_with('O') {
        true => "the operator",
        false => &stamp.user,
    };
    let name = stamp.name.as_deref().unwrap_or(nkey);
    let role = stamp
        .role
        .map(|role| format!(" ({role})"))
        .unwrap_or_default();
    let host = stamp
        .host
        .as_deref()
        .map(|host| format!(" from {host}"))
        .unwrap_or_default();
    let signed = stamp.key.as_ref();
    let signed = signed.map_or_else(String::new, |key| format!(", signed with {key}"));
    format!("{name}{role}{host}{signed}")
}

/// The name of a value on the wire.
pub(crate) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

fn print(entry: &TimelineEntry, out: &mut Output<'_>) -> std::io::Result<()> {
    let at = when::moment(entry.at);
    let ago = when::relative(entry.at, out.now());
    let by = who(&entry.who);
    let head = format!(
        "{:>3}  {at}  {}  by {by}  ({ago})",
        entry.revision, entry.event
    );
    // The text may come from an agent, so characters that would begin another line or change its direction are removed.
    out.line(visible(&head))?;
    let mut detail = |what: &str, text: &str| out.line(visible(&format!("       {what}: {text}")));
    if let Some(reason) = &entry.reason {
        detail("reason", reason.as_str())?;
    }
    if let Some(ticket) = &entry.ticket {
        detail("ticket", ticket.as_str())?;
    }
    for Change { field, from, to } in &entry.changes {
        match (from, to) {
            // For a new key, absent values are not worth a line.
            (Value::Null, Value::Bool(false)) => {}
            (Value::Null, to) => detail(field, &shown(to))?,
            (from, Value::Null) => detail(field, &format!("{} → gone", shown(from)))?,
            (from, to) => detail(field, &format!("{} → {}", shown(from), shown(to)))?,
        }
    }
    out.styled(
        faint(),
        &format!("       {} at sequence {}", entry.cid, entry.sequence),
    )
}

/// A value as people can read it. Long ones, such as keys and certificates, are cut.
fn shown(value: &Value) -> String {
    /// Three lines of a terminal.
    const MOST: usize = 240;
    let text = self::value(value);
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}… (all of it: --json)", &text[..end]),
        None => text,
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(self::value).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| format!("{name}={}", self::value(value));
            fields.iter().map(field).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_history_is_printed_as_in_the_golden_file() {
        let entry: TimelineEntry = serde_json::from_value(entry()).unwrap();
        let mut text = Vec::new();
        let mut out = Output::fixed(
            &mut text,
            None,
            when::parse_moment("2026-11-22T12:00:00Z").unwrap(),
        );
        print(&entry, &mut out).unwrap();
        crate::golden::assert("history.txt", &text);
    }

    fn entry() -> Value {
        json!({
            "revision": 4, "at": "2026-11-22T10:00:00.123Z", "event": "revoked", "type": "key.v1.revoked",
            "who": { "account": "AX", "user": "UX", "name": "alice", "role": "administrator",
                     "host": "10.0.0.7", "verified_by": "request_info" },
            "reason": "laptop stolen", "ticket": "SEC-1123",
            "changes": [ { "field": "state", "from": "active", "to": "compromised" },
                         { "field": "revocation", "from": null, "to": { "reason": "key_compromise" } },
                         { "field": "rotation_due_at", "from": "2027-01-01T00:00:00.000Z", "to": null } ],
            "cid": "bafkr4ibpdgzdp3zuhiknhxdz4f4rysatutowxvywsfgmbyfbkyvc3snbjm",
            "sequence": 23, "id": "01997c00-0000-7000-8000-000000000001",
            "command_id": "01997c00-0000-7000-8000-000000000002",
            "correlation_id": "01997c00-0000-7000-8000-000000000002",
            "causation_id": "01997c00-0000-7000-8000-000000000002" })
    }

    #[test]
    fn what_is_long_is_cut_for_people() {
        assert_eq!(shown(&json!("short")), "short");
        let long = shown(&json!({ "public_key": "ä".repeat(3_000) }));
        assert!(long.chars().count() < 300, "{long}");
        assert!(long.ends_with("… (all of it: --json)"), "{long}");
    }

    #[test]
    fn what_was_written_makes_no_line_of_its_own() {
        let mut entry: TimelineEntry = serde_json::from_value(entry()).unwrap();
        entry.changes = vec![Change {
            field: "shown".to_owned(),
            from: Value::Null,
            to: json!({ "public_key": "AAAA\n  9  2026-11-22  retired  by alice\u{202e}\u{200b}" }),
        }];
        let mut text = Vec::new();
        let mut out = Output::fixed(&mut text, None, entry.at);
        print(&entry, &mut out).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(!text.contains(['\u{202e}', '\u{200b}']), "{text:?}");
    }
}
