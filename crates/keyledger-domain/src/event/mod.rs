//! Events: what happened, of every aggregate and every version ever written.

mod of_verb;
mod stored;

use serde::Serialize;

pub use of_verb::{OfVerb, VerbEvent};
pub use stored::Unreadable;
pub(crate) use stored::{events, read_body};

use crate::{group::Group, name::Aggregate};

/// Makes the enum of all aggregates' events: one line an aggregate, named after its module.
macro_rules! events_of {
    ($( $(#[doc = $doc:literal])* $name:ident: $module:ident, $all:ident, $example:literal; )+) => {
        /// What happened to an aggregate. Serialises as its body alone; the type's name stands beside it.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        #[allow(clippy::large_enum_variant)] // an event lives as long as its command
        pub enum Event {
            $( $(#[doc = $doc])* $name(crate::$module::Event), )+
        }

        impl Event {
            /// The versioned type, such as `key.v1.revoked`.
            #[must_use]
            pub fn type_name(&self) -> &'static str {
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
        }

        $(
            impl From<crate::$module::Event> for Event {
                fn from(event: crate::$module::Event) -> Self {
                    Self::$name(event)
                }
            }
        )+
    };
}

aggregates! { events_of }

impl Event {
    /// The last token of its subject: the type without aggregate and version.
    #[must_use]
    pub fn past(&self) -> &'static str {
        let name = self.type_name();
        name.rsplit_once('.').map_or(name, |(_, past)| past)
    }
}

/// An event that the table of an aggregate's verbs names behind `writes`.
pub trait InTable {
    /// The event as what is decided, sealed and folded.
    fn into_event(self) -> Event;
}

impl<E: InTable> From<E> for Event {
    fn from(event: E) -> Self {
        event.into_event()
    }
}
