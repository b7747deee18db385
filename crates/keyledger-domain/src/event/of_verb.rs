//! Events that are defined in the files of the verbs that write them.

use std::{any::Any, fmt, sync::Arc};

use serde::{Serialize, Serializer, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::group::Group;

/// An event that is defined in the file of the verb that writes it: its body, its type, and what it makes of the aggregate's state `S`.
pub trait VerbEvent<S>:
    fmt::Debug + Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The versioned type, such as `key.v1.noted`.
    const TYPE: &'static str;
    /// What it means, in a sentence.
    const ABOUT: &'static str;

    /// Folds it into the state. Never fails.
    fn evolve(&self, state: &mut S);

    /// The groups that its history is in from then on: see [`Event::joins`](crate::Event::joins).
    fn joins(&self) -> Vec<Group> {
        Vec::new()
    }
}

/// Any event that a verb's file defines, of an aggregate with the state `S`: what lies below the verbs knows it as this.
///
/// Above them, the `VerbEvents` of the aggregate says which one it is.
pub struct OfVerb<S>(Arc<dyn Defined<S>>);

impl<S: 'static> OfVerb<S> {
    pub(crate) fn new(event: impl VerbEvent<S>) -> Self {
        Self(Arc::new(event))
    }

    /// The versioned type.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.0.type_name()
    }

    /// The event, if it is of this type.
    #[must_use]
    pub fn downcast<E: VerbEvent<S>>(&self) -> Option<&E> {
        self.0.as_any().downcast_ref()
    }

    /// See [`VerbEvent::joins`].
    pub(crate) fn joins(&self) -> Vec<Group> {
        self.0.joins()
    }

    /// Folds it into the state. Never fails.
    pub(crate) fn evolve(&self, state: &mut S) {
        self.0.evolve(state);
    }
}

/// What is done with an event whose type is not known.
trait Defined<S>: Send + Sync {
    fn type_name(&self) -> &'static str;
    fn as_any(&self) -> &dyn Any;
    fn body(&self) -> serde_json::Result<Box<RawValue>>;
    fn debug(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
    fn is_same(&self, other: &dyn Any) -> bool;
    fn joins(&self) -> Vec<Group>;
    fn evolve(&self, state: &mut S);
}

impl<S, E: VerbEvent<S>> Defined<S> for E {
    fn type_name(&self) -> &'static str {
        E::TYPE
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn body(&self) -> serde_json::Result<Box<RawValue>> {
        serde_json::value::to_raw_value(self)
    }

    fn debug(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }

    fn is_same(&self, other: &dyn Any) -> bool {
        other.downcast_ref() == Some(self)
    }

    fn joins(&self) -> Vec<Group> {
        VerbEvent::joins(self)
    }

    fn evolve(&self, state: &mut S) {
        VerbEvent::evolve(self, state);
    }
}

impl<S> Clone for OfVerb<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> fmt::Debug for OfVerb<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.debug(f)
    }
}

impl<S> PartialEq for OfVerb<S> {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_same(other.0.as_any())
    }
}

impl<S> Serialize for OfVerb<S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let body = self.0.body().map_err(serde::ser::Error::custom)?;
        body.serialize(serializer)
    }
}
