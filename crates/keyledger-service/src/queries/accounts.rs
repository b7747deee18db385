//! The NATS operator, accounts and users.

use keyledger_domain::{
    Name, Rejection,
    name::{Aggregate, HistoryId},
    views::{AccountRow, ListQuery, OperatorRow, Page, UserQuery, UserRow, credentials},
};
use keyledger_wire::{
    query::{AccountUpgrade, Nothing},
    questions::{Accounts, AccountsUpgrade, Credentials, Operator, Users, UsersShow},
};

use super::{Answering, Asking};
use crate::{
    refused::{Refused, RequestError},
    trust::upgrade_plan,
};

impl Answering for Operator {
    async fn answer(on: Asking<'_>, (): (), _: Nothing) -> Result<OperatorRow, Refused> {
        let row = credentials::operator(&on.ledger());
        Ok(row.ok_or(RequestError::NotYet("there is no operator yet"))?)
    }
}

impl Answering for Accounts {
    async fn answer(on: Asking<'_>, (): (), query: ListQuery) -> Result<Page<AccountRow>, Refused> {
        Ok(credentials::accounts(&on.ledger(), &query, on.budget())?)
    }
}

impl Answering for AccountsUpgrade {
    async fn answer(
        on: Asking<'_>,
        (): (),
        query: ListQuery,
    ) -> Result<Page<AccountUpgrade>, Refused> {
        let prefix = &on.shared.prefix;
        Ok(upgrade_plan(&on.ledger(), prefix, &query, on.budget())?)
    }
}

impl Answering for Credentials {
    async fn answer(
        on: Asking<'_>,
        account: Name,
        query: ListQuery,
    ) -> Result<Page<UserRow>, Refused> {
        let page = credentials::users(&on.ledger(), &account, &query, on.now, on.budget());
        Ok(page?)
    }
}

impl Answering for Users {
    async fn answer(on: Asking<'_>, (): (), query: UserQuery) -> Result<Page<UserRow>, Refused> {
        let page = credentials::all_users(&on.ledger(), &query, on.now, on.budget());
        Ok(page?)
    }
}

impl Answering for UsersShow {
    async fn answer(on: Asking<'_>, name: Name, _: Nothing) -> Result<UserRow, Refused> {
        let row = credentials::user(&on.ledger(), &name, on.now);
        Ok(row.ok_or_else(|| Rejection::NotFound(HistoryId::new(Aggregate::User, name)))?)
    }
}
