//! Tokens, and whose attestations of them are believed.

use keyledger_domain::{
    Name, Rejection,
    name::{Aggregate, HistoryId},
    views::{self, ListQuery, Page, TokenRow},
};
use keyledger_wire::{
    query::{AttestationAuthorities, Nothing},
    questions::{Tokens, TokensShow, TokensTrust},
};

use super::{Answering, Asking};
use crate::{refused::Refused, tokens};

impl Answering for Tokens {
    async fn answer(on: Asking<'_>, (): (), query: ListQuery) -> Result<Page<TokenRow>, Refused> {
        Ok(views::tokens::tokens(&on.ledger(), &query, on.budget())?)
    }
}

impl Answering for TokensShow {
    async fn answer(on: Asking<'_>, serial: Name, _: Nothing) -> Result<TokenRow, Refused> {
        let row = views::tokens::token(&on.ledger(), &serial);
        Ok(row.ok_or_else(|| Rejection::NotFound(HistoryId::new(Aggregate::Token, serial)))?)
    }
}

impl Answering for TokensTrust {
    async fn answer(on: Asking<'_>, (): (), _: Nothing) -> Result<AttestationAuthorities, Refused> {
        Ok(tokens::authorities(on.shared))
    }
}
