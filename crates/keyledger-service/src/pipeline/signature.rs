//! A command's signature by a key on the sender's token: verified, and required where it must be there.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64;
use keyledger_domain::{
    Command, Rejection, Timestamp,
    ledger::TokenSigner,
    signed::{check_age, command_statement},
};
use keyledger_pki::x509::verify_signature;

use crate::{
    identity::Sender,
    request::{CommandHeaders, Request},
    shared::Shared,
};

/// Verifies a command's signature, and gives the key that signed. `None` if the command is not signed and needs no signature.
///
/// The retry of a command that was done is answered, and not done again. So its signature may be old, and if the command needs none, its key
/// may be revoked by now. But it must be over this payload: secrets are sealed to the receiver that the payload names.
///
/// # Errors
///
/// [`Rejection::BadSignature`], [`Rejection::TokenSignatureRequired`].
pub(super) fn verify(
    shared: &Shared,
    request: &Request<'_>,
    headers: &CommandHeaders,
    sender: &Sender,
    command: &Command,
    now: Timestamp,
) -> Result<Option<TokenSigner>, Rejection> {
    let (aggregate, verb) = (command.aggregate(), command.verb());
    let rules = &shared.require_token_signature;
    let required = rules.requires(sender.known.role, aggregate, verb);
    let id = headers.ids.command;
    let Some(signed) = &headers.signature else {
        return match required {
            true => Err(Rejection::TokenSignatureRequired { aggregate, verb }),
            false => Ok(None),
        };
    };
    let (is_retry, known_as, signer) = {
        let ledger = shared.live.ledger.read();
        let known_as = ledger.token_public_key(&signed.key).map(Box::<str>::from);
        let signer = ledger
            .reader()
            .token_signer(&sender.known, &signed.key, now);
        (ledger.remembered(&id).is_some(), known_as, signer)
    };
    if !is_retry {
        check_age(id, now)?;
    }
    let (signer, public_key) = match (signer, known_as) {
        (Ok(signer), _) => {
            let public_key = signer.public_key.clone();
            (Some(signer), public_key)
        }
        (Err(_), Some(public_key)) if is_retry && !required => (None, public_key),
        (Err(rejection), _) => return Err(rejection),
    };
    let mut payload = [0; 32];
    payload.copy_from_slice(digest(&SHA256, request.payload).as_ref());
    let statement = command_statement(request.subject, id, &sender.stamp.user, &payload);
    let spki = BASE64.decode(public_key.as_bytes()).unwrap_or_default();
    match verify_signature(&spki, &statement, &signed.signature) {
        Ok(()) => Ok(signer),
        Err(error) => Err(Rejection::BadSignature {
            why: format!(
                "of key {}: {error}, with this subject, id, sender and payload",
                signed.key
            ),
        }),
    }
}
