//! Questions to the views: each of the table in `keyledger_wire::questions` is answered by the file of the job that it is asked for.
//!
//! A question of the table without a handler ([`Answering`]) does not compile.

mod accounts;
mod certificates;
mod findings;
mod folds;
mod histories;
mod history;
mod inventory;
mod last_past;
mod ledger;
mod metrics;
mod openpgp;
mod pages;
mod past;
mod principals;
mod status;
mod tokens;
mod vault;

use std::future::Future;

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use keyledger_domain::{Ledger, Rejection, Timestamp, command::parse_payload, views::Budget};
use keyledger_wire::questions::{Named, Question, QuestionRow, Visit, visit_each};
use parking_lot::RwLockReadGuard;
use serde::Serialize;

pub(crate) use self::{folds::Folds, inventory::rebuild, last_past::LastPast};
use crate::{identity, lanes::Family, refused::Refused, request::Request, shared::Shared};

/// The most bytes of an answer: a message of NATS's default size, less its frame.
const MAX_ANSWER_BYTES: usize = 900 * 1024;
/// The most bytes that the headers of an answer may take of the server's largest message.
const HEADER_BYTES: usize = 256;

/// What a question is answered with.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    shared: &'a Shared,
    now: Timestamp,
}

impl<'a> Asking<'a> {
    fn ledger(&self) -> RwLockReadGuard<'a, Ledger> {
        self.shared.live.ledger.read()
    }

    /// How many bytes a page may have.
    fn budget(&self) -> Budget {
        self.shared.budget()
    }
}

/// How a question is answered.
pub(crate) trait Answering: Question {
    /// Whose places it takes, by its payload.
    fn family(_payload: &[u8]) -> Family {
        Family::Question
    }

    /// Answers it.
    fn answer(
        on: Asking<'_>,
        of: Self::Of,
        asks: Self::Asks,
    ) -> impl Future<Output = Result<Self::Answer, Refused>> + Send;
}

/// A question and its handler, without its types.
#[derive(Clone, Copy)]
pub(crate) struct QueryRow {
    pub(crate) question: QuestionRow,
    /// Whose places it takes, by its payload.
    pub(crate) family: fn(&[u8]) -> Family,
    answer: AnswerAs,
}

/// Reads what the subject names and the payload, answers, and writes the answer as JSON.
type AnswerAs =
    for<'a> fn(Asking<'a>, Vec<&'a str>, &'a [u8]) -> BoxFuture<'a, Result<Bytes, Refused>>;

/// Every question with its handler.
pub(crate) fn rows() -> Vec<QueryRow> {
    visit_each(Rows)
}

#[derive(Clone, Copy)]
struct Rows;

impl<Q: Answering> Visit<Q> for Rows {
    type Out = QueryRow;

    fn visit(self) -> QueryRow {
        QueryRow {
            question: QuestionRow::of::<Q>(),
            family: Q::family,
            answer: answer_as::<Q>,
        }
    }
}

fn answer_as<'a, Q: Answering>(
    on: Asking<'a>,
    named: Vec<&'a str>,
    payload: &'a [u8],
) -> BoxFuture<'a, Result<Bytes, Refused>> {
    async move {
        let of = Q::Of::read(&named)?;
        let asks = parse_payload(payload)?;
        Ok(json(&Q::answer(on, of, asks).await?))
    }
    .boxed()
}

/// Answers a question.
pub(crate) async fn answer(
    shared: &Shared,
    row: &QueryRow,
    request: &Request<'_>,
) -> Result<Bytes, Refused> {
    let mut answer = ask(shared, row, request).await;
    // What another instance acknowledged a moment ago is not unknown here.
    if answer.as_ref().is_err_and(Refused::is_of_state) && shared.handler.catch_up().await.is_ok() {
        answer = ask(shared, row, request).await;
    }
    let room = shared.nats.server_info().max_payload;
    let most = MAX_ANSWER_BYTES.min(room.saturating_sub(HEADER_BYTES));
    let answer = answer?;
    if answer.len() > most {
        // Every list has pages that fit: this is one thing that is larger than any message.
        let what = "bytes of an answer";
        return Err(Rejection::LimitReached { what, max: most }.into());
    }
    Ok(answer)
}

async fn ask(shared: &Shared, row: &QueryRow, request: &Request<'_>) -> Result<Bytes, Refused> {
    let now = (shared.clock)();
    let sender = identity::identify(&shared.live.ledger.read(), request.stamp, now)?;
    let role = sender.known.role;
    if !row.question.askers.include(role) {
        let why = format!("the role {role} does not give this question");
        return Err(Rejection::Unauthorised { why }.into());
    }
    let tail = shared.prefix.split_query(request.subject);
    let named = row.question.named(tail.unwrap_or_default())?;
    (row.answer)(Asking { shared, now }, named, request.payload).await
}

fn json<T: Serialize>(value: &T) -> Bytes {
    let payload = serde_json::to_vec(value).expect("answers are JSON with text keys");
    payload.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_takes_places_of_the_family_whose_work_it_is() {
        let families = |wanted: Family, payload: &[u8]| {
            let rows = rows().into_iter();
            let rows = rows.filter(|row| (row.family)(payload) == wanted);
            rows.map(|row| row.question.name()).collect::<Vec<_>>()
        };
        let reading = [
            "history",
            "history-search",
            "certificates-crl",
            "certificates-crl-to-be-signed",
            "ledger-head",
            "ledger-events",
            "status",
        ];
        assert_eq!(families(Family::Reading, b""), reading);
        assert!(families(Family::Past, br#"{"at":null}"#).is_empty());
        let past = br#"{"limit":1,"at":"2026-01-01T00:00:00Z"}"#;
        assert_eq!(families(Family::Past, past), ["inventory-locate"]);
    }
}
