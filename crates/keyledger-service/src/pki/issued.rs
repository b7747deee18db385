//! The organisation's authorities and what they issued, as people look at it.

use keyledger_domain::{
    Ledger, Name, Rejection, Timestamp,
    key::{self, Certified, MAX_PERIOD_DAYS},
    name::{Aggregate, HistoryId},
    views::{Budget, Filling, ListQuery, Page, page},
};
use keyledger_pki::x509::CertificateRevocationReason;
use keyledger_wire::query::{AuthorityRow, CertificateState, IssuedQuery, IssuedRow};

use super::{
    authority::read,
    error::CertifyError,
    lists::{Why, revoked},
};
use crate::shared::Shared;

/// The authorities, by name: those that are, and those that were.
pub(crate) fn authority_list(
    shared: &Shared,
    query: &ListQuery,
    now: Timestamp,
) -> Result<Page<AuthorityRow>, CertifyError> {
    let ledger = shared.live.ledger.read();
    let limit = page::limit(query.limit)?;
    let total = ledger.authorities().count();
    let later = |name: &Name| query.after.as_ref().is_none_or(|after| name > after);
    let mut page = Filling::of(shared.budget());
    let mut left = ledger.authorities().filter(|(name, _)| later(name));
    let mut more = false;
    while page.rows.len() < limit
        && let Some((name, entry)) = left.next()
    {
        more = !page.add(authority(shared, &ledger, name, &entry.state, now)?);
        if more {
            break;
        }
    }
    let rows = page.rows;
    let last = rows.last().map(|row: &AuthorityRow| row.name.to_string());
    let next = last.filter(|_| more || left.next().is_some());
    Ok(Page { rows, next, total })
}

fn authority(
    shared: &Shared,
    ledger: &Ledger,
    name: &Name,
    key: &key::Key,
    now: Timestamp,
) -> Result<AuthorityRow, CertifyError> {
    let certified = key.lists_under(now);
    let certified = certified.ok_or_else(|| CertifyError::NoAuthority(name.clone()))?;
    let certificate = read(certified)?;
    let (mut holding, mut listed) = (0, 0);
    for (_, over, issued) in ledger.issued(name) {
        match state(over, issued, now).0 {
            CertificateState::Valid => holding += 1,
            CertificateState::Revoked | CertificateState::OnHold => listed += 1,
            CertificateState::Expired => {}
        }
    }
    Ok(AuthorityRow {
        name: name.clone(),
        state: key.state,
        issues: ledger.reader().issues(name, now),
        custodian: key.custodian,
        subject: certificate.subject(),
        issuer: certified.issuer.clone(),
        serial: certified.serial.to_string(),
        sha256: certificate.fingerprint(),
        path_length: certificate.path_length(),
        not_before: certified.not_before,
        not_after: certified.not_after,
        holding,
        listed,
        crl_url: shared.crl_url_of(name),
    })
}

/// What an authority issued, itself aside, by serial number.
pub(crate) fn issued(
    ledger: &Ledger,
    issuer: &Name,
    query: &IssuedQuery,
    now: Timestamp,
    budget: Budget,
) -> Result<Page<IssuedRow>, CertifyError> {
    let key = ledger.key(issuer).map(|e| &e.state);
    let id = || HistoryId::new(Aggregate::Key, issuer.clone());
    let key = key.ok_or_else(|| Rejection::NotFound(id()))?;
    if !key.is_authority() {
        return Err(Rejection::Nothing {
            of: id(),
            what: "certificate as an authority",
            remedy: "`keyledger ca list` lists the authorities",
        }
        .into());
    }
    let limit = page::limit(query.limit)?;
    let until = query
        .expiring_days
        .map(|days| ends_by(days, now))
        .transpose()?;
    let wanted = |key: &key::Key, certified: &Certified| {
        let (state, _) = state(key, certified, now);
        let soon =
            |until: Timestamp| state == CertificateState::Valid && certified.not_after <= until;
        query.state.is_none_or(|wanted| wanted == state) && until.is_none_or(soon)
    };
    let found: Vec<_> = ledger
        .issued(issuer)
        .filter(|(_, key, certified)| wanted(key, certified))
        .collect();
    let total = found.len();
    let after = query.after.as_ref().map_or("", |after| after.as_str());
    let from =
        found.partition_point(|(.., certified)| !after.is_empty() && &*certified.serial <= after);
    let left = total - from;
    let mut page = Filling::of(budget);
    for (over, key, certified) in found.into_iter().skip(from).take(limit) {
        if !page.add(row(over, key, certified, now)?) {
            break;
        }
    }
    let rows = page.rows;
    let last = rows.last().map(|row: &IssuedRow| row.serial.clone());
    let next = last.filter(|_| rows.len() < left);
    Ok(Page { rows, next, total })
}

fn row(
    over: &Name,
    key: &key::Key,
    certified: &Certified,
    now: Timestamp,
) -> Result<IssuedRow, CertifyError> {
    let certificate = read(certified)?;
    let (state, why) = state(key, certified, now);
    Ok(IssuedRow {
        serial: certified.serial.to_string(),
        key: over.clone(),
        subject: certificate.subject(),
        names: certificate.names(),
        not_before: certified.not_before,
        not_after: certified.not_after,
        authority: certified.authority,
        state,
        revoked_at: why.as_ref().map(|why| why.at),
        reason: why.and_then(|why| why.reason).map(word),
    })
}

fn state(key: &key::Key, certified: &Certified, now: Timestamp) -> (CertificateState, Option<Why>) {
    let why = revoked(key, certified, now);
    let state = match &why {
        Some(why) if why.reason == Some(CertificateRevocationReason::CertificateHold) => {
            CertificateState::OnHold
        }
        Some(_) => CertificateState::Revoked,
        None if certified.not_after <= now => CertificateState::Expired,
        None => CertificateState::Valid,
    };
    (state, why)
}

fn word(reason: CertificateRevocationReason) -> String {
    let word = serde_json::to_value(reason).ok();
    let word = word.and_then(|word| word.as_str().map(str::to_owned));
    word.unwrap_or_default()
}

fn ends_by(days: u16, now: Timestamp) -> Result<Timestamp, Rejection> {
    if days > MAX_PERIOD_DAYS {
        return Err(Rejection::OutOfRange {
            field: "expiring_days",
            value: i64::from(days),
            min: 0,
            max: i64::from(MAX_PERIOD_DAYS),
        });
    }
    Ok(now.plus_days(i64::from(days)))
}
