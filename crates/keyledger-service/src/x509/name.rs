//! Distinguished names, as people write them.

use std::{fmt, str::FromStr};

use der::asn1::{Ia5StringRef, PrintableStringRef, Utf8StringRef};
use der::{Any, Tag, Tagged as _, oid::ObjectIdentifier};
use x509_cert::{attr::AttributeTypeAndValue, name::Name};

/// The longest name, in bytes as written.
const MAX_BYTES: usize = 1024;
/// The most parts of a name.
const MAX_PARTS: usize = 16;
/// The attributes a name may have, with the most characters of each (RFC 5280 appendix A.1, "upper bounds").
const ATTRIBUTES: [(&str, ObjectIdentifier, usize); 13] = [
    ("CN", oid("2.5.4.3"), 64),
    ("SN", oid("2.5.4.4"), 64),
    ("serialNumber", oid("2.5.4.5"), 64),
    ("C", oid("2.5.4.6"), 2),
    ("L", oid("2.5.4.7"), 128),
    ("ST", oid("2.5.4.8"), 128),
    ("O", oid("2.5.4.10"), 64),
    ("OU", oid("2.5.4.11"), 64),
    ("title", oid("2.5.4.12"), 64),
    ("givenName", oid("2.5.4.42"), 64),
    ("UID", oid("0.9.2342.19200300.100.1.1"), 256),
    ("DC", oid("0.9.2342.19200300.100.1.25"), 63),
    ("emailAddress", oid("1.2.840.113549.1.9.1"), 255),
];
const COUNTRY: ObjectIdentifier = oid("2.5.4.6");

/// The name of a subject or issuer, written as RFC 4514 does: the most specific part first, `CN=Ada,OU=Keys,O=Example`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DistinguishedName(Name);

/// Why a text is no name that is issued to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAName {
    /// Too long: shorten it.
    #[error("a name has at most {MAX_BYTES} bytes and {MAX_PARTS} parts")]
    TooLong,
    /// No name at all.
    #[error(
        "not a name: write it as RFC 4514, like CN=Ada,OU=Keys,O=Example, with commas inside a value escaped"
    )]
    Syntax,
    /// An attribute that is not issued.
    #[error(
        "a name has no {0} here: use CN, SN, givenName, title, serialNumber, UID, OU, O, L, ST, C, DC, emailAddress"
    )]
    Attribute(ObjectIdentifier),
    /// A value that its attribute cannot have.
    #[error("{attribute} has 1 to {most} printable characters, not {value:?}")]
    Value {
        /// The attribute.
        attribute: &'static str,
        /// The most characters.
        most: usize,
        /// What was written, shortened.
        value: String,
    },
}

impl DistinguishedName {
    pub(super) const fn as_name(&self) -> &Name {
        &self.0
    }

    fn checked(name: Name) -> Result<Self, NotAName> {
        if name.is_empty() {
            return Err(NotAName::Syntax);
        }
        if name.iter().count() > MAX_PARTS {
            return Err(NotAName::TooLong);
        }
        for part in name.iter() {
            check(part)?;
        }
        Ok(Self(name))
    }
}

impl FromStr for DistinguishedName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        if text.len() > MAX_BYTES {
            return Err(NotAName::TooLong);
        }
        Self::checked(text.parse().map_err(|_| NotAName::Syntax)?)
    }
}

impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

fn check(part: &AttributeTypeAndValue) -> Result<(), NotAName> {
    let known = ATTRIBUTES.iter().find(|(_, id, _)| *id == part.oid);
    let (attribute, id, most) = *known.ok_or(NotAName::Attribute(part.oid))?;
    let text = text_of(&part.value).unwrap_or_default();
    let characters = text.chars().count();
    let long_enough = (1..=most).contains(&characters) && (id != COUNTRY || characters == 2);
    if long_enough && !text.chars().any(char::is_control) && text.trim() == text {
        return Ok(());
    }
    Err(NotAName::Value {
        attribute,
        most,
        value: text.chars().take(80).collect(),
    })
}

fn text_of(value: &Any) -> Option<&str> {
    match value.tag() {
        Tag::Utf8String => Utf8StringRef::try_from(value).ok().map(|it| it.as_str()),
        Tag::PrintableString => PrintableStringRef::try_from(value)
            .ok()
            .map(|it| it.as_str()),
        Tag::Ia5String => Ia5StringRef::try_from(value).ok().map(|it| it.as_str()),
        _ => None,
    }
}

const fn oid(id: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(id)
}
