//! How much a report may hold: an agent is believed in nothing, neither in lengths.

use std::collections::BTreeSet;

use super::{OpenpgpRole, Report};
use crate::{rejection::Rejection, user::check_nkey};

/// The most NATS users that may be bound to a token.
pub const MAX_BOUND_USERS: usize = 32;
/// The most slots a token shows, and the most keys a report names.
pub const MAX_SLOTS: usize = 24;

/// The most secrets of a token that may lie in custody without it being proved which are set.
pub const MAX_DOUBTFUL_SECRETS: usize = 16;
/// The most characters of a certificate or a request in a report: base64 of 6,144 bytes, several times the largest of a
/// YubiKey.
pub const MAX_DER_CHARACTERS: usize = 8_192;
/// The most characters of a public key in a report: base64 of 768 bytes, and the largest, RSA with 4,096 bits, has 550.
pub const MAX_PUBLIC_KEY_CHARACTERS: usize = 1_024;
/// The most characters of a proof in a report: base64 of 768 bytes, and the largest signature has 512.
pub const MAX_PROOF_CHARACTERS: usize = 1_024;
/// The most characters of sealed secrets: base64 of 4,096 bytes.
pub const MAX_SEALED_CHARACTERS: usize = 5_464;

/// The most digits of a fingerprint or a hash: SHA-256.
const MAX_HEX_CHARACTERS: usize = 64;

/// Checks the counts, the lengths and the characters of a report.
///
/// # Errors
///
/// [`Rejection::BadValue`] or [`Rejection::LimitReached`] if it holds what no token has.
pub(crate) fn check(report: &Report) -> Result<(), Rejection> {
    match report {
        Report::Announced(r) => {
            few("applets that a token shows", r.applets.len(), 8)?;
            few("slots that a token shows", r.slots.len(), MAX_SLOTS)?;
            few("restrictions that a token shows", r.restrictions.len(), 8)?;
            let once: BTreeSet<_> = r.slots.iter().map(|s| s.slot).collect();
            if once.len() < r.slots.len() {
                return Err(Rejection::BadValue {
                    field: "slots",
                    fault: "a slot stands there twice".to_owned(),
                });
            }
            for slot in &r.slots {
                base64("slots", &slot.public_key, MAX_PUBLIC_KEY_CHARACTERS)?;
            }
            Ok(())
        }
        Report::Progressed(_) | Report::Failed(_) => Ok(()),
        Report::AttesterShown(r) => base64("attester", &r.attester, MAX_DER_CHARACTERS),
        Report::SecretsSealed(r) => {
            check_nkey("sender", &r.sender, 'X', "a public curve key (`X…`)")?;
            base64("sealed", &r.sealed, MAX_SEALED_CHARACTERS)
        }
        Report::SecretsWanted(r) => {
            check_nkey("seal_to", &r.seal_to, 'X', "a public curve key (`X…`)")
        }
        Report::EscrowWanted(r) => {
            check_nkey("seal_to", &r.seal_to, 'X', "a public curve key (`X…`)")?;
            base64("attester", &r.attester, MAX_DER_CHARACTERS)?;
            base64("attestation", &r.attestation, MAX_DER_CHARACTERS)?;
            base64("proof", &r.proof, MAX_PROOF_CHARACTERS)
        }
        Report::KeysMade(r) => {
            base64("attester", &r.attester, MAX_DER_CHARACTERS)?;
            few("keys that a report names", r.keys.len(), MAX_SLOTS)?;
            for key in &r.keys {
                base64("keys", &key.attestation, MAX_DER_CHARACTERS)?;
                base64(
                    "keys",
                    key.request.as_deref().unwrap_or_default(),
                    MAX_DER_CHARACTERS,
                )?;
            }
            few("OpenPGP keys", r.openpgp.len(), OpenpgpRole::ALL.len())?;
            for key in &r.openpgp {
                base64("openpgp", &key.public_key, MAX_PUBLIC_KEY_CHARACTERS)?;
                hex("openpgp", &key.fingerprint)?;
                short("bind", key.bind.as_deref().unwrap_or_default(), 4_096)?;
            }
            Ok(())
        }
        Report::Proved(r) => {
            short("nonce", &r.nonce, 64)?;
            base64("attester", &r.attester, MAX_DER_CHARACTERS)?;
            few("keys that a report names", r.slots.len(), MAX_SLOTS)?;
            for proof in &r.slots {
                base64("slots", &proof.attestation, MAX_DER_CHARACTERS)?;
                base64("slots", &proof.proof, MAX_PROOF_CHARACTERS)?;
                hex(
                    "slots",
                    proof.certificate_sha256.as_deref().unwrap_or_default(),
                )?;
            }
            few("OpenPGP keys", r.openpgp.len(), OpenpgpRole::ALL.len())?;
            for proof in &r.openpgp {
                base64("openpgp", &proof.public_key, MAX_PUBLIC_KEY_CHARACTERS)?;
                base64("openpgp", &proof.proof, MAX_PROOF_CHARACTERS)?;
                hex("openpgp", &proof.fingerprint)?;
            }
            Ok(())
        }
    }
}

fn few(what: &'static str, count: usize, max: usize) -> Result<(), Rejection> {
    if count > max {
        return Err(Rejection::LimitReached { what, max });
    }
    Ok(())
}

/// What is base64 is stored, and shown, as it came.
fn base64(field: &'static str, text: &str, max: usize) -> Result<(), Rejection> {
    short(field, text, max)?;
    let is_of_it = |b: u8| b.is_ascii_alphanumeric() || b"+/=".contains(&b);
    made_of(field, text, is_of_it, "base64 on one line is expected")
}

fn hex(field: &'static str, text: &str) -> Result<(), Rejection> {
    short(field, text, MAX_HEX_CHARACTERS)?;
    made_of(field, text, |b| b.is_ascii_hexdigit(), "hex is expected")
}

fn made_of(
    field: &'static str,
    text: &str,
    is_of_it: impl Fn(u8) -> bool,
    expected: &str,
) -> Result<(), Rejection> {
    if text.bytes().all(is_of_it) {
        return Ok(());
    }
    let fault = expected.to_owned();
    Err(Rejection::BadValue { field, fault })
}

fn short(field: &'static str, text: &str, max: usize) -> Result<(), Rejection> {
    if text.len() > max {
        let fault = format!(
            "it has {} characters, and at most {max} are allowed",
            text.len()
        );
        return Err(Rejection::BadValue { field, fault });
    }
    Ok(())
}
