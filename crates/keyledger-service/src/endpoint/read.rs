//! What a message of NATS says: the request, who nats-server says sent it, and the headers of a command.

use async_nats::{HeaderMap, Message};
use data_encoding::BASE64URL_NOPAD;
use keyledger_domain::{Name, Rejection, record::Ids};
use keyledger_wire::{Prefix, header, subject::came_over_import};
use uuid::Uuid;

use crate::request::{Request, TokenSignature};

/// The longest signature that is looked at, in characters: RSA-4096 has 683.
const MAX_CHARACTERS: usize = 1_024;

/// The request in a message.
pub(super) fn request(message: &Message) -> Request<'_> {
    Request {
        subject: Prefix::outer(&message.subject).unwrap_or(&message.subject),
        payload: &message.payload,
        stamp: stamp(message),
    }
}

/// nats-server's stamp on a request: who sent it. There is exactly one; with two, one would be forged.
///
/// nats-server appends the stamp to the headers, and does not check how they end. A sender can leave the end out, so that the stamp becomes
/// a part of its own last header. If the stamp's name stands inside another header, the stamp that was found is not nats-server's.
///
/// The stamp counts only on a message that came over an import, where nats-server writes it. Inside this account it proves nothing: a user
/// who may store messages can have JetStream publish one on any subject, with the headers that it was stored with.
pub(super) fn stamp(message: &Message) -> Option<&str> {
    if !message.reply.as_deref().is_some_and(came_over_import) {
        return None;
    }
    let headers = message.headers.as_ref()?;
    let swallows = |text: &str| text.contains(header::REQUEST_INFO);
    let mut values = headers.iter().flat_map(|(_, values)| values);
    if values.any(|value| swallows(value.as_str()))
        || message.description.as_deref().is_some_and(swallows)
    {
        return None;
    }
    let mut stamps = headers.get_all(header::REQUEST_INFO);
    match (stamps.next(), stamps.next()) {
        (Some(stamp), None) => Some(stamp.as_str()),
        _ => None,
    }
}

/// The ids of a command: from its headers, in the new or the older spelling. Ids that are missing are made here.
///
/// # Errors
///
/// [`Rejection::BadHeader`].
pub(super) fn ids(headers: Option<&HeaderMap>) -> Result<Ids, Rejection> {
    let mut found = [None; 3];
    let names = [
        header::MESSAGE_ID,
        header::CORRELATION_ID,
        header::CAUSATION_ID,
    ];
    for (slot, name) in found.iter_mut().zip(names) {
        let older = header::OLDER
            .iter()
            .filter(|(_, new)| *new == name)
            .map(|(old, _)| *old);
        for spelling in std::iter::once(name).chain(older) {
            let bad = |fault: &str| Rejection::BadHeader {
                header: name,
                fault: fault.to_owned(),
            };
            let mut values = headers.iter().flat_map(|h| h.get_all(spelling));
            let Some(value) = values.next() else { continue };
            if values.next().is_some() {
                return Err(bad("it is there twice"));
            }
            let id = Uuid::try_parse(value.as_str())
                .ok()
                .filter(|id| !id.is_nil())
                .ok_or_else(|| {
                    bad("it is not a UUID, such as 01997c3e-8a4b-7cc3-9b1e-5f6d2a7c8e90")
                })?;
            if slot.is_none() {
                *slot = Some(id);
            }
        }
    }
    let [command, correlation, causation] = found;
    let command = command.unwrap_or_else(Uuid::now_v7);
    Ok(Ids {
        command,
        correlation: correlation.unwrap_or(command),
        causation: causation.unwrap_or(command),
    })
}

/// A command's signature by a key on its sender's token; `None` if it has none.
///
/// # Errors
///
/// [`Rejection::BadHeader`].
pub(super) fn signature(headers: Option<&HeaderMap>) -> Result<Option<TokenSignature>, Rejection> {
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
    Ok(Some(TokenSignature { key, signature }))
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

#[cfg(test)]
mod tests {
    use async_nats::HeaderMap;

    use super::*;

    fn message(reply: Option<&str>, stamps: &[&str]) -> Message {
        let mut headers = HeaderMap::new();
        for stamp in stamps {
            headers.append(header::REQUEST_INFO, *stamp);
        }
        Message {
            subject: "svc.keys.commands.key.generate.a".into(),
            reply: reply.map(Into::into),
            payload: bytes::Bytes::new(),
            headers: Some(headers),
            status: None,
            description: None,
            length: 0,
        }
    }

    #[test]
    fn a_stamp_counts_once_and_only_on_what_came_over_an_import() {
        let over_import = "_R_.hNTj4c.Dzq7Pg";
        let by_gateway = "_GR_.Ab12Cd.34ef56._R_.hNTj4c.Dzq7Pg";
        for reply in [over_import, by_gateway] {
            let message = message(Some(reply), &["it"]);
            assert_eq!(stamp(&message), Some("it"), "{reply}");
        }
        let others = [
            None,
            Some("_INBOX.a.b"),
            Some("_INBOX._R_.b"),
            Some("_R_"),
            Some("$JS.ACK.KEYS_EVENTS.a.1.1.1.1.0"),
            Some("_GR_.Ab12Cd.34ef56._INBOX.a._R_.b"),
            Some("_GR_.Ab12Cd.34ef56.$JS.ACK.KEYS_EVENTS.a.1.1.1.1.0"),
        ];
        for reply in others {
            assert_eq!(stamp(&message(reply, &["it"])), None, "{reply:?}");
        }
        for stamps in [&[][..], &["it", "it"]] {
            assert_eq!(stamp(&message(Some(over_import), stamps)), None);
        }
    }
}
