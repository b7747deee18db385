//! Which accounts stand on an older version of the templates, and what each gains and loses with the newest.

use keyledger_domain::{
    Ledger, Name, Rejection,
    account::{Account, Purpose, changes},
    template::TemplateVersion,
    text::in_full,
    views::{Budget, ListQuery, Page, page::sorted},
};
use keyledger_wire::{Prefix, query::AccountUpgrade};

use super::{
    jwt::{JwtError, rendered},
    templates,
};

/// The accounts that stand on an older version than `newest`, by name.
pub(crate) fn due_for_upgrade(
    ledger: &Ledger,
    newest: TemplateVersion,
) -> impl Iterator<Item = (&Name, &Account)> {
    let accounts = ledger.accounts().map(|(name, entry)| (name, &entry.state));
    let mut due: Vec<_> = accounts
        .filter(|(_, account)| account.intent.template < newest)
        .collect();
    due.sort_unstable_by_key(|(name, _)| *name);
    due.into_iter()
}

/// What upgrading them would change, by name.
///
/// # Errors
///
/// [`Rejection::OutOfRange`] if the limit is.
pub(crate) fn upgrade_plan(
    ledger: &Ledger,
    prefix: &Prefix,
    query: &ListQuery,
    budget: Budget,
) -> Result<Page<AccountUpgrade>, Rejection> {
    let newest = templates::newest();
    let due: Vec<_> = due_for_upgrade(ledger, newest).collect();
    sorted(
        &due,
        query,
        budget,
        |(name, _)| name,
        |(name, account)| row(ledger, prefix, name, account, newest),
    )
}

fn row(
    ledger: &Ledger,
    prefix: &Prefix,
    name: &Name,
    account: &Account,
    newest: TemplateVersion,
) -> AccountUpgrade {
    let mut after = account.clone();
    after.intent.template = newest;
    let body = |account| {
        let rendered = rendered(account, prefix, ledger)?;
        Ok::<_, JwtError>(rendered.unsigned().nats.clone())
    };
    let named = |nkey: &str| {
        let name = ledger.account_of_nkey(nkey);
        name.map_or_else(|| nkey.to_owned(), ToString::to_string)
    };
    let changed = body(account).and_then(|before| Ok(changes(&before, &body(&after)?, &named)));
    let fault = changed.as_ref().err().map(|e| in_full(e));
    let changes = changed.unwrap_or_default();
    AccountUpgrade {
        name: name.clone(),
        purpose: account.purpose,
        from: account.intent.template,
        to: newest,
        stage: stage(account.purpose),
        gains: changes.gains,
        loses: changes.loses,
        fault,
    }
}

/// When its turn is: what it imports from comes before it.
fn stage(purpose: Purpose) -> u8 {
    let stages = purpose.imports_from().iter().map(|it| stage(*it) + 1);
    stages.max().unwrap_or(0)
}
