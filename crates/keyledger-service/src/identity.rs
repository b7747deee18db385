//! Who sent a request: nats-server's own stamp, read and looked up in the ledger.

use std::sync::Arc;

use async_nats::Message;
use keyledger_domain::{
    Ledger, Name, Rejection, Stamp, Timestamp, VerifiedBy,
    ledger::{Claimed, Known},
};
use keyledger_wire::{header, subject::came_over_import};
use serde::Deserialize;

use crate::lanes;

/// The stamp that nats-server puts on a shared service import. The client-chosen `name` in it is not even read.
#[derive(Debug, Deserialize)]
struct RequestInfo {
    acc: Option<String>,
    user: Option<String>,
    #[serde(default)]
    issuer_key: Option<String>,
    #[serde(default)]
    host: Option<String>,
    /// The account whose import passed it on: of a request that came over a chain of imports.
    #[serde(default)]
    svc: Option<String>,
}

/// Whom nats-server and the ledger vouch for.
pub(crate) struct Sender {
    pub(crate) known: Known,
    pub(crate) stamp: Arc<Stamp>,
    /// The key that issued its JWT.
    pub(crate) issuer: Box<str>,
}

impl Sender {
    /// Its stamp on a command that a key on its token signed.
    pub(crate) fn signed_by(&self, key: &Name) -> Arc<Stamp> {
        Arc::new(Stamp {
            verified_by: VerifiedBy::TokenSignature,
            key: Some(key.clone()),
            ..(*self.stamp).clone()
        })
    }
}

/// nats-server's stamp on a request. It stands there once; a second one would be somebody's forgery.
///
/// nats-server appends it to a block of headers whose end it does not check: a sender who leaves that end out has the stamp become
/// the rest of his own last header. The name of the stamp in any other place says that the one found is not nats-server's.
///
/// It counts only on what came over an import, where nats-server writes it. Inside this account it does not: whoever may store
/// something and ask JetStream for it has it published on any subject, with the headers that were stored.
pub(crate) fn request_info(message: &Message) -> Option<&str> {
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

/// Finds which agent sent it, by the nkeys in the stamp and by the one that its permissions pin into the subject.
///
/// # Errors
///
/// As [`identify`], and [`Rejection::Unauthorised`] if the subject names another.
pub(crate) fn identify_agent(
    ledger: &Ledger,
    request_info: Option<&str>,
    nkey: &str,
    now: Timestamp,
) -> Result<Arc<Stamp>, Rejection> {
    let sender = read(request_info, |claimed| ledger.identify_agent(claimed, now))?;
    if *sender.stamp.user != *nkey {
        return Err(Rejection::Unauthorised {
            why: "its subject names another agent".to_owned(),
        });
    }
    Ok(Arc::new(Stamp {
        verified_by: VerifiedBy::Subject,
        ..(*sender.stamp).clone()
    }))
}

/// Finds who sent it, by the nkeys in the stamp.
///
/// # Errors
///
/// [`Rejection::Unidentified`] without a full stamp, [`Rejection::Unauthorised`] for one the ledger does not know.
pub(crate) fn identify(
    ledger: &Ledger,
    request_info: Option<&str>,
    now: Timestamp,
) -> Result<Sender, Rejection> {
    read(request_info, |claimed| ledger.identify(claimed, now))
}

/// Whose share of the service a request takes from: the nkey in the stamp, or nothing. Whether the ledger knows it is asked later.
pub(crate) fn sender(request_info: Option<&str>) -> lanes::Sender {
    #[derive(Deserialize)]
    struct User {
        user: Option<String>,
    }
    let user = request_info.and_then(|text| serde_json::from_str::<User>(text).ok());
    user.and_then(|info| info.user).unwrap_or_default().into()
}

fn read(
    request_info: Option<&str>,
    look_up: impl FnOnce(Claimed<'_>) -> Result<Known, Rejection>,
) -> Result<Sender, Rejection> {
    let info: RequestInfo = request_info
        .and_then(|text| serde_json::from_str(text).ok())
        .ok_or(Rejection::Unidentified)?;
    // On a chain nats-server keeps the stamp of the first import: it names who asked for something else, of an account that
    // passes commands on in that user's name.
    if let Some(by) = info.svc {
        let by: String = by.chars().take(64).collect();
        return Err(Rejection::Unauthorised {
            why: format!("account {by} passed it on: an account imports this service itself"),
        });
    }
    let (Some(account), Some(user)) = (info.acc, info.user) else {
        return Err(Rejection::Unidentified);
    };
    let issuer = info.issuer_key.unwrap_or_default();
    let claimed = Claimed {
        account: &account,
        user: &user,
        issuer: &issuer,
    };
    let known = look_up(claimed)?;
    let stamp = Stamp {
        account: account.into(),
        user: user.into(),
        name: Some(known.user.as_str().into()),
        role: Some(known.role),
        host: info
            .host
            .map(|host| host.chars().take(255).collect::<String>().into()),
        verified_by: VerifiedBy::RequestInfo,
        key: None,
    };
    Ok(Sender {
        known,
        stamp: Arc::new(stamp),
        issuer: issuer.into(),
    })
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
            assert_eq!(request_info(&message), Some("it"), "{reply}");
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
            assert_eq!(request_info(&message(reply, &["it"])), None, "{reply:?}");
        }
        for stamps in [&[][..], &["it", "it"]] {
            assert_eq!(request_info(&message(Some(over_import), stamps)), None);
        }
    }
}
