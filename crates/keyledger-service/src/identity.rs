//! Who sent a request: nats-server's own stamp, read and looked up in the ledger.

use std::sync::Arc;

use keyledger_domain::{
    Ledger, Name, Rejection, Stamp, Timestamp, VerifiedBy,
    ledger::{Claimed, Known},
};
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
    let sender = read(request_info, |claimed| {
        ledger.reader().identify_agent(claimed, now)
    })?;
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
    read(request_info, |claimed| {
        ledger.reader().identify(claimed, now)
    })
}

/// The sender whose share of the service a request takes: the nkey in the stamp, or nothing. Whether the ledger knows it is checked later.
pub(crate) fn sender(request_info: Option<&str>) -> lanes::SenderId {
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
    // On a chain of imports nats-server keeps the stamp of the first one. It names a user who asked the account in between for
    // something else, and in whose name that account would send commands.
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
