//! Attributes of distinguished names.

use der::{Tag, oid::ObjectIdentifier};

use crate::text::is_invisible;

/// An attribute that a name may have here (RFC 4519, RFC 5280 appendix A.1).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    /// How it is written; what else it is called follows.
    names: &'static [&'static str],
    oid: &'static str,
    /// The type of its value, which says which characters it may have.
    pub(super) tag: Tag,
    /// The most characters of its value.
    pub(super) most: usize,
}

/// Every attribute.
static ATTRIBUTES: [Attribute; 13] = [
    of(&["CN"], "2.5.4.3", Tag::Utf8String, 64),
    of(&["SN", "surname"], "2.5.4.4", Tag::Utf8String, 64),
    of(&["serialNumber"], "2.5.4.5", Tag::PrintableString, 64),
    of(&["C"], "2.5.4.6", Tag::PrintableString, 2),
    of(&["L"], "2.5.4.7", Tag::Utf8String, 128),
    of(&["ST"], "2.5.4.8", Tag::Utf8String, 128),
    of(&["O"], "2.5.4.10", Tag::Utf8String, 64),
    of(&["OU"], "2.5.4.11", Tag::Utf8String, 64),
    of(&["title"], "2.5.4.12", Tag::Utf8String, 64),
    of(&["GN", "givenName"], "2.5.4.42", Tag::Utf8String, 64),
    of(&["UID"], "0.9.2342.19200300.100.1.1", Tag::Utf8String, 256),
    of(&["DC"], "0.9.2342.19200300.100.1.25", Tag::Ia5String, 63),
    of(
        &["EMAIL", "emailAddress"],
        "1.2.840.113549.1.9.1",
        Tag::Ia5String,
        255,
    ),
];

const fn of(names: &'static [&'static str], oid: &'static str, tag: Tag, most: usize) -> Attribute {
    Attribute {
        names,
        oid,
        tag,
        most,
    }
}

impl Attribute {
    /// The attribute of this name; capitals do not matter.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        let called = |it: &&Self| {
            it.names
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
        };
        ATTRIBUTES.iter().find(called)
    }

    /// How every attribute is written.
    pub(super) fn all() -> String {
        ATTRIBUTES
            .each_ref()
            .map(|attribute| attribute.as_str())
            .join(", ")
    }

    /// How it is written.
    pub(super) const fn as_str(&self) -> &'static str {
        self.names[0]
    }

    pub(super) fn oid(&self) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(self.oid)
    }

    /// True of a value that it can have: all of it can be seen, and no space stands at an end.
    pub(super) fn fits(&self, value: &str) -> bool {
        let count = value.chars().count();
        let as_long = match self.most {
            // A country has two letters, no more and no fewer.
            2 => count == 2,
            most => (1..=most).contains(&count),
        };
        let of_type = match self.tag {
            Tag::PrintableString => value
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&b)),
            Tag::Ia5String => value.is_ascii(),
            _ => true,
        };
        as_long && of_type && value.trim() == value && !value.chars().any(is_invisible)
    }
}
