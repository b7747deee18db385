//! What a token refuses where it stands in its life.

use super::Token;
use crate::{name::Name, rejection::Rejection, verb::Payload};

/// What the verbs of a token have in common.
pub(crate) trait OfToken: Payload {
    /// That a token does not allow it where it stands in its life, and what to do first.
    fn refused(name: &Name, token: &Token, remedy: &'static str) -> Rejection {
        Rejection::TokenNotAllowed {
            token: name.clone(),
            phase: token.phase,
            verb: Self::VERB,
            remedy,
        }
    }
}

impl<V: Payload> OfToken for V {}
