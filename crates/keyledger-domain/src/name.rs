//! Names: an aggregate's id, chosen once and never used again.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize};

use crate::private_key;

/// The name of an aggregate, which is its id: `[a-z0-9][a-z0-9_-]{0,62}`.
///
/// A name is a token of a NATS subject and may stand in a permission template, so nothing that NATS gives
/// a meaning to (`.`, `*`, `>`, white space) can be in it. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// The longest name, in bytes: what a DNS label may have, and short enough for a subject.
pub const MAX_NAME_BYTES: usize = 63;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a name: use 1 to 63 of a-z, 0-9, '_' and '-', and begin with a letter or a digit"
)]
pub struct NotAName(String);

impl Name {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// [`NotAName`] if it is not of the form `[a-z0-9][a-z0-9_-]{0,62}`.
    pub fn new(text: &str) -> Result<Self, NotAName> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        let first = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        match text.as_bytes() {
            [head, tail @ ..]
                if first(*head)
                    && tail.len() < MAX_NAME_BYTES
                    && tail.iter().all(|b| inner(*b)) =>
            {
                Ok(Self(text.into()))
            }
            _ if private_key::find(text.as_bytes()).is_some() => {
                Err(NotAName("(what looks like a secret)".to_owned()))
            }
            // Shown back shortened: it comes from outside.
            _ => Err(NotAName(text.chars().take(80).collect())),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        Self::new(text)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Name {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$" })
    }
}

macro_rules! kinds {
    ($( $(#[doc = $doc:literal])* $name:ident: $module:ident, $all:ident, $example:literal; )+) => {
        /// The kinds of aggregate: the third token of a command's or an event's subject.
        #[derive(
            Debug,
            Clone,
            Copy,
            PartialEq,
            Eq,
            PartialOrd,
            Ord,
            Hash,
            Serialize,
            Deserialize,
            schemars::JsonSchema,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum Aggregate {
            $( $(#[doc = $doc])* $name, )+
        }

        impl Aggregate {
            /// All of them, in the order of the table.
            pub const ALL: [Self; [$($example),+].len()] = [$(Self::$name),+];

            /// The subject token.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$name => stringify!($module), )+
                }
            }

            /// A name as an example shows it.
            #[must_use]
            pub const fn example(self) -> &'static str {
                match self {
                    $( Self::$name => $example, )+
                }
            }
        }
    };
}
aggregates! { kinds }

impl Aggregate {
    /// The aggregate of a subject token.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.as_str() == token)
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One history: an aggregate and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HistoryId {
    /// Its kind.
    pub aggregate: Aggregate,
    /// Its name.
    pub name: Name,
}

/// The history a command is for.
pub type Target = HistoryId;

impl HistoryId {
    /// A number to tell a few histories apart by, the same for ever (FNV-1a, 32 bits).
    pub(crate) fn tag(&self) -> u32 {
        let aggregate = self.aggregate.as_str().bytes();
        let name = self.name.as_str().bytes();
        aggregate
            .chain([b'.'])
            .chain(name)
            .fold(0x811c_9dc5, |hash, byte| {
                (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            })
    }

    /// The history of `name` of kind `aggregate`.
    #[must_use]
    pub const fn new(aggregate: Aggregate, name: Name) -> Self {
        Self { aggregate, name }
    }
}

impl fmt::Display for HistoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.aggregate, self.name)
    }
}
