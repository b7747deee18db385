//! What the organisation's own users lack whose creds an earlier version made: what they may do stands in these, and no event changes it.

use keyledger_claims::subject;
use keyledger_domain::Ledger;
use keyledger_wire::Prefix;

use super::{genesis::USERS, names::name};

/// The organisation's own users that may not do what this version of the service has them do: a sentence each.
#[must_use]
pub fn outdated_users(ledger: &Ledger, prefix: &Prefix) -> Vec<String> {
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
