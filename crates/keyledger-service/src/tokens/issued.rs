//! The organisation's authorities and what they issued, as people look at it.

use keyledger_domain::{
    Ledger, Name, Rejection, Timestamp,
    key::{self, Certified, MAX_PERIOD_DAYS},
    name::{Aggregate, HistoryId},
    views::{ListQuery, Page},
};
use keyledger_wire::query::{AuthorityRow, CertificateState, IssuedQuery, IssuedRow};

use super::{
    certificates::{CertifyError, read},
    lists::{Why, revoked},
};
use crate::{shared::Shared, x509::CertificateRevocationReason};

/// The rows of a page when nobody says, and at most.
const PAGE: (u16, u16) = (100, 500);
/// The most bytes of a page's rows: what fits NATS's default message, with some to spare.
const PAGE_BYTES: usize = 800 * 1024;

/// The authorities, by name: those that are, and those that were.
pub(crate) fn authority_list(
    shared: &Shared,
    query: &ListQuery,
    now: Timestamp,
) -> Result<Page<AuthorityRow>, CertifyError> {
    let ledger = shared.live.ledger.read();
    let limit = limit(query.limit)?;
    let total = ledger.authorities().count();
    let later = |name: &Name| query.after.as_ref().is_none_or(|after| name > after);
    let mut rows = Vec::new();
    for (name, entry) in ledger.authorities().filter(|(name, _)| later(name)) {
        if rows.len() == limit {
            let next = rows.last().map(|row: &AuthorityRow| row.name.to_string());
            return Ok(Page { rows, next, total });
        }
        rows.push(authority(shared, &ledger, name, &entry.state, now)?);
    }
    let next = None;
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
    let certified = certified.ok_or_else(|| super::certificates::failed("no authority"))?;
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
        issues: ledger.issues(name, now),
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
    let limit = limit(query.limit)?;
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
    let (mut rows, mut bytes) = (Vec::new(), 0);
    for (over, key, certified) in found.into_iter().skip(from) {
        let row = row(over, key, certified, now)?;
        bytes += serde_json::to_vec(&row).map_or(0, |json| json.len());
        if rows.len() == limit || (bytes > PAGE_BYTES && !rows.is_empty()) {
            let next = rows.last().map(|row: &IssuedRow| row.serial.clone());
            return Ok(Page { rows, next, total });
        }
        rows.push(row);
    }
    let next = None;
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

fn limit(asked: Option<u16>) -> Result<usize, Rejection> {
    let (usual, most) = PAGE;
    let limit = asked.unwrap_or(usual);
    if !(1..=most).contains(&limit) {
        return Err(Rejection::OutOfRange {
            field: "limit",
            value: i64::from(limit),
            min: 1,
            max: i64::from(most),
        });
    }
    Ok(usize::from(limit))
}
