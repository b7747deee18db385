//! Distinguished names, as people write them.

use std::{fmt, str::FromStr};

use der::{Any, Decode as _, Encode as _};
use x509_cert::{
    attr::AttributeTypeAndValue,
    name::{Name, RdnSequence, RelativeDistinguishedName},
};

use super::attribute::Attribute;

/// The longest name, in bytes.
const MAX_BYTES: usize = 1024;
/// The most parts of a name.
const MAX_PARTS: usize = 16;

/// The name of a subject or issuer, written as RFC 4514 does: the most specific part first, `CN=Ada,OU=Keys,O=Example`.
///
/// Read by a parser of our own: that of `x509-cert` 0.3 splits at a comma that is escaped after an escaped backslash, so
/// that a value could smuggle in parts. Parts of several attributes (`+`) and values in hexadecimal (`#`) are not taken.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DistinguishedName(Name);

/// Why something is no name to issue to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAName {
    /// Too long: shorten it.
    #[error("a name has at most {MAX_BYTES} bytes and {MAX_PARTS} parts")]
    TooLong,
    /// No name at all.
    #[error(
        "not a name: write it as RFC 4514, like CN=Ada,OU=Keys,O=Example, with a backslash before commas and other special characters of a value"
    )]
    Syntax,
    /// An attribute that is not issued.
    #[error("a name has no {0:?} here: use one of {names}", names = Attribute::all())]
    Attribute(String),
    /// A value that its attribute cannot have.
    #[error(
        "{attribute} has 1 to {most} printable characters, none of them a space at an end, not {value:?}"
    )]
    Value {
        /// The attribute.
        attribute: &'static str,
        /// The most characters.
        most: usize,
        /// What was given, shortened.
        value: String,
    },
}

impl DistinguishedName {
    /// The name of these parts, the most specific first: attributes, and values as they are, without escapes.
    ///
    /// # Errors
    ///
    /// [`NotAName`] if there is no part, one too many, or one that is not issued.
    pub fn from_parts<'a>(
        parts: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, NotAName> {
        let mut encoded = Vec::new();
        let mut bytes = 0;
        for (attribute, value) in parts {
            bytes += value.len();
            if encoded.len() == MAX_PARTS || bytes > MAX_BYTES {
                return Err(NotAName::TooLong);
            }
            encoded.push(part(attribute, value)?);
        }
        if encoded.is_empty() {
            return Err(NotAName::Syntax);
        }
        let mut sequence = RdnSequence::default();
        encoded.into_iter().rev().for_each(|it| sequence.push(it));
        let der = sequence.to_der().map_err(|_| NotAName::TooLong)?;
        Ok(Self(Name::from_der(&der).map_err(|_| NotAName::Syntax)?))
    }

    /// A subject as people write it: a name of RFC 4514 if the text has the form of one, like `CN=Ada,O=Example`, and else a
    /// common name, like `Example Root CA`.
    ///
    /// # Errors
    ///
    /// [`NotAName`], as of [`from_parts`](Self::from_parts).
    pub fn of_subject(text: &str) -> Result<Self, NotAName> {
        let attribute = text.split_once('=').map(|(attribute, _)| attribute.trim());
        let is_name = attribute.is_some_and(|attribute| {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
            !attribute.is_empty() && attribute.chars().all(plain)
        });
        match is_name {
            true => text.parse(),
            false => Self::from_parts([("CN", text)]),
        }
    }

    /// The name of a certificate, as it stands there.
    pub(super) const fn of(name: Name) -> Self {
        Self(name)
    }

    pub(super) const fn as_name(&self) -> &Name {
        &self.0
    }
}

impl FromStr for DistinguishedName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        if text.len() > MAX_BYTES {
            return Err(NotAName::TooLong);
        }
        let parts = split(text)?;
        Self::from_parts(parts.iter().map(|(name, value)| (*name, value.as_str())))
    }
}

impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

/// Attributes and their values, unescaped.
fn split(text: &str) -> Result<Vec<(&str, String)>, NotAName> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (name, after) = rest.split_once('=').ok_or(NotAName::Syntax)?;
        // As `openssl` writes them: `CN = Ada, O = Example`.
        let spaced = name.ends_with(' ');
        let (name, after) = match spaced {
            true => (name.trim_matches(' '), after.trim_start_matches(' ')),
            false => (name, after),
        };
        let (value, after) = read_value(after)?;
        parts.push((name, value));
        match after {
            Some(after) => rest = after,
            None => return Ok(parts),
        }
    }
}

/// A value up to the next comma, unescaped, and what follows that comma.
fn read_value(text: &str) -> Result<(String, Option<&str>), NotAName> {
    let mut value = Vec::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            ',' => return Ok((text_of(value)?, Some(&text[at + 1..]))),
            '\\' => {
                let (at, escaped) = characters.next().ok_or(NotAName::Syntax)?;
                if " \"#+,;<=>\\".contains(escaped) {
                    value.push(escaped as u8);
                } else {
                    let digits = text.get(at..at + 2).ok_or(NotAName::Syntax)?;
                    let octet = data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes());
                    value.extend(octet.map_err(|_| NotAName::Syntax)?);
                    characters.next();
                }
            }
            '#' if at == 0 => return Err(NotAName::Syntax),
            '+' | '"' | ';' | '<' | '>' => return Err(NotAName::Syntax),
            _ => value.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Ok((text_of(value)?, None))
}

fn text_of(value: Vec<u8>) -> Result<String, NotAName> {
    String::from_utf8(value).map_err(|_| NotAName::Syntax)
}

fn part(name: &str, value: &str) -> Result<RelativeDistinguishedName, NotAName> {
    let attribute = Attribute::named(name)
        .ok_or_else(|| NotAName::Attribute(name.chars().take(40).collect()))?;
    let unfit = || NotAName::Value {
        attribute: attribute.as_str(),
        most: attribute.most,
        value: value.chars().take(80).collect(),
    };
    if !attribute.fits(value) {
        return Err(unfit());
    }
    let value = Any::new(attribute.tag, value.as_bytes()).map_err(|_| unfit())?;
    let oid = attribute.oid();
    RelativeDistinguishedName::try_from(vec![AttributeTypeAndValue { oid, value }])
        .map_err(|_| unfit())
}
