//! A command's signature by a key on the sender's token: read, verified, and asked for where it must be.

use async_nats::{HeaderMap, Message};
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use keyledger_domain::{
    Command, Name, Rejection, Timestamp,
    ledger::TokenSigner,
    signed::{check_age, command_statement},
};
use keyledger_pki::x509::verify_signature;
use keyledger_wire::{Prefix, header};
use uuid::Uuid;

use crate::{identity::Sender, shared::Shared};

/// The longest signature that is looked at, in characters: RSA-4096 has 683.
const MAX_CHARACTERS: usize = 1_024;

/// Verifies a command's signature: who signed, or nothing where nobody did and nobody must have.
///
/// A retry of what was done is answered and not done again, so neither need its signature be young, nor, where the command needs none, its
/// key still be good. It must be over this very payload all the same: what is delivered goes to whom the payload names.
///
/// # Errors
///
/// [`Rejection::BadHeader`], [`Rejection::BadSignature`], [`Rejection::TokenSignatureRequired`].
pub(super) fn verify(
    shared: &Shared,
    message: &Message,
    sender: &Sender,
    command: &Command,
    id: Uuid,
    now: Timestamp,
) -> Result<Option<TokenSigner>, Rejection> {
    let (aggregate, verb) = (command.aggregate(), command.verb());
    let rules = &shared.require_token_signature;
    let required = rules.requires(sender.known.role, aggregate, verb);
    let Some(signed) = read(message.headers.as_ref())? else {
        return match required {
            true => Err(Rejection::TokenSignatureRequired { aggregate, verb }),
            false => Ok(None),
        };
    };
    let (is_retry, known_as, signer) = {
        let ledger = shared.live.ledger.read();
        let known_as = ledger.token_public_key(&signed.key).map(Box::<str>::from);
        let signer = ledger.token_signer(&sender.known, &signed.key, now);
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
    let subject = Prefix::outer(&message.subject).unwrap_or(&message.subject);
    let mut payload = [0; 32];
    payload.copy_from_slice(digest(&SHA256, &message.payload).as_ref());
    let statement = command_statement(subject, id, &sender.stamp.user, &payload);
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

/// What the headers say of a signature.
struct Signed {
    key: Name,
    signature: Vec<u8>,
}

fn read(headers: Option<&HeaderMap>) -> Result<Option<Signed>, Rejection> {
    let key = once(headers, header::TOKEN_KEY)?;
    let signature = once(headers, header::TOKEN_SIGNATURE)?;
    let (key, signature) = match (key, signature) {
        (None, None) => return Ok(None),
        (Some(key), Some(signature)) => (key, signature),
        (None, Some(_)) => {
            return Err(bad(
                header::TOKEN_KEY,
                "it is missing: whose signature is it?",
            ));
        }
        (Some(_), None) => return Err(bad(header::TOKEN_SIGNATURE, "it is missing")),
    };
    let key = Name::new(key).map_err(|error| bad(header::TOKEN_KEY, &error.to_string()))?;
    let signature = Some(signature).filter(|text| text.len() <= MAX_CHARACTERS);
    let signature = signature.and_then(|text| BASE64URL_NOPAD.decode(text.as_bytes()).ok());
    let signature = signature.ok_or_else(|| {
        bad(
            header::TOKEN_SIGNATURE,
            "it is not base64url without padding",
        )
    })?;
    let newest = std::iter::once(header::MESSAGE_ID);
    let older = header::OLDER
        .iter()
        .filter(|(_, new)| *new == header::MESSAGE_ID);
    let mut spellings = newest.chain(older.map(|(old, _)| *old));
    if !spellings.any(|name| headers.is_some_and(|h| h.get(name).is_some())) {
        return Err(bad(
            header::MESSAGE_ID,
            "a signed command names its id, which is signed too",
        ));
    }
    Ok(Some(Signed { key, signature }))
}

fn once<'a>(
    headers: Option<&'a HeaderMap>,
    name: &'static str,
) -> Result<Option<&'a str>, Rejection> {
    let mut values = headers
        .into_iter()
        .flat_map(|headers| headers.get_all(name));
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(bad(name, "it is there twice")),
        (value, None) => Ok(value.map(|value| value.as_str())),
    }
}

fn bad(header: &'static str, fault: &str) -> Rejection {
    let fault = fault.to_owned();
    Rejection::BadHeader { header, fault }
}
