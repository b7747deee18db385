//! What an organisation lacks that was made by an earlier version: its accounts stand in the ledger as they were made.

use std::collections::BTreeSet;

use keyledger_claims::{AccountBody, UserPermissionLimits, subject};
use keyledger_domain::{
    Ledger,
    account::{Account, Purpose},
};
use keyledger_wire::Prefix;

use super::{
    genesis::USERS,
    names::{SERVICE, VIEWS, name},
    templates::{role_template, service_exports, views_exports},
};

/// What JetStream calls the making of consumers: not for clients to import.
const CONSUMERS: &str = "$JS.API.CONSUMER.CREATE.";

/// What accounts and users lack, or have too much of, compared with what this version would make: a sentence each.
#[must_use]
pub fn older_templates(ledger: &Ledger, prefix: &Prefix) -> Vec<String> {
    let mut found = Vec::new();
    let mut accounts: Vec<_> = ledger.accounts().collect();
    accounts.sort_unstable_by_key(|(name, _)| *name);
    for (name, entry) in accounts {
        let account = &entry.state;
        let Ok(body) = serde_json::from_str::<AccountBody>(&account.claims) else {
            found.push(format!("account {name}: its claims cannot be read"));
            continue;
        };
        let exports = match name.as_str() {
            SERVICE => service_exports(prefix),
            VIEWS => views_exports(prefix),
            _ => Vec::new(),
        };
        let has: BTreeSet<_> = body.exports.iter().map(|e| e.subject.as_str()).collect();
        let lacks: Vec<_> = exports
            .iter()
            .map(|e| e.subject.as_str())
            .filter(|subject| !has.contains(subject))
            .collect();
        if !lacks.is_empty() {
            found.push(format!(
                "account {name} does not export {}",
                lacks.join(", ")
            ));
        }
        if account.purpose == Purpose::Client {
            let makes =
                |import: &&keyledger_claims::account::Import| import.subject.starts_with(CONSUMERS);
            if body.imports.iter().any(|import| makes(&import)) {
                found.push(format!(
                    "account {name}: whoever sees the inventory there makes consumers on its bucket, and can delete it so"
                ));
            }
        }
        found.extend(roles(account, prefix).map(|what| format!("account {name}, {what}")));
    }
    found.extend(users(ledger, prefix));
    found
}

/// The roles whose permissions are not this version's.
fn roles<'a>(account: &'a Account, prefix: &'a Prefix) -> impl Iterator<Item = String> + 'a {
    account.signing_keys.iter().filter_map(|key| {
        let role = key.role?;
        let template = key.template.as_deref()?;
        let found: UserPermissionLimits = serde_json::from_str(template).ok()?;
        let now = role_template(prefix, role);
        let hears_all = |allowed: &[String]| {
            allowed
                .iter()
                .any(|subject| subject::covers(subject, "_INBOX.x"))
        };
        if hears_all(&found.subscribe.allow) && !hears_all(&now.subscribe.allow) {
            return Some(format!(
                "role {role}: its users hear the answers that others of the account get"
            ));
        }
        (in_order(found) != in_order(now))
            .then(|| format!("role {role}: its permissions are an earlier version's"))
    })
}

/// The same permissions, in whatever order they were written.
fn in_order(mut permissions: UserPermissionLimits) -> UserPermissionLimits {
    let UserPermissionLimits {
        publish, subscribe, ..
    } = &mut permissions;
    for subjects in [
        &mut publish.allow,
        &mut publish.deny,
        &mut subscribe.allow,
        &mut subscribe.deny,
    ] {
        subjects.sort_unstable();
    }
    permissions
}

/// The organisation's own users that may not do what this version wants to.
fn users(ledger: &Ledger, prefix: &Prefix) -> Vec<String> {
    let mut found = Vec::new();
    for plan in &USERS {
        let Some(grants) = plan.grants else { continue };
        let Some(user) = ledger.user(&name(plan.name)) else {
            continue;
        };
        let grants = grants(prefix, &user.state.nkey);
        for (what, wanted, has) in [
            ("publish to", &grants.publish, &user.state.publish),
            ("subscribe to", &grants.subscribe, &user.state.subscribe),
        ] {
            let has = has.as_deref().unwrap_or_default();
            let may = |wanted: &str| has.iter().any(|has| subject::covers(has, wanted));
            let lacks: Vec<_> = wanted
                .iter()
                .map(String::as_str)
                .filter(|wanted| !may(wanted))
                .collect();
            if !lacks.is_empty() {
                found.push(format!(
                    "user {} may not {what} {}",
                    plan.name,
                    lacks.join(", ")
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use keyledger_domain::Role;

    use super::*;

    #[test]
    fn permissions_in_another_order_are_the_same() {
        let now = role_template(&Prefix::default(), Role::Approver);
        let mut before = now.clone();
        before.publish.allow.reverse();
        assert_ne!(before, now);
        assert_eq!(in_order(before.clone()), in_order(now.clone()));
        before.publish.allow.pop();
        assert_ne!(in_order(before), in_order(now));
    }
}
