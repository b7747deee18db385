//! PEM as the world writes it (RFC 7468 §2 asks parsers to be lenient): text around the block, a byte order mark, lines of any
//! width, indentation, spaces at their ends, CRLF, all in one line. What is inside is held to DER elsewhere.

use std::borrow::Cow;

use data_encoding::BASE64;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// A block of PEM: what it is called, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block<'a> {
    /// Its label: `CERTIFICATE`.
    pub label: &'a str,
    body: &'a str,
}

/// Why a text does not hold what is asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPem {
    /// A secret was given where a public thing is asked for.
    #[error(
        "that is a PRIVATE key: it was not stored; treat it as compromised, and send the public half"
    )]
    Private,
    /// Blocks of other kinds only.
    #[error("it holds a {found}, and a {expected} is asked for")]
    Other {
        /// The label of the first.
        found: String,
        /// The label that is asked for.
        expected: &'static str,
    },
    /// More than one block.
    #[error("it holds {count} blocks of {expected}: send one")]
    Several {
        /// How many.
        count: usize,
        /// The label that is asked for.
        expected: &'static str,
    },
    /// A block that was cut off, or neither PEM nor base64.
    #[error(
        "it is neither base64 of DER nor a whole block of PEM, from BEGIN {expected} to END {expected}"
    )]
    Malformed {
        /// The label that is asked for.
        expected: &'static str,
    },
}

impl Block<'_> {
    /// What is in it; nothing if that is not base64.
    #[must_use]
    pub fn der(&self) -> Option<Vec<u8>> {
        let is_header = |line: &&str| line.contains(':');
        let lines = self.body.lines().filter(|line| !is_header(line));
        decoded(lines.flat_map(str::chars))
    }

    fn is(&self, label: &str) -> bool {
        let label_of_old = match self.label {
            "X509 CERTIFICATE" => "CERTIFICATE",
            "NEW CERTIFICATE REQUEST" => "CERTIFICATE REQUEST",
            label => label,
        };
        label_of_old == label
    }
}

/// The text of a file: UTF-8, or UTF-16 as Windows writes it, known by its mark or by a zero beside each letter. What is neither
/// stands around a block, and is not looked at.
#[must_use]
pub fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    let big = match bytes {
        [0xfe, 0xff, ..] | [0, b'-', ..] => true,
        [0xff, 0xfe, ..] | [b'-', 0, ..] => false,
        _ => return String::from_utf8_lossy(bytes),
    };
    let unit = |pair: &[u8; 2]| match big {
        true => u16::from_be_bytes(*pair),
        false => u16::from_le_bytes(*pair),
    };
    let (pairs, _) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(unit).collect();
    String::from_utf16_lossy(&units).into()
}

/// The blocks in a text, in their order, whole ones only.
pub fn blocks(text: &str) -> impl Iterator<Item = Block<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (_, after) = rest.split_once(BEGIN)?;
            let (label, after) = after.split_once(DASHES)?;
            rest = after;
            let end = format!("{END}{label}{DASHES}");
            let whole = after.split_once(end.as_str());
            // One that is cut off does not swallow the next.
            if let Some((body, behind)) = whole.filter(|(body, _)| !body.contains(BEGIN)) {
                rest = behind;
                return Some(Block { label, body });
            }
        }
    })
}

/// The DER of the one block of this label in a text; or of the text itself, if that is base64 and nothing else.
///
/// # Errors
///
/// [`NotPem`] saying what it is instead.
pub fn one(text: &str, label: &'static str) -> Result<Vec<u8>, NotPem> {
    let (_, der) = one_of(text, &[label])?;
    Ok(der)
}

/// The same of several labels, with the label found; the first stands for all in what is said, and for base64 alone.
///
/// # Errors
///
/// [`NotPem`] saying what it is instead.
pub fn one_of(text: &str, labels: &[&'static str]) -> Result<(&'static str, Vec<u8>), NotPem> {
    let expected = labels.first().copied().unwrap_or_default();
    if holds_private(text) {
        return Err(NotPem::Private);
    }
    if !text.contains(BEGIN) {
        let text = text.trim_start_matches('\u{feff}');
        let der = decoded(text.chars()).filter(|der| !der.is_empty());
        return der
            .map(|der| (expected, der))
            .ok_or(NotPem::Malformed { expected });
    }
    let labelled = |block: Block<'_>| {
        let label = labels.iter().find(|label| block.is(label))?;
        Some((*label, block.der()))
    };
    let mut found = blocks(text).filter_map(labelled);
    match (found.next(), found.count()) {
        (Some((label, Some(der))), 0) => Ok((label, der)),
        (Some((_, None)), 0) => Err(NotPem::Malformed { expected }),
        (Some(_), more) => Err(NotPem::Several {
            count: more + 1,
            expected,
        }),
        (None, _) => Err(match blocks(text).next() {
            Some(other) => NotPem::Other {
                found: other.label.chars().take(40).collect(),
                expected,
            },
            None => NotPem::Malformed { expected },
        }),
    }
}

/// True of a text with a private key in PEM, of whatever kind, whole or not.
#[must_use]
pub fn holds_private(text: &str) -> bool {
    let mut begun = text.split(BEGIN).skip(1);
    begun.any(|block| {
        let label = block.split(DASHES).next().unwrap_or_default();
        label.contains("PRIVATE")
    })
}

fn decoded(characters: impl Iterator<Item = char>) -> Option<Vec<u8>> {
    let body: String = characters.filter(|c| !c.is_whitespace()).collect();
    BASE64.decode(body.as_bytes()).ok()
}
