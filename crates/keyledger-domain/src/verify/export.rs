//! The export of a ledger: JSON lines, to be kept, carried away and verified anywhere.
//!
//! The first line is the header, every further one a stored event, the last one the signed head:
//!
//! ```json
//! {"format":"keyledger-export","version":1,"prefix":"keys"}
//! {"sequence":1,"subject":"keys.events.key.…","headers":{"Keyledger-Cid":"bafkr4i…"},"payload":"{\"id\":…}"}
//! {"head":{"prefix":"keys","events":1,"sequence":1,"digest":"…","at":"…","signer":"…","signature":"…"}}
//! ```
//!
//! A payload is a JSON string that holds the stored text exactly. Bytes that are no text, which only a damaged
//! ledger has, are written as `payload_base64` instead, so that the damage can be shown.

use std::{collections::BTreeMap, ops::RangeInclusive};

use data_encoding::BASE64;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

use super::{Broken, Fault, Options, Report, SignedHead, StoredEvent, Verifier};
use crate::each_once::EachOnce;

/// The name of the format, in the header.
pub const FORMAT: &str = "keyledger-export";
/// The version written.
pub const VERSION: u32 = 1;

/// A line of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // a line lives for one step
pub enum Line {
    /// The first: what this is.
    Header {
        /// The prefix of the ledger's subjects.
        prefix: String,
    },
    /// A stored event.
    Event(StoredEvent),
    /// The last: what the ledger was when it was exported.
    Head(SignedHead),
}

/// Why a line cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotALine {
    /// It is not the JSON of any kind of line.
    #[error("it is no line of an export: {0}")]
    Malformed(String),
    /// Another format, or a newer version of this one: read it with a newer Keyledger.
    #[error("it is {format:?} version {version}, and {FORMAT} version {VERSION} is read here")]
    Unknown {
        /// The format it names.
        format: String,
        /// Its version.
        version: u32,
    },
}

/// Why an export does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// A line cannot be read.
    #[error("line {line}")]
    Line {
        /// Counted from 1.
        line: u64,
        /// Why.
        #[source]
        source: NotALine,
    },
    /// A header, an event or a head stands where it cannot stand.
    #[error("line {line}: {expected} was expected")]
    Order {
        /// Counted from 1.
        line: u64,
        /// What should stand there.
        expected: &'static str,
    },
    /// The file ends without a head: it was cut off, or the export was interrupted.
    #[error("it ends without a signed head after line {line}: it was cut off, or never finished")]
    Unfinished {
        /// The last line.
        line: u64,
    },
    /// The ledger in it is broken.
    #[error("the ledger in it is broken")]
    Broken(#[from] Broken),
}

/// What tells the kinds of lines apart.
#[derive(Deserialize)]
struct Kind {
    format: Option<String>,
    version: Option<u64>,
    head: Option<IgnoredAny>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLine {
    format: String,
    version: u32,
    prefix: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventLine {
    sequence: u64,
    subject: String,
    #[serde(deserialize_with = "each_once")]
    headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadLine {
    head: SignedHead,
}

fn each_once<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    EachOnce::deserialize(deserializer).map(|once| once.0)
}

/// Writes a line, without a line feed.
#[must_use]
pub fn write_line(line: &Line) -> String {
    fn json(line: &impl Serialize) -> String {
        serde_json::to_string(line).expect("a line has only text keys")
    }
    match line {
        Line::Header { prefix } => json(&HeaderLine {
            format: FORMAT.to_owned(),
            version: VERSION,
            prefix: prefix.clone(),
        }),
        Line::Event(stored) => {
            let text = std::str::from_utf8(&stored.payload).ok();
            json(&EventLine {
                sequence: stored.sequence,
                subject: stored.subject.clone(),
                headers: stored.headers.clone(),
                payload: text.map(str::to_owned),
                payload_base64: text.is_none().then(|| BASE64.encode(&stored.payload)),
            })
        }
        Line::Head(head) => json(&HeadLine { head: head.clone() }),
    }
}

/// Reads a line.
///
/// # Errors
///
/// [`NotALine`] if it is not of this format, or of a version unknown here.
pub fn parse_line(text: &str) -> Result<Line, NotALine> {
    // From the text each time, never from a value in between: that would forget the first of two fields of one name.
    fn fit<T: DeserializeOwned>(text: &str) -> Result<T, NotALine> {
        serde_json::from_str(text).map_err(|e| NotALine::Malformed(e.to_string()))
    }
    let kind: Kind = fit(text)?;
    if let Some(format) = kind.format {
        // The version decides how to read the rest, so it is looked at first.
        let version = kind.version.unwrap_or_default();
        if format != FORMAT || version != u64::from(VERSION) {
            return Err(NotALine::Unknown {
                format: format.chars().take(80).collect(),
                version: u32::try_from(version).unwrap_or(u32::MAX),
            });
        }
        let HeaderLine { prefix, .. } = fit(text)?;
        return Ok(Line::Header { prefix });
    }
    if kind.head.is_some() {
        return fit(text).map(|HeadLine { head }| Line::Head(head));
    }
    let EventLine {
        sequence,
        subject,
        headers,
        payload,
        payload_base64,
    } = fit(text)?;
    let payload = match (payload, payload_base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(text)) => BASE64
            .decode(text.as_bytes())
            .map_err(|e| NotALine::Malformed(format!("payload_base64: {e}")))?,
        _ => return Err(NotALine::Malformed("it needs one payload".to_owned())),
    };
    Ok(Line::Event(StoredEvent {
        sequence,
        subject,
        headers,
        payload,
    }))
}

/// Verifies an export line by line.
#[derive(Debug, Clone)]
pub struct Reader {
    options: Option<Options>,
    verifier: Option<Verifier>,
    head: Option<SignedHead>,
    line: u64,
    /// A gap in the sequences, until it is known whether what is missing stands further down.
    gap: Option<Gap>,
}

/// Sequences that were left out before an event.
#[derive(Debug, Clone)]
struct Gap {
    missing: RangeInclusive<u64>,
    broken: Broken,
}

impl Gap {
    /// The gap that `broken` names, if it does.
    const fn of(broken: Broken) -> Result<Self, Broken> {
        match broken.fault {
            Fault::Removed { first, last } => Ok(Self {
                missing: first..=last,
                broken,
            }),
            _ => Err(broken),
        }
    }

    /// What is wrong where one of the missing events stands on `line`: nothing was removed.
    fn filled(self, sequence: u64, line: u64) -> Broken {
        let said = format!(
            "sequence {sequence} belongs before it, and stands further down, on line {line}"
        );
        Broken {
            fault: Fault::Reordered(said),
            ..self.broken
        }
    }
}

impl Reader {
    /// A reader that has seen no line yet. A prefix in the options must be that of the export.
    #[must_use]
    pub const fn new(options: Options) -> Self {
        Self {
            options: Some(options),
            verifier: None,
            head: None,
            line: 0,
            gap: None,
        }
    }

    /// Takes the next line as a file holds it. A byte that is no text is a fault of the line like any other.
    ///
    /// # Errors
    ///
    /// [`ExportError`] names the line or the event and what is wrong. The reader is of no use after that.
    pub fn take_bytes(&mut self, line: &[u8]) -> Result<(), ExportError> {
        match std::str::from_utf8(line) {
            Ok(text) => self.take(text),
            Err(fault) => {
                self.line += 1;
                if let Some(gap) = self.gap.take() {
                    return Err(gap.broken.into());
                }
                let at = fault.valid_up_to() + 1;
                Err(ExportError::Line {
                    line: self.line,
                    source: NotALine::Malformed(format!("its byte {at} is no UTF-8")),
                })
            }
        }
    }

    /// Takes the next line. Where events are missing before one, it reads on before it says so: they may stand further down.
    ///
    /// # Errors
    ///
    /// [`ExportError`] names the line or the event and what is wrong. The reader is of no use after that.
    pub fn take(&mut self, text: &str) -> Result<(), ExportError> {
        self.line += 1;
        let line = self.line;
        let parsed = parse_line(text).map_err(|source| ExportError::Line { line, source });
        if let Some(gap) = self.gap.take() {
            return match parsed {
                Ok(Line::Event(stored)) if gap.missing.contains(&stored.sequence) => {
                    Err(gap.filled(stored.sequence, line).into())
                }
                Ok(_) => {
                    self.gap = Some(gap);
                    Ok(())
                }
                Err(_) => Err(gap.broken.into()),
            };
        }
        let parsed = parsed?;
        let order = |expected| Err(ExportError::Order { line, expected });
        if self.head.is_some() {
            return order("nothing more");
        }
        match (parsed, &mut self.verifier) {
            (Line::Header { prefix }, None) => {
                let mut options = self.options.take().unwrap_or_default();
                options.prefix.get_or_insert(prefix);
                self.verifier = Some(Verifier::new(options));
            }
            (_, None) => return order("the header of the export"),
            (Line::Header { .. }, Some(_)) => return order("an event or the signed head"),
            (Line::Event(stored), Some(verifier)) => {
                match verifier.take(&stored).map_err(Gap::of) {
                    Ok(()) => {}
                    Err(Ok(gap)) => self.gap = Some(gap),
                    Err(Err(broken)) => return Err(broken.into()),
                }
            }
            (Line::Head(head), Some(_)) => self.head = Some(head),
        }
        Ok(())
    }

    /// Ends the verification.
    ///
    /// # Errors
    ///
    /// [`ExportError::Unfinished`] if there was no head; [`ExportError::Broken`] if it does not fit.
    pub fn finish(self) -> Result<Report, ExportError> {
        if let Some(gap) = self.gap {
            return Err(gap.broken.into());
        }
        match (self.verifier, self.head) {
            (Some(verifier), Some(head)) => Ok(verifier.finish(Some(&head))?),
            _ => Err(ExportError::Unfinished { line: self.line }),
        }
    }
}
