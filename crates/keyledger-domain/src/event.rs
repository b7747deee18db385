//! Events: what happened, of every aggregate and every version ever written.

use serde::{Serialize, de::DeserializeOwned};

use crate::{account, group::Group, key, name::Aggregate, operator, principal, token, user};

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

/// Makes the enum of all aggregates' events: one line an aggregate, named after its module.
macro_rules! aggregates {
    ($( $(#[doc = $doc:literal])* $name:ident: $module:ident, )+) => {
        /// What happened to an aggregate. Serialises as its body alone; the type's name stands beside it.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        #[allow(clippy::large_enum_variant)] // an event lives as long as its command
        pub enum Event {
            $( $(#[doc = $doc])* $name($module::Event), )+
        }

        impl Event {
            /// Every type that can be written, of one aggregate after the other, with what it means.
            pub fn types() -> impl Iterator<Item = (&'static str, &'static str)> {
                std::iter::empty()$( .chain($module::Event::types()) )+
            }

            /// The versioned type, such as `key.v1.revoked`.
            #[must_use]
            pub const fn type_name(&self) -> &'static str {
                match self { $( Self::$name(event) => event.type_name(), )+ }
            }

            /// The groups that its history is in from then on, if it was not before.
            #[must_use]
            pub fn joins(&self) -> Vec<Group> {
                match self { $( Self::$name(event) => event.joins(), )+ }
            }

            /// The kind of aggregate it happened to.
            #[must_use]
            pub const fn aggregate(&self) -> Aggregate {
                match self { $( Self::$name(_) => Aggregate::$name, )+ }
            }

            /// Reads an event's body, lifting every older form to the newest.
            ///
            /// # Errors
            ///
            /// [`Unreadable`] if the type is unknown or the body does not fit it.
            pub fn read(type_name: &str, body: &[u8]) -> Result<Self, Unreadable> {
                let unknown = || Unreadable::Type(type_name.chars().take(80).collect());
                let (aggregate, _) = type_name.split_once('.').ok_or_else(unknown)?;
                match Aggregate::parse(aggregate).ok_or_else(unknown)? {
                    $( Aggregate::$name => $module::Event::read(type_name, body).map(Self::$name), )+
                }
            }
        }

        $(
            impl From<$module::Event> for Event {
                fn from(event: $module::Event) -> Self {
                    Self::$name(event)
                }
            }
        )+
    };
}

aggregates! {
    /// To a key.
    Key: key,
    /// To a principal.
    Principal: principal,
    /// To the operator.
    Operator: operator,
    /// To an account.
    Account: account,
    /// To a user.
    User: user,
    /// To a token.
    Token: token,
}

impl Event {
    /// The last token of its subject: the type without aggregate and version.
    #[must_use]
    pub fn past(&self) -> &'static str {
        let name = self.type_name();
        name.rsplit_once('.').map_or(name, |(_, past)| past)
    }
}

/// An event that is defined in the file of the verb that writes it: its body, its type, and what it makes of the aggregate's state `S`.
pub trait VerbEvent<S> {
    /// The versioned type, such as `key.v1.noted`.
    const TYPE: &'static str;
    /// What it means, in a sentence.
    const ABOUT: &'static str;

    /// Folds it into the state. Never fails.
    fn evolve(&self, state: &mut S);

    /// The groups that its history is in from then on: see [`Event::joins`].
    fn joins(&self) -> Vec<Group> {
        Vec::new()
    }
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

/// Makes the enum of an aggregate's events with their stored types; those that a verb's own file defines come with it.
///
/// A type is never edited once released: add a `v2` beside it and lift the old one in `read`.
macro_rules! events {
    ($( $(#[doc = $doc:literal])* $type:literal => $name:ident($body:ty), )+) => {
        /// What happened.
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        #[serde(untagged)]
        #[allow(clippy::large_enum_variant)] // an event lives as long as its command
        pub enum Event {
            $( $(#[doc = $doc])* $name($body), )+
            /// What the file of a verb defines.
            OfVerb(super::VerbEvents),
        }

        impl Event {
            /// Every type that can be written, with what it means.
            pub fn types() -> impl Iterator<Item = (&'static str, &'static str)> {
                let own = [$(($type, concat!($($doc),*).trim_ascii_start()),)+];
                own.into_iter().chain(super::VerbEvents::TYPES.iter().copied())
            }

            /// The versioned type.
            #[must_use]
            pub const fn type_name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $type,)+
                    Self::OfVerb(event) => event.type_name(),
                }
            }

            /// Reads a stored body.
            ///
            /// # Errors
            ///
            /// [`Unreadable`](crate::event::Unreadable) if the type is unknown or the body does not fit it.
            pub fn read(type_name: &str, body: &[u8]) -> Result<Self, crate::event::Unreadable> {
                match type_name {
                    $($type => crate::event::read_body(type_name, body).map(Self::$name),)+
                    _ => super::VerbEvents::read(type_name, body).map(Self::OfVerb),
                }
            }
        }
    };
}
pub(crate) use events;
