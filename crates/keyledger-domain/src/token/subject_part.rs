//! Whom a certificate on a token is for, as a profile writes it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::text::is_invisible;

/// The most parts of a subject.
pub const MAX_SUBJECT_PARTS: usize = 12;
/// The longest part, in bytes.
const MAX_PART_BYTES: usize = 256;

/// An attribute that a certificate's subject may have (RFC 4519, RFC 5280 appendix A.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum SubjectAttribute {
    CommonName,
    Surname,
    SerialNumber,
    Country,
    Locality,
    StateOrProvince,
    Organization,
    OrganizationalUnit,
    Title,
    GivenName,
    UserId,
    DomainComponent,
    EmailAddress,
}

/// The characters that an attribute's value may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectCharacters {
    /// Letters, digits, space and `'()+,-./:=?` (`PrintableString`).
    Printable,
    /// ASCII (`IA5String`).
    Ascii,
    /// Any that can be seen (`UTF8String`).
    Any,
}

impl SubjectAttribute {
    /// Every attribute.
    pub const ALL: [Self; 13] = [
        Self::CommonName,
        Self::Surname,
        Self::SerialNumber,
        Self::Country,
        Self::Locality,
        Self::StateOrProvince,
        Self::Organization,
        Self::OrganizationalUnit,
        Self::Title,
        Self::GivenName,
        Self::UserId,
        Self::DomainComponent,
        Self::EmailAddress,
    ];

    /// How it is written, the most characters it has, and which.
    const fn row(self) -> (&'static str, usize, SubjectCharacters) {
        use SubjectCharacters::{Any, Ascii, Printable};
        match self {
            Self::CommonName => ("CN", 64, Any),
            Self::Surname => ("SN", 64, Any),
            Self::SerialNumber => ("serialNumber", 64, Printable),
            Self::Country => ("C", 2, Printable),
            Self::Locality => ("L", 128, Any),
            Self::StateOrProvince => ("ST", 128, Any),
            Self::Organization => ("O", 64, Any),
            Self::OrganizationalUnit => ("OU", 64, Any),
            Self::Title => ("title", 64, Any),
            Self::GivenName => ("GN", 64, Any),
            Self::UserId => ("UID", 256, Any),
            Self::DomainComponent => ("DC", 63, Ascii),
            Self::EmailAddress => ("EMAIL", 255, Ascii),
        }
    }

    /// How it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The most characters of its value.
    #[must_use]
    pub const fn most(self) -> usize {
        self.row().1
    }

    /// The characters that its value may have.
    #[must_use]
    pub const fn characters(self) -> SubjectCharacters {
        self.row().2
    }

    /// The attribute of this name, or of one that it is called elsewhere; capitals do not matter.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let aliases = [
            ("surname", Self::Surname),
            ("givenName", Self::GivenName),
            ("emailAddress", Self::EmailAddress),
        ];
        let names = Self::ALL.map(|it| (it.as_str(), it));
        let mut known = names.into_iter().chain(aliases);
        known.find_map(|(name, it)| name.eq_ignore_ascii_case(text).then_some(it))
    }

    /// True of a value that it can have: one in which everything is seen, too.
    #[must_use]
    pub fn fits(self, value: &str) -> bool {
        self.carries(value) && !value.chars().any(is_invisible)
    }

    /// The same of what is read again, and was written before invisible characters were refused.
    fn carries(self, value: &str) -> bool {
        let count = value.chars().count();
        let as_long = match self {
            Self::Country => count == 2,
            _ => (1..=self.most()).contains(&count),
        };
        let of_type = match self.characters() {
            SubjectCharacters::Printable => value
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&b)),
            SubjectCharacters::Ascii => value.is_ascii(),
            SubjectCharacters::Any => true,
        };
        as_long && of_type && value.trim() == value && !value.chars().any(char::is_control)
    }
}

/// A part of a subject: an attribute, and its value with places to fill in. Written `OU=Keys` or `CN={title}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectPart {
    pub(super) attribute: SubjectAttribute,
    pub(super) value: Box<str>,
}

/// Why a text is no part of a subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotASubjectPart {
    /// There is no attribute before an equals sign, or none that a certificate may have.
    #[error("write it as ATTRIBUTE=value, with one of {}", attributes())]
    Attribute,
    /// It is filled in from what nobody knows.
    #[error("in braces stand {{title}}, {{principal}}, {{email}} or {{serial}}")]
    Place,
    /// The attribute cannot have it.
    #[error("{attribute} has 1 to {most} printable characters, none of them a space at an end")]
    Value {
        /// The attribute.
        attribute: &'static str,
        /// The most characters.
        most: usize,
    },
}

fn attributes() -> String {
    SubjectAttribute::ALL
        .map(SubjectAttribute::as_str)
        .join(", ")
}

impl SubjectPart {
    /// Reads a part.
    ///
    /// # Errors
    ///
    /// [`NotASubjectPart`], which says how to write it.
    pub fn parse(text: &str) -> Result<Self, NotASubjectPart> {
        let parts = text
            .split_once('=')
            .filter(|_| text.len() <= MAX_PART_BYTES);
        let (attribute, value) = parts.ok_or(NotASubjectPart::Attribute)?;
        let attribute = SubjectAttribute::parse(attribute).ok_or(NotASubjectPart::Attribute)?;
        let known = |place: &str| {
            let places = ["title", "principal", "email", "serial"];
            places.contains(&place).then(|| "x".to_owned())
        };
        let tried = filled(value, known).ok_or(NotASubjectPart::Place)?;
        // What is filled in is measured when it is known.
        let sound = if *tried == *value {
            attribute.carries(value)
        } else {
            !tried.is_empty() && !tried.chars().any(char::is_control)
        };
        if !sound {
            return Err(NotASubjectPart::Value {
                attribute: attribute.as_str(),
                most: attribute.most(),
            });
        }
        Ok(Self {
            attribute,
            value: value.into(),
        })
    }

    /// True if everything in it is seen.
    #[must_use]
    pub fn is_visible(&self) -> bool {
        !self.value.chars().any(is_invisible)
    }
}

/// The text with each `{place}` filled in; nothing if one is not known.
pub(super) fn filled(text: &str, known: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (place, behind) = after.split_once('}')?;
        out.push_str(before);
        out.push_str(&known(place)?);
        rest = behind;
    }
    out.push_str(rest);
    (!rest.contains('}')).then_some(out)
}

impl fmt::Display for SubjectPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.attribute.as_str(), self.value)
    }
}

impl Serialize for SubjectPart {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SubjectPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .map_err(|e| D::Error::custom(format!("{text:?} is no part of a subject: {e}")))
    }
}

impl schemars::JsonSchema for SubjectPart {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SubjectPart".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "maxLength": MAX_PART_BYTES,
            "description": "ATTRIBUTE=value, where {title}, {principal}, {email} and {serial} are filled in"
        })
    }
}
