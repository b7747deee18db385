//! What can be asked of a token: one file a verb, one line in this table.

use crate::verb::verbs;

verbs! { Token;
    enrol => Enrol,
    assign => Assign,
    provision => Provision,
    verify => Verify,
    reset => Reset,
    unblock => Unblock,
    rotate_secrets => RotateSecrets,
    cancel => Cancel,
    transfer => Transfer,
    bind => Bind,
    release => Release,
    lose => Lose,
    find => Find,
    retire => Retire,
    destroy => Destroy,
}

/// What the verbs of a token have in common.
pub(crate) trait OfToken: crate::verb::Payload {
    /// That a token does not allow it where it stands in its life, and what to do first.
    fn refused(
        name: &crate::name::Name,
        token: &super::Token,
        remedy: &'static str,
    ) -> crate::rejection::Rejection {
        crate::rejection::Rejection::TokenNotAllowed {
            token: name.clone(),
            phase: token.phase,
            verb: Self::VERB,
            remedy,
        }
    }
}

impl<V: crate::verb::Payload> OfToken for V {}
