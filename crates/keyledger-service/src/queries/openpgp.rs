//! OpenPGP certificates of principals, and who may log in by SSH as whom.

use keyledger_domain::{
    Name,
    name::{Aggregate, HistoryId},
    views::{ListQuery, Page, page::sorted},
};
use keyledger_wire::{
    query::{AuthorizedKeys, LinesQuery, Nothing, OpenpgpCertificate},
    questions::{Openpgp, OpenpgpShow, SshAuthorizedKeys},
};

use super::{Answering, Asking, pages};
use crate::{openpgp, refused::Refused};

impl Answering for Openpgp {
    async fn answer(
        on: Asking<'_>,
        (): (),
        query: ListQuery,
    ) -> Result<Page<OpenpgpCertificate>, Refused> {
        let ledger = on.ledger();
        let has_one = ledger
            .principals()
            .filter(|(_, p)| p.state.openpgp.is_some());
        let mut names: Vec<_> = has_one.map(|(name, _)| name).collect();
        names.sort_unstable();
        let found = names.into_iter();
        let found = found.filter_map(|name| openpgp::certificate(&ledger, name));
        let found: Vec<_> = found.collect();
        Ok(sorted(
            &found,
            &query,
            on.budget(),
            |found| &found.principal,
            Clone::clone,
        )?)
    }
}

impl Answering for OpenpgpShow {
    async fn answer(on: Asking<'_>, name: Name, _: Nothing) -> Result<OpenpgpCertificate, Refused> {
        let id = HistoryId::new(Aggregate::Principal, name);
        Ok(openpgp::certificate_of(&on.ledger(), id)?)
    }
}

impl Answering for SshAuthorizedKeys {
    async fn answer(
        on: Asking<'_>,
        name: Name,
        query: LinesQuery,
    ) -> Result<AuthorizedKeys, Refused> {
        let lines = openpgp::authorized_keys(&on.ledger(), &name, on.now)?;
        Ok(pages::lines(lines, query, on.budget()))
    }
}
