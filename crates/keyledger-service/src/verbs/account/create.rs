//! `account.create`: the account's keys, whose sealed seeds are written.

use keyledger_domain::{
    Rejection,
    account::{AccountFacts, Create},
};

use crate::{
    refused::{Refused, RequestError, custody_failed},
    trust,
    verbs::{Beside, MakeFor, Making, Ready},
};

impl MakeFor<Create> for Option<Box<AccountFacts>> {
    async fn make<'a>(verb: &'a Create, on: Making<'a>) -> Result<Ready<Self>, Refused> {
        let (shared, target) = (on.shared, on.target);
        if shared.live.ledger.read().head(target).is_some() {
            return Err(Rejection::NameTaken(target.clone()).into());
        }
        let made = trust::new_account(shared, &target.name, verb).await;
        let made = made.map_err(|e| match e {
            trust::NewAccountError::Rejected(rejection) => rejection.into(),
            trust::NewAccountError::Custodian(error) => error.into(),
            trust::NewAccountError::Storage(trust::StorageError::Rejected(rejection)) => {
                rejection.into()
            }
            trust::NewAccountError::Storage(trust::StorageError::NoFigures) => {
                RequestError::NoFigures.into()
            }
            error @ trust::NewAccountError::NoSigningKey => custody_failed(error),
        })?;
        let mut entries = Vec::new();
        for (entry, sealed) in made.materials {
            shared.materials.put(&entry, sealed).await?;
            entries.push(entry);
        }
        Ok(Ready {
            made: Some(Box::new(made.facts)),
            beside: Beside::wrote(entries),
        })
    }
}
