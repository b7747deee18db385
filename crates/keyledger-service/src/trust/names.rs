//! The names of an organisation's own accounts, and of the keys behind its trust.

use keyledger_domain::{Ledger, Name, Role, account::Account};

/// The servers' own account.
pub const SYSTEM: &str = "sys";
/// The account that this service lives in.
pub const SERVICE: &str = "keys";
/// The account of the inventory bucket.
pub const VIEWS: &str = "views";
/// The account of the agents on workstations.
pub(super) const AGENTS: &str = keyledger_wire::AGENTS_ACCOUNT;
/// The account of the people who administer.
pub const ADMIN: &str = "admin";
/// The account of those who approve.
pub const APPROVERS: &str = "approvers";
/// The account of those who look, and change nothing.
pub const AUDITORS: &str = "auditors";
/// The account of programs.
pub const SERVICES: &str = "services";

/// The account that users of a role live in unless another is named: roles of different trust do not share one.
#[must_use]
pub const fn account_of(role: Role) -> &'static str {
    match role {
        Role::Administrator => ADMIN,
        Role::Approver => APPROVERS,
        Role::Auditor => AUDITORS,
        Role::Service => SERVICES,
        Role::Agent => AGENTS,
    }
}

/// The operator, and its identity's key.
pub(super) const OPERATOR: &str = "nats-operator";
/// The operator's online signing key.
pub(super) const OPERATOR_SIGNING: &str = "nats-operator-signing-1";

/// The account that this service lives in; nothing before the genesis events are folded.
#[must_use]
pub fn service_account(ledger: &Ledger) -> Option<&Account> {
    account(ledger, SERVICE)
}

/// The account of the inventory bucket; nothing before the genesis events are folded.
#[must_use]
pub fn views_account(ledger: &Ledger) -> Option<&Account> {
    account(ledger, VIEWS)
}

fn account<'a>(ledger: &'a Ledger, known: &'static str) -> Option<&'a Account> {
    ledger.account(&name(known)).map(|entry| &entry.state)
}

/// The key of an account's identity.
pub(super) fn identity_of(account: &str) -> Name {
    name(&format!("nats-account-{account}"))
}

/// The key that signs an account's users, of one role or of none.
pub(super) fn signing_of(account: &str, role: Option<Role>) -> Name {
    match role {
        Some(role) => name(&format!("nats-account-{account}-{role}")),
        None => name(&format!("nats-account-{account}-signing-1")),
    }
}

/// A name that is written in this module.
pub(super) fn name(text: &str) -> Name {
    Name::new(text).expect("the names of the bootstrap are names")
}
