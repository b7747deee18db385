//! Pages of answers that are not the domain's own lists.

use keyledger_domain::{
    Rejection,
    views::{Budget, Filling, ListQuery, page},
};
use keyledger_wire::query::{AuthorizedKeys, Certificates, LinesQuery};

/// A page of the certificates over a key, with those above it on each.
///
/// # Errors
///
/// [`Rejection::OutOfRange`] if the limit is, [`Rejection::BadValue`] if `after` is none of their serial numbers.
pub(super) fn certificates(
    all: Certificates,
    query: &ListQuery,
    budget: Budget,
) -> Result<Certificates, Rejection> {
    let limit = page::limit(query.limit)?;
    let from = match &query.after {
        None => 0,
        Some(after) => {
            let place = all
                .certificates
                .iter()
                .position(|c| *c.serial == *after.as_str());
            1 + place.ok_or_else(|| Rejection::BadValue {
                field: "after",
                fault: "it is not the `next` of a page of this question".to_owned(),
            })?
        }
    };
    let mut page = Filling::beside(&all.chain, budget);
    let total = all.certificates.len();
    for certificate in all.certificates.into_iter().skip(from).take(limit) {
        if !page.add(certificate) {
            break;
        }
    }
    let certificates = page.rows;
    let last = certificates.last().map(|c| c.serial.to_string());
    Ok(Certificates {
        next: last.filter(|_| from + certificates.len() < total),
        certificates,
        chain: all.chain,
    })
}

/// A page of lines.
pub(super) fn lines(all: AuthorizedKeys, query: LinesQuery, budget: Budget) -> AuthorizedKeys {
    let from = usize::try_from(query.after.unwrap_or_default()).unwrap_or(usize::MAX);
    let mut page = Filling::of(budget);
    let total = all.lines.len();
    for line in all.lines.into_iter().skip(from) {
        if !page.add(line) {
            break;
        }
    }
    let reached = from.saturating_add(page.rows.len());
    AuthorizedKeys {
        principal: all.principal,
        next: u32::try_from(reached).ok().filter(|_| reached < total),
        lines: page.rows,
    }
}

#[cfg(test)]
mod tests {
    use keyledger_domain::{Name, key::Certified, views::page::MAX_PAGE_BYTES};
    use serde_json::json;

    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).expect("it is a name")
    }

    #[test]
    fn many_large_certificates_come_page_by_page_newest_first() {
        let certified = |n: u32| {
            let certified = json!({
                "issuer": "ca", "serial": format!("{n:040x}"), "certificate": "A".repeat(16 * 1_024), "authority": false,
                "not_before": "2026-01-01T00:00:00Z", "not_after": "2027-01-01T00:00:00Z",
            });
            serde_json::from_value::<Certified>(certified).expect("it is one")
        };
        let all = Certificates {
            certificates: (0..100).rev().map(certified).collect(),
            chain: (200..208).map(certified).collect(),
            next: None,
        };
        let (mut found, mut pages) = (Vec::new(), 0);
        let mut query = ListQuery::default();
        loop {
            let page =
                certificates(all.clone(), &query, Budget::default()).expect("the question is good");
            let bytes = serde_json::to_vec(&page).expect("it is JSON").len();
            assert!(bytes <= MAX_PAGE_BYTES, "{bytes}");
            assert_eq!(page.chain, all.chain);
            found.extend(page.certificates);
            pages += 1;
            let Some(next) = page.next else { break };
            query.after = Some(name(&next));
        }
        assert_eq!(found, all.certificates);
        assert!(pages > 1);
        query.after = Some(name("nowhere"));
        assert!(certificates(all, &query, Budget::default()).is_err());
    }

    #[test]
    fn many_lines_come_page_by_page() {
        let all = AuthorizedKeys {
            principal: name("ada"),
            lines: (0..3_000)
                .map(|n| format!("{n} {}", "A".repeat(700)))
                .collect(),
            next: None,
        };
        let (mut found, mut query) = (Vec::new(), LinesQuery::default());
        loop {
            let page = lines(all.clone(), query, Budget::default());
            assert!(serde_json::to_vec(&page).expect("it is JSON").len() <= MAX_PAGE_BYTES);
            found.extend(page.lines);
            let Some(next) = page.next else { break };
            query.after = Some(next);
        }
        assert_eq!(found, all.lines);
        query.after = Some(u32::MAX);
        let beyond = lines(all, query, Budget::default());
        assert!(beyond.lines.is_empty() && beyond.next.is_none());
    }
}
