//! The targets, by the crate whose decoders they call.

mod agent;
mod claims;
mod custody;
mod domain;
mod pki;

pub(crate) use agent::apdu;
pub(crate) use claims::{creds, jwt};
pub(crate) use custody::openpgp;
pub(crate) use domain::{command, envelope, event, export, profile};
pub(crate) use pki::{attestation, certificate, crl, csr};

/// Files for a machine without a network and back, of either kind.
pub(crate) fn exchange(bytes: &[u8]) -> bool {
    // Every one of them is tried, whatever the others say.
    [
        pki::authority_request(bytes),
        pki::authority_response(bytes),
        custody::certify_request(bytes),
        custody::certify_response(bytes),
    ]
    .contains(&true)
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Holds what a person reads before a key signs to its promise: nothing in it is invisible.
fn check_words(words: &str) {
    let hidden = |c: &char| c.is_control() && *c != '\n';
    assert_eq!(words.chars().find(hidden), None, "{words:?}");
}
