//! Credentials: who can connect to NATS, in which account, under which keys.

use serde::{Deserialize, Serialize};

use super::page::{self, Budget, ListQuery, Page};
use crate::{
    account::{Account, Purpose},
    ledger::{Entry, Ledger},
    name::{Aggregate, HistoryId, Name},
    operator::Operator,
    rejection::Rejection,
    stamp::Role,
    template::TemplateVersion,
    text::{Reason, Title},
    time::Timestamp,
    user::User,
};

/// Whether a user can connect, as far as the ledger knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserState {
    /// It can.
    Issued,
    /// Its JWT has expired.
    Expired,
    /// It was revoked.
    Revoked,
}

/// A NATS user, flat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct UserRow {
    /// Its name.
    pub name: Name,
    /// Whether it can connect.
    pub state: UserState,
    /// The account it belongs to.
    pub account: Name,
    /// Its public nkey.
    pub nkey: String,
    /// Its role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The principal it stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Name>,
    /// The account's signing key that signed its JWT.
    pub issuer: String,
    /// When its JWT was issued.
    pub issued_at: Timestamp,
    /// When its JWT expires; absent if never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// Why it was revoked, in the words of who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_why: Option<Reason>,
    /// Milliseconds until every server refused it; absent while that is not confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_took_ms: Option<u64>,
    /// Keys it may command besides its namesake.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Name>,
    /// Subjects it may publish to, of one without a role; absent if that is everything, or for its role to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<Vec<Box<str>>>,
    /// Subjects it may subscribe to, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscribe: Option<Vec<Box<str>>>,
    /// The newest revision of its history.
    pub revision: u32,
}

/// A signing key of an account or of the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SigningRow {
    /// The key aggregate.
    pub key: Name,
    /// Its public nkey.
    pub nkey: String,
    /// The role of its users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// A NATS account, flat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AccountRow {
    /// Its name.
    pub name: Name,
    /// What people call it.
    pub title: Title,
    /// What it is for.
    pub purpose: Purpose,
    /// The version of the templates that it stands on.
    pub template: TemplateVersion,
    /// Its public nkey.
    pub nkey: String,
    /// Its signing keys, oldest first.
    pub signing_keys: Vec<SigningRow>,
    /// The operator's signing key that signs its JWT.
    pub issuer: String,
    /// The `iat` of its newest JWT.
    pub issued_at: Timestamp,
    /// True if that JWT was seen on every server.
    pub confirmed: bool,
    /// How many users stand on its revocation list.
    pub revocations: usize,
    /// Bytes that its users may store in JetStream on disk; -1 is without a limit, 0 is none.
    #[serde(default)]
    pub jetstream_disk_bytes: i64,
    /// Bytes that they may store in memory, likewise.
    #[serde(default)]
    pub jetstream_memory_bytes: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// The newest revision of its history.
    pub revision: u32,
}

/// The NATS operator, flat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OperatorRow {
    /// Its name.
    pub name: Name,
    /// What people call it.
    pub title: Title,
    /// Its public nkey.
    pub nkey: String,
    /// The public nkey of the system account.
    pub system_account: String,
    /// Its signing keys, oldest first.
    pub signing_keys: Vec<SigningRow>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The newest revision of its history.
    pub revision: u32,
}

/// Asks for users of all accounts, by name. Every condition given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UserQuery {
    /// Users of this account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Name>,
    /// Users that stand for this principal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<Name>,
    /// Users of people and programs that stand for no principal, or all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_principal: Option<bool>,
    /// Users of this role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Users in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<UserState>,
    /// At most so many, 1 to 500; 100 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// Only rows after this: the `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Name>,
}

/// The users that `query` asks for, by name.
///
/// # Errors
///
/// [`Rejection::NotFound`] if there is no such account or principal, [`Rejection::OutOfRange`] if the limit is.
pub fn all_users(
    ledger: &Ledger,
    query: &UserQuery,
    now: Timestamp,
    budget: Budget,
) -> Result<Page<UserRow>, Rejection> {
    for (aggregate, name) in [
        (Aggregate::Account, &query.account),
        (Aggregate::Principal, &query.principal),
    ] {
        let Some(name) = name else { continue };
        let id = HistoryId::new(aggregate, name.clone());
        if ledger.head(&id).is_none() {
            return Err(Rejection::NotFound(id));
        }
    }
    let found = ledger.users().filter(|(_, entry)| {
        let user = &entry.state;
        query.account.as_ref().is_none_or(|it| user.account == *it)
            && (query.principal.is_none() || user.principal == query.principal)
            && query.without_principal.is_none_or(|none| {
                // The service's own users, and agents, are nobody's.
                let lacks = user.principal.is_none() && ledger.is_somebodys(user);
                lacks == none
            })
            && (query.role.is_none() || user.role == query.role)
            && query.state.is_none_or(|it| state_of(user, now) == it)
    });
    let page = ListQuery {
        limit: query.limit,
        after: query.after.clone(),
    };
    page::by_name(found, &page, budget, |name, user| user_row(name, user, now))
}

/// The users of an account, by name.
///
/// # Errors
///
/// [`Rejection::NotFound`] if there is no such account, [`Rejection::OutOfRange`] if the limit is.
pub fn users(
    ledger: &Ledger,
    account: &Name,
    query: &ListQuery,
    now: Timestamp,
    budget: Budget,
) -> Result<Page<UserRow>, Rejection> {
    if ledger.account(account).is_none() {
        let id = HistoryId::new(Aggregate::Account, account.clone());
        return Err(Rejection::NotFound(id));
    }
    let of_account = ledger.users().filter(|(_, u)| u.state.account == *account);
    page::by_name(of_account, query, budget, |name, user| {
        user_row(name, user, now)
    })
}

/// The user `name`.
#[must_use]
pub fn user(ledger: &Ledger, name: &Name, now: Timestamp) -> Option<UserRow> {
    ledger.user(name).map(|e| user_row(name, e, now))
}

/// All accounts, by name.
///
/// # Errors
///
/// [`Rejection::OutOfRange`] if the limit is.
pub fn accounts(
    ledger: &Ledger,
    query: &ListQuery,
    budget: Budget,
) -> Result<Page<AccountRow>, Rejection> {
    page::by_name(ledger.accounts(), query, budget, account_row)
}

/// The account `name`.
#[must_use]
pub fn account(ledger: &Ledger, name: &Name) -> Option<AccountRow> {
    ledger.account(name).map(|e| account_row(name, e))
}

/// The operator; nothing before the trust bootstrap.
#[must_use]
pub fn operator(ledger: &Ledger) -> Option<OperatorRow> {
    ledger.operator().map(|(name, e)| operator_row(name, e))
}

fn state_of(user: &User, now: Timestamp) -> UserState {
    match user.revoked_at {
        Some(_) => UserState::Revoked,
        None if user.is_live(now) => UserState::Issued,
        None => UserState::Expired,
    }
}

fn user_row(name: &Name, entry: &Entry<User>, now: Timestamp) -> UserRow {
    let user = &entry.state;
    UserRow {
        name: name.clone(),
        state: state_of(user, now),
        account: user.account.clone(),
        nkey: user.nkey.to_string(),
        role: user.role,
        principal: user.principal.clone(),
        issuer: user.issuer.to_string(),
        issued_at: Timestamp::from_seconds(user.issued_at),
        expires_at: (user.expires_at != 0).then(|| Timestamp::from_seconds(user.expires_at)),
        revoked_at: user.revoked_at,
        revoked_why: user.revoked_why.clone(),
        revocation_took_ms: user.revocation_took_ms,
        keys: user.keys.clone(),
        publish: user.publish.clone(),
        subscribe: user.subscribe.clone(),
        revision: entry.head.revision,
    }
}

fn account_row(name: &Name, entry: &Entry<Account>) -> AccountRow {
    let account = &entry.state;
    let signing = account.signing_keys.iter().map(|k| SigningRow {
        key: k.key.clone(),
        nkey: k.nkey.to_string(),
        role: k.role,
    });
    let storage = &account.intent.limits.storage;
    AccountRow {
        jetstream_disk_bytes: storage.disk_bytes.number(),
        jetstream_memory_bytes: storage.memory_bytes.number(),
        name: name.clone(),
        title: account.title.clone(),
        purpose: account.purpose,
        template: account.intent.template,
        nkey: account.nkey.to_string(),
        signing_keys: signing.collect(),
        issuer: account.issuer.to_string(),
        issued_at: Timestamp::from_seconds(account.issued_at),
        confirmed: account.confirmed.is_some_and(|at| at >= account.issued_at),
        revocations: account.revocations.len(),
        created_at: account.created_at,
        revision: entry.head.revision,
    }
}

fn operator_row(name: &Name, entry: &Entry<Operator>) -> OperatorRow {
    let operator = &entry.state;
    let signing = operator.signing_keys.iter().map(|k| SigningRow {
        key: k.key.clone(),
        nkey: k.nkey.to_string(),
        role: None,
    });
    OperatorRow {
        name: name.clone(),
        title: operator.title.clone(),
        nkey: operator.nkey.to_string(),
        system_account: operator.system_account.to_string(),
        signing_keys: signing.collect(),
        created_at: operator.created_at,
        revision: entry.head.revision,
    }
}
