//! Long lists of revoked certificates, put together from pages.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyledger_wire::query::{Crl, ToBeSigned};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    exit::{Exit, Failure, is_refused_for},
    session::Session,
};

/// How many times the reading starts again if the list changes meanwhile.
const ATTEMPTS: usize = 10;

/// An answer that may have more pages.
pub(super) trait Part: DeserializeOwned {
    /// This page's part, in base64.
    fn part(&self) -> &str;
    /// What to send as `after` for the next page.
    fn next(&self) -> Option<String>;
}

impl Part for Crl {
    fn part(&self) -> &str {
        &self.crl
    }

    fn next(&self) -> Option<String> {
        self.next.clone()
    }
}

impl Part for ToBeSigned {
    fn part(&self) -> &str {
        &self.to_be_signed
    }

    fn next(&self) -> Option<String> {
        self.next.clone()
    }
}

/// Asks for all pages of one list; returns the first answer and the bytes of all pages.
pub(super) async fn read<A: Part, Q: Serialize + Sync>(
    session: &Session,
    tail: &str,
    question: impl Fn(Option<String>) -> Q,
) -> anyhow::Result<(A, Vec<u8>)> {
    'anew: for _ in 0..ATTEMPTS {
        let first: A = session.query(tail, &question(None)).await?;
        let mut bytes = STANDARD.decode(first.part())?;
        let mut next = first.next();
        while next.is_some() {
            let page: A = match session.query(tail, &question(next)).await {
                // The service no longer has the list of the first page.
                Err(error) if is_refused_for(&error, "bad_value") => continue 'anew,
                page => page?,
            };
            bytes.extend(STANDARD.decode(page.part())?);
            next = page.next();
        }
        return Ok((first, bytes));
    }
    let problem = "certificates are revoked faster than the list of them can be read";
    let failure = Failure::new(Exit::Unreachable, problem);
    Err(failure.remedy("try again in a moment").into())
}
