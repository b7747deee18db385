//! What can be asked of a token: one file a verb, one line in this table.

pub(crate) use super::refused::OfToken;
use crate::table::verbs;

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
