//! Public nkeys as a command carries them.

use crate::{private_key::PrivateKey, rejection::Rejection};

/// Checks that a text is a public nkey of the kind that `letter` begins.
pub(crate) fn check_nkey(
    field: &'static str,
    nkey: &str,
    letter: char,
    expected: &str,
) -> Result<(), Rejection> {
    let fault = || Rejection::BadValue {
        field,
        fault: format!("it is not {expected}"),
    };
    if nkey.starts_with('S') {
        return Err(Rejection::private(field, PrivateKey::Seed));
    }
    // The first letter is the prefix byte's; the crate checks length and checksum.
    match nkeys::from_public_key(nkey) {
        Ok(_) if nkey.starts_with(letter) => Ok(()),
        _ => Err(fault()),
    }
}
