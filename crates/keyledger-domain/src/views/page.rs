//! Pages: a long answer in parts that fit a message.

use serde::{Deserialize, Serialize};

use crate::{name::Name, rejection::Rejection};

/// The most rows of one page: some 1 KiB each, they fit NATS's default message of 1 MiB. Of larger rows there are fewer.
pub const MAX_PAGE: u16 = 500;
/// The most bytes of a page's rows as JSON, unless one alone is larger: what fits NATS's default message with some to spare.
pub const MAX_PAGE_BYTES: usize = 896 * 1_024;

/// The most bytes of a page: what fits a message of the server with some to spare, and never more than [`MAX_PAGE_BYTES`], since
/// others on its way may take no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget(usize);

impl Budget {
    /// Of a server that takes messages of so many bytes.
    #[must_use]
    pub const fn of(max_payload: usize) -> Self {
        let most = max_payload / 8 * 7;
        Self(if most < MAX_PAGE_BYTES {
            most
        } else {
            MAX_PAGE_BYTES
        })
    }

    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.0
    }

    /// What of it is left for the bytes of a page that come in base64, in whole groups of three, so that the text of one page can
    /// be put behind that of another.
    #[must_use]
    pub const fn base64(self) -> usize {
        let left = self.0.saturating_sub(2 * FRAME_BYTES) / 4 * 3;
        if left < 3 { 3 } else { left }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self(MAX_PAGE_BYTES)
    }
}
/// The bytes of a page that are not its rows: `next`, `total`, and the names of the fields.
const FRAME_BYTES: usize = 512;
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
    /// At most so many, 1 to 500; 100 if absent. Fewer come where they would not fit a message.
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
pub fn limit(asked: Option<u16>) -> Result<usize, Rejection> {
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

/// Rows while they are gathered: as many as fit a message.
#[derive(Debug, Clone)]
pub struct Filling<R> {
    /// Those that fit.
    pub rows: Vec<R>,
    bytes: usize,
    budget: Budget,
}

impl<R> Filling<R> {
    /// Begins a page.
    #[must_use]
    pub const fn of(budget: Budget) -> Self {
        Self {
            rows: Vec::new(),
            bytes: FRAME_BYTES,
            budget,
        }
    }
}

impl<R: Serialize> Filling<R> {
    /// Begins a page that has something else on it too.
    pub fn beside(other: &impl Serialize, budget: Budget) -> Self {
        Self {
            rows: Vec::new(),
            bytes: FRAME_BYTES + json_bytes(other),
            budget,
        }
    }

    /// Adds a row, if it fits; the first one always does.
    pub fn add(&mut self, row: R) -> bool {
        // With the comma behind it.
        let bytes = json_bytes(&row) + 1;
        if self.bytes + bytes > self.budget.0 && !self.rows.is_empty() {
            return false;
        }
        self.bytes += bytes;
        self.rows.push(row);
        true
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
    budget: Budget,
    row: impl Fn(&Name, &S) -> R,
) -> Result<Page<R>, Rejection> {
    let mut entries: Vec<_> = entries.collect();
    entries.sort_unstable_by_key(|(name, _)| *name);
    sorted(
        &entries,
        query,
        budget,
        |(name, _)| *name,
        |(name, state)| row(name, state),
    )
}

/// One page of entries that are sorted by name already; `name` says each's.
///
/// # Errors
///
/// [`Rejection::OutOfRange`] if the limit is.
pub fn sorted<E, R: Serialize>(
    entries: &[E],
    query: &ListQuery,
    budget: Budget,
    name: impl Fn(&E) -> &Name,
    row: impl Fn(&E) -> R,
) -> Result<Page<R>, Rejection> {
    let limit = limit(query.limit)?;
    let total = entries.len();
    let from = query.after.as_ref().map_or(0, |after| {
        entries.partition_point(|entry| name(entry) <= after)
    });
    let mut page = Filling::of(budget);
    let mut next = None;
    for entry in entries[from..].iter().take(limit) {
        if !page.add(row(entry)) {
            break;
        }
        next = Some(name(entry).to_string());
    }
    let rows = page.rows;
    let next = next.filter(|_| from + rows.len() < total);
    Ok(Page { rows, next, total })
}

/// How many bytes a value has as JSON.
pub(super) fn json_bytes(value: &impl Serialize) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        // What cannot be counted is not gathered.
        Err(_) => MAX_PAGE_BYTES,
    }
}
