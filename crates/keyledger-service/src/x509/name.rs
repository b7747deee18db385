//! Distinguished names, as people write them.

use std::{fmt, str::FromStr};

use der::{Any, Decode as _, Encode as _, Tag, oid::ObjectIdentifier};
use keyledger_domain::token::{SubjectAttribute, SubjectCharacters};
use x509_cert::{
    attr::AttributeTypeAndValue,
    name::{Name, RdnSequence, RelativeDistinguishedName},
};

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
    #[error("a name has no {0:?} here: use one of {names}", names = names())]
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
    let attribute = SubjectAttribute::parse(name)
        .ok_or_else(|| NotAName::Attribute(name.chars().take(40).collect()))?;
    let unfit = || NotAName::Value {
        attribute: attribute.as_str(),
        most: attribute.most(),
        value: value.chars().take(80).collect(),
    };
    if !attribute.fits(value) {
        return Err(unfit());
    }
    let tag = match attribute.characters() {
        SubjectCharacters::Printable => Tag::PrintableString,
        SubjectCharacters::Ascii => Tag::Ia5String,
        SubjectCharacters::Any => Tag::Utf8String,
    };
    let value = Any::new(tag, value.as_bytes()).map_err(|_| unfit())?;
    let oid = ObjectIdentifier::new_unwrap(oid(attribute));
    RelativeDistinguishedName::try_from(vec![AttributeTypeAndValue { oid, value }])
        .map_err(|_| unfit())
}

const fn oid(attribute: SubjectAttribute) -> &'static str {
    use SubjectAttribute as A;
    match attribute {
        A::CommonName => "2.5.4.3",
        A::Surname => "2.5.4.4",
        A::SerialNumber => "2.5.4.5",
        A::Country => "2.5.4.6",
        A::Locality => "2.5.4.7",
        A::StateOrProvince => "2.5.4.8",
        A::Organization => "2.5.4.10",
        A::OrganizationalUnit => "2.5.4.11",
        A::Title => "2.5.4.12",
        A::GivenName => "2.5.4.42",
        A::UserId => "0.9.2342.19200300.100.1.1",
        A::DomainComponent => "0.9.2342.19200300.100.1.25",
        A::EmailAddress => "1.2.840.113549.1.9.1",
    }
}

fn names() -> String {
    SubjectAttribute::ALL
        .map(SubjectAttribute::as_str)
        .join(", ")
}
