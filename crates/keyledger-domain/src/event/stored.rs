//! The stored form of events: their types, and how their bodies are read.

use serde::de::DeserializeOwned;

/// Why stored bytes are not an event this version can read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The bytes are no record at all: the ledger is damaged, or something else wrote into its stream.
    #[error("it is no event record: {0}")]
    Record(String),
    /// A type this version does not know: it was written by a newer one. Upgrade this instance.
    #[error("its type {0:?} is unknown here: it was written by a newer version; upgrade this one")]
    Type(String),
    /// A known type with a body that does not fit: the ledger is damaged.
    #[error("its body does not fit {type_name}: {reason}")]
    Body {
        /// The type it says it is.
        type_name: String,
        /// What does not fit.
        reason: String,
    },
}

/// Reads a stored body.
pub(crate) fn read_body<T: DeserializeOwned>(
    type_name: &str,
    body: &[u8],
) -> Result<T, Unreadable> {
    serde_json::from_slice(body).map_err(|e| Unreadable::Body {
        type_name: type_name.to_owned(),
        reason: e.to_string(),
    })
}

/// Makes the enum of an aggregate's events with their stored types; those that the files of its verbs define come with it.
///
/// A type is never edited once released: add a `v2` beside it and lift the old one in `read`.
macro_rules! events {
    (of $state:ident; $( $(#[doc = $doc:literal])* $type:literal => $name:ident($body:ty), )+) => {
        /// What happened.
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        #[serde(untagged)]
        #[allow(clippy::large_enum_variant)] // an event lives as long as its command
        pub enum Event {
            $( $(#[doc = $doc])* $name($body), )+
            /// What the file of a verb defines.
            OfVerb(crate::event::OfVerb<$state>),
        }

        impl Event {
            /// The types of this table, with what they mean.
            pub(crate) const TYPES: &'static [(&'static str, &'static str)] =
                &[$(($type, concat!($($doc),*).trim_ascii_start()),)+];

            /// The versioned type.
            #[must_use]
            pub fn type_name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $type,)+
                    Self::OfVerb(event) => event.type_name(),
                }
            }

            /// Reads a stored body; nothing if the type is none of this table.
            pub(crate) fn read(
                type_name: &str,
                body: &[u8],
            ) -> Option<Result<Self, crate::event::Unreadable>> {
                Some(match type_name {
                    $($type => crate::event::read_body(type_name, body).map(Self::$name),)+
                    _ => return None,
                })
            }
        }
    };
}
pub(crate) use events;
