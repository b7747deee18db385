//! Principals, and what they answer for.

use keyledger_domain::{
    Name, Rejection,
    name::{Aggregate, HistoryId},
    views::{self, ListQuery, Page, PrincipalDetail, PrincipalRow},
};
use keyledger_wire::{
    query::Nothing,
    questions::{Principals, PrincipalsShow},
};

use super::{Answering, Asking};
use crate::refused::Refused;

impl Answering for Principals {
    async fn answer(
        on: Asking<'_>,
        (): (),
        query: ListQuery,
    ) -> Result<Page<PrincipalRow>, Refused> {
        let page = views::principals::principals(&on.ledger(), &query, on.budget());
        Ok(page?)
    }
}

impl Answering for PrincipalsShow {
    async fn answer(on: Asking<'_>, name: Name, _: Nothing) -> Result<PrincipalDetail, Refused> {
        let detail = views::principals::detail(&on.ledger(), &name, on.now);
        Ok(
            detail
                .ok_or_else(|| Rejection::NotFound(HistoryId::new(Aggregate::Principal, name)))?,
        )
    }
}
