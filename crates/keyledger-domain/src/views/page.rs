//! Pages: a long answer in parts that fit a message.

use serde::{Deserialize, Serialize};

use crate::{name::Name, rejection::Rejection};

/// The most rows of one page: some 1 KiB each, they fit NATS's default message of 1 MiB. Of larger rows there are fewer.
pub const MAX_PAGE: u16 = 500;
/// The most bytes of a page's rows as JSON, unless one alone is larger: what fits NATS's default message with some to spare.
pub(super) const MAX_PAGE_BYTES: usize = 896 * 1_024;
/// The rows of a page when nobody says.
pub const DEFAULT_PAGE: u16 = 100;

/// A part of a long answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Page<T> {
    /// The rows, in the order asked for.
    pub rows: Vec<T>,
    /// What to send as `after` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// How many rows there are on all pages.
    pub total: usize,
}

/// Asks for a part of a list that is ordered by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// At most so many, 1 to 500; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// Only rows after this: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Name>,
}

/// The length of a page, from what was asked for.
///
/// # Errors
///
/// [`Rejection::OutOfRange`] if it is not 1 to [`MAX_PAGE`].
pub(super) fn limit(asked: Option<u16>) -> Result<usize, Rejection> {
    let limit = asked.unwrap_or(DEFAULT_PAGE);
    if (1..=MAX_PAGE).contains(&limit) {
        Ok(usize::from(limit))
    } else {
        Err(Rejection::OutOfRange {
            field: "limit",
            value: i64::from(limit),
            min: 1,
            max: i64::from(MAX_PAGE),
        })
    }
}

/// One page of `entries`, by name.
///
/// # Errors
///
/// [`Rejection::OutOfRange`] if the limit is.
pub(super) fn by_name<'a, S: 'a, R: Serialize>(
    entries: impl Iterator<Item = (&'a Name, &'a S)>,
    query: &ListQuery,
    row: impl Fn(&Name, &S) -> R,
) -> Result<Page<R>, Rejection> {
    let limit = limit(query.limit)?;
    let mut entries: Vec<_> = entries.collect();
    entries.sort_unstable_by_key(|(name, _)| *name);
    let total = entries.len();
    let from = query.after.as_ref().map_or(0, |after| {
        entries.partition_point(|(name, _)| *name <= after)
    });
    let (mut rows, mut bytes, mut next) = (Vec::new(), 0, None);
    for (name, state) in &entries[from..total.min(from + limit)] {
        let row = row(name, state);
        bytes += serde_json::to_vec(&row).map_or(0, |json| json.len());
        if bytes > MAX_PAGE_BYTES && !rows.is_empty() {
            break;
        }
        rows.push(row);
        next = Some(name.to_string());
    }
    let next = next.filter(|_| from + rows.len() < total);
    Ok(Page { rows, next, total })
}
