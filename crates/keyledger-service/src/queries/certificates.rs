//! Certificates, lists of revoked ones, and the organisation's authorities.

use keyledger_domain::{
    Ledger, Name, Rejection, Timestamp, key,
    name::{Aggregate, HistoryId},
    views::{ListQuery, Page},
};
use keyledger_wire::{
    query::{
        AuthorityRow, Certificates, Crl, CrlQuery, CrlWanted, IssuedQuery, IssuedRow, ToBeSigned,
    },
    questions::{
        self, Authorities, AuthoritiesIssued, CertificatesCrl, CertificatesCrlToBeSigned,
        CertificatesToBeSigned,
    },
};

use super::{Answering, Asking, pages};
use crate::{lanes::Family, pki, refused::Refused};

impl Answering for questions::Certificates {
    async fn answer(on: Asking<'_>, key: Name, query: ListQuery) -> Result<Certificates, Refused> {
        let all = certificates(&on.ledger(), key, on.now)?;
        Ok(pages::certificates(all, &query, on.budget())?)
    }
}

impl Answering for CertificatesCrl {
    fn family(_payload: &[u8]) -> Family {
        Family::Reading
    }

    async fn answer(on: Asking<'_>, issuer: Name, query: CrlQuery) -> Result<Crl, Refused> {
        Ok(pki::crl(on.shared, &issuer, &query, on.now).await?)
    }
}

impl Answering for CertificatesToBeSigned {
    async fn answer(
        on: Asking<'_>,
        key: Name,
        certify: key::Certify,
    ) -> Result<ToBeSigned, Refused> {
        Ok(pki::to_be_signed(on.shared, &key, &certify, on.now)?)
    }
}

impl Answering for CertificatesCrlToBeSigned {
    fn family(_payload: &[u8]) -> Family {
        Family::Reading
    }

    async fn answer(
        on: Asking<'_>,
        issuer: Name,
        wanted: CrlWanted,
    ) -> Result<ToBeSigned, Refused> {
        Ok(pki::crl_to_be_signed(on.shared, &issuer, &wanted, on.now)?)
    }
}

impl Answering for Authorities {
    async fn answer(
        on: Asking<'_>,
        (): (),
        query: ListQuery,
    ) -> Result<Page<AuthorityRow>, Refused> {
        Ok(pki::authority_list(on.shared, &query, on.now)?)
    }
}

impl Answering for AuthoritiesIssued {
    async fn answer(
        on: Asking<'_>,
        issuer: Name,
        query: IssuedQuery,
    ) -> Result<Page<IssuedRow>, Refused> {
        let page = pki::issued(&on.ledger(), &issuer, &query, on.now, on.budget());
        Ok(page?)
    }
}

/// The most authorities above a certificate.
const MAX_CHAIN: usize = 8;

fn certificates(ledger: &Ledger, name: Name, now: Timestamp) -> Result<Certificates, Rejection> {
    let key = ledger.key(&name).map(|e| &e.state);
    let key = key.ok_or(Rejection::NotFound(HistoryId::new(
        Aggregate::Key,
        name.clone(),
    )))?;
    let mut certificates: Vec<_> = key.certificates().rev().cloned().collect();
    let ended = |c: &key::Certified| c.not_after <= now || key.revocation_of(c).is_some();
    certificates.sort_by_key(ended);
    let mut chain = Vec::new();
    let mut at = certificates.first().map(|c| (name, c.issuer.clone()));
    while let Some((below, issuer)) = at.take() {
        if issuer == below || chain.len() >= MAX_CHAIN {
            break;
        }
        let above = ledger.key(&issuer).and_then(|e| e.state.lists_under(now));
        if let Some(above) = above {
            at = Some((issuer, above.issuer.clone()));
            chain.push(above.clone());
        }
    }
    Ok(Certificates {
        certificates,
        chain,
        next: None,
    })
}
