//! Whether commands can be taken now, and whether what this one changes can be enforced.

use std::collections::BTreeSet;

use keyledger_domain::{Command, Ledger, Name, command::Target, name::Aggregate};
use uuid::Uuid;

use crate::{refused::Refused, shared::Shared};

/// Refuses what the servers could not be made to enforce: a revocation that reaches nobody is none.
pub(super) async fn check_enforceable(
    shared: &Shared,
    target: &Target,
    command: &Command,
    id: Uuid,
) -> Result<(), Refused> {
    let refuse = |said: String| Refused::Fault("not_enforceable", said);
    if !command.any().changes_account_jwts() {
        return Ok(());
    }
    if shared.trust.is_refused() {
        let said = "the servers refuse the service in the system account";
        return Err(refuse(said.to_owned()));
    }
    let (keys, accounts) = {
        let ledger = shared.live.ledger.read();
        if ledger.remembered(&id).is_some() {
            return Ok(()); // it is done, and only told again
        }
        let operator = ledger.operator();
        let keys = operator.map(|(_, o)| o.state.signing_keys.clone());
        (keys.unwrap_or_default(), touched(&ledger, target))
    };
    for key in keys {
        let opened = shared.signers.signer(&key.key).await;
        opened.map_err(|e| refuse(format!("account JWTs cannot be signed: {e}")))?;
    }
    accounts
        .iter()
        .find_map(|account| shared.trust.unenforceable(account))
        .map_or(Ok(()), |said| Err(refuse(said)))
}

/// Refuses while commands cannot be taken.
pub(super) fn check_ready(shared: &Shared) -> Result<(), Refused> {
    if let Some(said) = shared.live.broken() {
        return Err(Refused::Fault("ledger_broken", said));
    }
    if let Some(said) = shared.trust.refusal() {
        return Err(Refused::Fault("ledger_broken", said));
    }
    if let Some(said) = shared.live.doubt() {
        let said = format!("it is asked again where the ledger stands: {said}");
        return Err(Refused::Fault("not_ready", said));
    }
    let latest = shared.live.ledger.read().latest();
    if let Some(refusal) = shared.clock_watch.refusal(latest) {
        return Err(Refused::Fault("clock_skewed", refusal.to_string()));
    }
    shared
        .durability
        .refusal()
        .map_or(Ok(()), |said| Err(Refused::Fault("not_durable", said)))
}

/// The accounts in which somebody is revoked by a command for `target`.
fn touched(ledger: &Ledger, target: &Target) -> Vec<Name> {
    let account = |user: &Name| {
        let user = ledger.user(user)?;
        Some(user.state.account.clone())
    };
    match target.aggregate {
        Aggregate::User => account(&target.name).into_iter().collect(),
        Aggregate::Principal => {
            let of_principal = ledger
                .users()
                .filter(|(_, user)| user.state.principal.as_ref() == Some(&target.name));
            of_principal
                .map(|(_, user)| user.state.account.clone())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect()
        }
        Aggregate::Token => {
            let token = ledger.token(&target.name);
            let users = token.map(|token| token.state.users.clone());
            users.iter().flatten().filter_map(account).collect()
        }
        Aggregate::Account | Aggregate::Key | Aggregate::Operator => Vec::new(),
    }
}
