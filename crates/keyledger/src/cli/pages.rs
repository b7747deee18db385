//! Lists that come in pages.

use keyledger_domain::{
    Name,
    views::{ListQuery, Page},
};
use serde::de::DeserializeOwned;

use crate::session::Session;

/// Every row of a list that is ordered by name.
pub(crate) async fn every<R: DeserializeOwned>(
    session: &Session,
    tail: &str,
) -> anyhow::Result<Vec<R>> {
    let mut rows = Vec::new();
    let mut query = ListQuery {
        limit: Some(keyledger_domain::views::page::MAX_PAGE),
        after: None,
    };
    loop {
        let page: Page<R> = session.query(tail, &query).await?;
        rows.extend(page.rows);
        match page.next {
            Some(next) => query.after = Some(Name::new(&next)?),
            None => return Ok(rows),
        }
    }
}
