//! What differs from run to run, replaced by a word in brackets.

use crate::world::World;

/// Knows what this world's names and places are.
pub(crate) struct Normaliser {
    literals: Vec<(String, &'static str)>,
}

impl Normaliser {
    pub(crate) fn new(world: &World) -> Self {
        let directory = world.directory();
        let canonical = directory.canonicalize().unwrap();
        Self {
            literals: vec![
                (directory.display().to_string(), "[dir]"),
                (canonical.display().to_string(), "[dir]"),
                (world.server_name(), "[server]"),
                (world.port.to_string(), "[port]"),
            ],
        }
    }

    pub(crate) fn normalise(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (literal, word) in &self.literals {
            text = text.replace(literal, word);
        }
        // The nats CLI says the same again as its error, and now and then before that, as its threads happen to run.
        let lines = text
            .lines()
            .filter(|line| !line.contains(">>> Unexpected NATS error"));
        let lines: Vec<_> = lines.map(|line| narrow(&words(line))).collect();
        lines.join("\n")
    }
}

/// Replaces the words of a line that differ.
fn words(line: &str) -> String {
    let words = split(line);
    let mut text = String::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let gap = words.get(at + 1) == Some(&" ");
        let next = words.get(at + 2).copied().filter(|_| gap);
        let before = text.trim_end_matches([' ', ':', '"']);
        let (replaced, taken) = match (*word, next) {
            (number, Some("ms")) if is_number(number) => ("[ms]", 3),
            (number, Some("events")) if is_number(number) => ("[n] events", 3),
            (number, _) if is_number(number) && before.ends_with("sequence") => ("[n]", 1),
            (version, _) if is_version(version) && text.contains("nats-server ") => {
                ("[version]", 1)
            }
            (span, Some("ago")) if is_span(span) => ("[ago]", 3),
            ("now", None) if text.ends_with('(') || text.ends_with("  ") => ("[ago]", 1),
            (day, Some(time)) if is_day(day) && is_clock(time) => ("[time]", 3),
            (word, _) => {
                // A word with dots may have an id in it.
                let parts = word.split('.').map(|part| kind(part).unwrap_or(part));
                let parts: Vec<_> = parts.collect();
                at += 1;
                text.push_str(&kind(word).map_or_else(|| parts.join("."), str::to_owned));
                continue;
            }
        };
        text.push_str(replaced);
        at += taken;
    }
    text
}

/// Words and what is between them.
fn split(line: &str) -> Vec<&str> {
    let is_inner = |c: char| c.is_alphanumeric() || "_-+/".contains(c);
    // A dot or a colon ends a sentence, unless more of the word follows; `=` ends base64, or comes before a value.
    let continues = |rest: &str| {
        let mut chars = rest.chars();
        let (this, next) = (chars.next(), chars.next());
        let more = next.is_some_and(is_inner);
        this.is_some_and(|c| (".:".contains(c) && more) || (c == '=' && !more))
    };
    let mut words = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let mut end = 0;
        for (at, c) in rest.char_indices() {
            let goes_on = is_inner(c) || (at > 0 && continues(&rest[at..]));
            if !goes_on {
                break;
            }
            end = at + c.len_utf8();
        }
        let (word, after) = rest.split_at(end.max(first.len_utf8()));
        words.push(word);
        rest = after;
    }
    words
}

/// What kind of thing a word is, if it is one that differs.
fn kind(word: &str) -> Option<&'static str> {
    let all = |test: fn(char) -> bool| word.chars().all(test);
    let base64url = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let mixed = || {
        let tests = [char::is_uppercase, char::is_lowercase];
        tests.iter().all(|test| word.contains(*test))
    };
    Some(match word.len() {
        36 if is_uuid(word) => "[uuid]",
        56 if all(|c| c.is_ascii_uppercase() || ('2'..='7').contains(&c)) => "[nkey]",
        59 if word.starts_with("bafkr4i") => "[cid]",
        32 if all(|c| c.is_ascii_hexdigit()) => "[id]",
        16 if all(|c| c.is_ascii_hexdigit()) => "[check value]",
        64 if all(|c| c.is_ascii_hexdigit()) => "[digest]",
        86 if word.chars().all(base64url) => "[signature]",
        _ if word.starts_with("_INBOX.") => "[inbox]",
        // The ids that NATS gives.
        22 if all(|c| c.is_ascii_alphanumeric()) && mixed() => "[id]",
        44.. if word.starts_with("eyJ") && word.contains('.') => "[jwt]",
        44.. if word.starts_with("MCow") || word.starts_with("MFkw") || word.starts_with("MII") => {
            "[public key]"
        }
        _ if is_day(word) || is_clock(word) || is_moment(word) => "[time]",
        _ if is_elapsed(word) => "[ms]",
        _ => return None,
    })
}

fn is_uuid(word: &str) -> bool {
    let lengths = word.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && word.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// `2026-11-22`
fn is_day(word: &str) -> bool {
    word.split('-').map(str::len).eq([4, 2, 2])
        && word.chars().all(|c| c == '-' || c.is_ascii_digit())
}

/// `10:00:00`, `10:00:00Z`
fn is_clock(word: &str) -> bool {
    let word = word.strip_suffix('Z').unwrap_or(word);
    let time = word.split_once('.').map_or(word, |(time, _)| time);
    time.split(':').map(str::len).eq([2, 2, 2])
        && word
            .chars()
            .all(|c| c == ':' || c == '.' || c.is_ascii_digit())
}

/// `2026-11-22T10:00:00.123Z`
fn is_moment(word: &str) -> bool {
    word.split_once('T')
        .is_some_and(|(day, time)| is_day(day) && is_clock(time))
}

/// `30.340689ms`, `974µs`: what Go prints
fn is_elapsed(word: &str) -> bool {
    let units = ["ms", "µs", "ns"];
    units
        .iter()
        .any(|unit| word.strip_suffix(unit).is_some_and(is_number))
}

/// `3s`, `2min`
fn is_span(word: &str) -> bool {
    let units = ["s", "min"];
    units
        .iter()
        .any(|unit| word.strip_suffix(unit).is_some_and(is_number))
}

/// `2.15.3`
fn is_version(word: &str) -> bool {
    let numbers = word.split('.').map(str::parse::<u32>);
    numbers.filter(Result::is_ok).count() == 3 && word.split('.').count() == 3
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.parse::<f64>().is_ok()
}

/// Takes away what the widths of columns depend on: they follow what was replaced.
fn narrow(line: &str) -> String {
    let inside = line.trim_start_matches(' ');
    let mut text = line[..line.len() - inside.len()].to_owned();
    for c in inside.trim_end().chars() {
        let fill = match c {
            ' ' => text.ends_with("  "),
            '─' => text.ends_with('─'),
            _ => false,
        };
        if !fill {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{narrow, words};

    #[test]
    fn what_differs_is_replaced_and_nothing_else() {
        for (before, after) in [
            (
                "  1  2026-11-22 04:10:00Z  generated  by admin (now)",
                "  1  [time]  generated  by admin ([ago])",
            ),
            ("activated 2026-11-22T04:10:00.167Z.", "activated [time]."),
            ("created_at: 2026-11-22T04:10:00.167Z", "created_at: [time]"),
            (
                "04:10:00 Received with rtt 30.340689ms",
                "[time] Received with rtt [ms]",
            ),
            ("refused by a after 47 ms", "refused by a after [ms]"),
            ("within 2.1 ms", "within [ms]"),
            ("ok  nats-server a: 2.15.3", "ok  nats-server a: [version]"),
            ("ok  service: 0.1.0, prefix", "ok  service: 0.1.0, prefix"),
            ("orders-db  active  4s ago", "orders-db  active  [ago]"),
            (
                "\"command_id\":\"01a20172-5662-745b-b18f-4b01c5522f64\",",
                "\"command_id\":\"[uuid]\",",
            ),
            (
                "UBJBST426G4YTUMO74UVINZIJSPFMFMQPIUV7XMCB76T2U5ZXELD4EVK",
                "[nkey]",
            ),
            (
                "bafkr4igbgis4v7z4cl37jnseondjut2yys2k55kimhbsm7zsfsf6txmujm at sequence 44",
                "[cid] at sequence [n]",
            ),
            (
                "_INBOX.8V9LSZoAtKmENwPJQFZmfo.N1WtFl1eIo7L8jFjJO8BXa",
                "[inbox]",
            ),
            (
                "MCowBQYDK2VwAyEAi92Gtbk8Xk8kJfZsh7k3b1s4/HCCAqHy8vE9nUBIl10=",
                "[public key]",
            ),
            (
                "nats-account-admin-administrator v1 of 365 days, 9 keys",
                "nats-account-admin-administrator v1 of 365 days, 9 keys",
            ),
            ("instance GLJgKVbTdlakYSyJZlYzgm", "instance [id]"),
            ("it is checked now", "it is checked now"),
            (
                "orders-db.1.01a20177418e76699e33ff546cbf7d99",
                "orders-db.1.[id]",
            ),
        ] {
            assert_eq!(words(before), after);
        }
    }

    #[test]
    fn columns_are_narrowed_and_indentation_stays() {
        assert_eq!(narrow("   a     b  "), "   a  b");
        assert_eq!(narrow("╭─────┬───╮"), "╭─┬─╮");
    }
}
