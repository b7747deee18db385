//! Whether commands can be taken now, and whether what this one changes can be enforced.

use std::collections::BTreeSet;

use keyledger_custody::VaultSealed;
use keyledger_domain::{Command, Ledger, Name, command::Target, name::Aggregate};
use uuid::Uuid;

use crate::{
    refused::{NotEnforceable, RequestError},
    shared::Shared,
};

/// Refuses a command that the servers cannot be made to enforce now: a revocation that reaches no server revokes nothing.
pub(super) async fn check_enforceable(
    shared: &Shared,
    target: &Target,
    command: &Command,
    id: Uuid,
) -> Result<(), RequestError> {
    if !command.any().changes_account_jwts() {
        return Ok(());
    }
    if shared.trust.is_refused() {
        return Err(NotEnforceable::Refused.into());
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
        opened.map_err(NotEnforceable::Unsigned)?;
    }
    accounts
        .iter()
        .find_map(|account| shared.trust.unenforceable(account))
        .map_or(Ok(()), |said| Err(NotEnforceable::Unpushed(said).into()))
}

/// Refuses while commands cannot be taken.
pub(super) fn check_ready(shared: &Shared) -> Result<(), RequestError> {
    if !shared.vault.is_open() {
        return Err(VaultSealed.into());
    }
    if let Some(said) = shared.live.broken() {
        return Err(RequestError::LedgerBroken(said));
    }
    if let Some(said) = shared.trust.refusal() {
        return Err(RequestError::LedgerBroken(said));
    }
    if let Some(said) = shared.live.doubt() {
        return Err(RequestError::InDoubt(said));
    }
    let latest = shared.live.ledger.read().latest();
    if let Some(refusal) = shared.clock_watch.refusal(latest) {
        return Err(refusal.into());
    }
    shared
        .durability
        .refusal()
        .map_or(Ok(()), |said| Err(RequestError::NotDurable(said)))
}

/// The accounts of the users that a command for `target` may revoke: the user itself, those of the principal, or those of the token.
fn touched(ledger: &Ledger, target: &Target) -> BTreeSet<Name> {
    let name = &target.name;
    let mut accounts = BTreeSet::new();
    if target.aggregate == Aggregate::User {
        accounts.extend(account_of(ledger, name));
    }
    if target.aggregate == Aggregate::Token {
        let users = ledger.token(name).map(|token| &token.state.users);
        let users = users.into_iter().flatten();
        accounts.extend(users.filter_map(|user| account_of(ledger, user)));
    }
    if target.aggregate == Aggregate::Principal {
        let users = ledger.users();
        let users = users.filter(|(_, user)| user.state.principal.as_ref() == Some(name));
        accounts.extend(users.map(|(_, user)| user.state.account.clone()));
    }
    accounts
}

fn account_of(ledger: &Ledger, user: &Name) -> Option<Name> {
    let user = ledger.user(user)?;
    Some(user.state.account.clone())
}
