//! What a key refuses where it stands in its life.

use super::State;
use crate::{rejection::Rejection, verb::Payload};

/// What the verbs of a key have in common.
pub(crate) trait OfKey: Payload {
    /// That a key in this state does not allow it.
    fn not_allowed(state: State) -> Rejection {
        Rejection::NotAllowed {
            state,
            verb: Self::VERB,
        }
    }
}

impl<V: Payload> OfKey for V {}
