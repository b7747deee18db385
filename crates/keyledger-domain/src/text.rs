//! Texts that people write, held to one line and a length.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::Value;

use crate::{each_once::EachOnce, name::Name};

/// One line of text of 1 to `MAX` bytes, without control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Line<const MAX: usize>(Box<str>);

/// A title: what people call it.
pub type Title = Line<128>;
/// Why somebody commanded something.
pub type Reason = Line<500>;
/// The ticket under which it was done.
pub type Ticket = Line<64>;
/// Whom a certificate is for: a common name, or a name as RFC 4514 writes it.
pub type Subject = Line<512>;
/// Acceptable usage, handling or disposal.
pub type Note = Line<500>;

/// Why a text is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotALine {
    /// Nothing was there.
    #[error("it is empty: write at least one visible character")]
    Empty,
    /// More than allowed.
    #[error("it has {bytes} bytes, and at most {max} are allowed")]
    TooLong {
        /// How many there were.
        bytes: usize,
        /// How many may be.
        max: usize,
    },
    /// A line break, a terminal escape, a direction override, a character of no width.
    #[error("it holds a control character or an invisible one: write one line of plain text")]
    Control,
    /// An nkey seed, a private key: the ledger never forgets, and everybody who may ask reads it.
    #[error(
        "it holds what looks like a secret key: leave it out, and replace that key, for it has been sent in clear"
    )]
    Secret,
}

impl<const MAX: usize> Line<MAX> {
    /// Reads a line.
    ///
    /// # Errors
    ///
    /// [`NotALine`] if it is blank, longer than `MAX` bytes, holds control or invisible characters, or a secret key.
    pub fn new(text: &str) -> Result<Self, NotALine> {
        if text.trim().is_empty() {
            Err(NotALine::Empty)
        } else if text.len() > MAX {
            Err(NotALine::TooLong {
                bytes: text.len(),
                max: MAX,
            })
        } else if text.chars().any(is_invisible) {
            Err(NotALine::Control)
        } else if holds_secret(text) {
            Err(NotALine::Secret)
        } else {
            Ok(Self(text.into()))
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `text` as one word of a shell: what is to be copied and pasted means the same there.
#[must_use]
pub fn shell_word(text: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if !text.is_empty() && text.chars().all(harmless) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// `text` as one word of a command line, or of an environment, in a unit file of systemd.
#[must_use]
pub fn systemd_word(text: &str) -> String {
    // Between quotes it reads backslashes and quotes as C does, and `%` is a specifier everywhere.
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", text.replace('%', "%%"))
}

/// Text as a terminal may be given it: nothing is left that it would obey. Line breaks and tabs stay.
#[must_use]
pub fn plain(text: &str) -> String {
    let obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
    text.chars()
        .map(|c| if obeyed(c) { '\u{fffd}' } else { c })
        .collect()
}

/// An error and its causes, joined by colons. A cause that the text before it already ends with is left out: some libraries repeat theirs.
#[must_use]
pub fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        if !text.ends_with(&reason) {
            text = format!("{text}: {reason}");
        }
        cause = error.source();
    }
    text
}

/// Text of one line, in which everything is seen: what is not, or breaks the line, is replaced. For what a person agrees to.
#[must_use]
pub fn visible(text: &str) -> String {
    text.chars()
        .map(|c| if is_invisible(c) { '\u{fffd}' } else { c })
        .collect()
}

/// Controls, line and paragraph separators, directions, characters of no width, tags: what a reader does not see.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
                | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// True of text in which nothing can be seen, though it is not empty: whitespace, letters that are blanks (a braille pattern without dots),
/// selectors of variants of nothing.
///
/// Asked of what comes in, not of what is read again: events that were stored before stay readable.
#[must_use]
pub fn shows_nothing(text: &str) -> bool {
    let unseen = |c: char| {
        c.is_whitespace()
            || is_invisible(c)
            || matches!(c, '\u{2800}' | '\u{fe00}'..='\u{fe0f}' | '\u{1d159}' | '\u{e0100}'..='\u{e01ef}')
    };
    !text.is_empty() && text.chars().all(unseen)
}

/// The path of the first text in a payload that [`shows_nothing`].
pub(crate) fn unseen_field(payload: &[u8]) -> Option<String> {
    // Nearly all payloads are ASCII, in which blanks are refused by each field.
    let is_plain = payload.is_ascii() && !payload.windows(2).any(|two| two == b"\\u");
    if is_plain {
        return None;
    }
    let value = serde_json::from_slice(payload).ok()?;
    unseen_in(&value)
}

fn unseen_in(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => (!text.is_ascii() && shows_nothing(text)).then(String::new),
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.find_map(|(place, item)| Some(format!("[{place}]{}", after(&unseen_in(item)?))))
        }
        Value::Object(fields) => fields.iter().find_map(|(name, field)| {
            let name: String = name.chars().take(64).collect();
            Some(format!("{name}{}", after(&unseen_in(field)?)))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// A path as it stands behind another one.
fn after(path: &str) -> String {
    let dot = if path.is_empty() || path.starts_with('[') {
        ""
    } else {
        "."
    };
    format!("{dot}{path}")
}

/// True if a word of it has the form of an nkey seed, or it speaks of a PEM or age private key as their files do.
fn holds_secret(text: &str) -> bool {
    let is_seed = |word: &str| {
        let bytes = word.as_bytes();
        bytes.len() == 58
            && bytes[0] == b'S'
            && b"OAUNCX".contains(&bytes[1])
            && bytes.iter().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7'))
    };
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .any(is_seed)
        || text.contains("PRIVATE KEY-----")
        || text.contains("AGE-SECRET-KEY-1")
}

impl<const MAX: usize> fmt::Display for Line<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<const MAX: usize> fmt::Debug for Line<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl<const MAX: usize> std::str::FromStr for Line<MAX> {
    type Err = NotALine;

    /// Reads what a person wrote: something must be seen.
    fn from_str(text: &str) -> Result<Self, NotALine> {
        if shows_nothing(text) {
            return Err(NotALine::Empty);
        }
        Self::new(text)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Line<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).map_err(Error::custom)
    }
}

impl<const MAX: usize> schemars::JsonSchema for Line<MAX> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Line{MAX}").into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "minLength": 1, "maxLength": MAX })
    }
}

/// Labels: names with a line each, at most [`Labels::MAX`].
///
/// In order of their names, in one piece: millions of keys have some, and a tree takes 370 bytes for the first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels(Box<[(Name, Title)]>);

impl Labels {
    /// The most labels a thing may have.
    pub const MAX: usize = 32;

    /// One label.
    #[must_use]
    pub fn one(name: Name, line: Title) -> Self {
        Self([(name, line)].into())
    }

    /// The label `name`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let place = self
            .0
            .binary_search_by(|(n, _)| n.as_str().cmp(name))
            .ok()?;
        self.0.get(place).map(|(_, line)| line.as_str())
    }

    /// All labels, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Title)> {
        self.0.iter().map(|(name, line)| (name, line))
    }

    /// True if there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Entries<'a>(&'a Labels);
        impl Serialize for Entries<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter())
            }
        }
        (!self.is_empty())
            .then_some(Entries(self))
            .serialize(serializer)
    }
}

impl schemars::JsonSchema for Labels {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Labels".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        generator.subschema_for::<Option<BTreeMap<Name, Title>>>()
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = Option::<EachOnce<Name, Title>>::deserialize(deserializer)?;
        let map = map.map(|once| once.0).unwrap_or_default();
        if map.len() > Self::MAX {
            return Err(Error::custom("at most 32 labels are allowed"));
        }
        Ok(Self(map.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Level {
        text: &'static str,
        source: Option<Box<Self>>,
    }

    #[test]
    fn each_cause_is_told_once() {
        let of = |text, source: Option<Level>| Level {
            text,
            source: source.map(Box::new),
        };
        let disk = of("no room", None);
        let repeats = of("the journal: no room", Some(disk));
        let top = of("the task cannot be taken", Some(repeats));
        assert_eq!(
            in_full(&top),
            "the task cannot be taken: the journal: no room"
        );
    }
}
