//! What can be asked of a key: one file a verb, one line in this table.

pub(crate) use super::refused::OfKey;
use crate::table::verbs;

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
