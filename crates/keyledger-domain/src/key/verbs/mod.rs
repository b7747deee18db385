//! What can be asked of a key: one file a verb, one line in this table.

use crate::{
    key::State,
    rejection::Rejection,
    verb::{Payload, verbs},
};

verbs! { Key;
    generate => Generate,
    register => Register,
    activate => Activate,
    suspend => Suspend,
    resume => Resume,
    deactivate => Deactivate,
    revoke => Revoke,
    rotate => Rotate,
    destroy => Destroy,
    archive => Archive,
    recover => Recover,
    describe => Describe,
    schedule => Schedule,
    certify => Certify,
    install => Install,
    revoke_certificate => RevokeCertificate,
    note => Note writes Noted,
}

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
