//! What a command leaves besides its answer and its events: a span in the log, and a count in the metrics.

use std::time::Instant;

use async_nats::Message;
use keyledger_domain::{Command, Name, name::Aggregate};
use keyledger_wire::Prefix;
use tracing::{Instrument as _, Span};

use super::{reply::Answer, span};
use crate::{metrics, shared::Shared};

/// Sees a command through.
pub(super) async fn command(
    shared: &Shared,
    message: &Message,
    answer: impl Future<Output = Answer>,
) -> Answer {
    let (verb, name) = asked(shared, message).unzip();
    let span = span::of_command(verb, name.as_ref());
    observed(verb, span, answer).await
}

/// Sees an agent's report through.
pub(super) async fn report(answer: impl Future<Output = Answer>) -> Answer {
    let verb = Some((Aggregate::Token, "report"));
    observed(verb, span::of_command(verb, None), answer).await
}

/// Counts a request that was turned away, if it is a command.
pub(super) fn turned_away(shared: &Shared, message: &Message) {
    if let Some((verb, _)) = asked(shared, message) {
        metrics::turned_away(verb);
    }
}

async fn observed(
    verb: Option<(Aggregate, &'static str)>,
    span: Span,
    answer: impl Future<Output = Answer>,
) -> Answer {
    let began = Instant::now();
    let answer = answer.instrument(span).await;
    metrics::command(verb, answer.outcome, began.elapsed());
    answer
}

/// The verb of a command, and the name that it is for. Nothing if there is no such verb, or it is no name.
fn asked(shared: &Shared, message: &Message) -> Option<((Aggregate, &'static str), Name)> {
    let subject = Prefix::outer(&message.subject).unwrap_or(&message.subject);
    let (aggregate, verb, name) = shared.prefix.split_command(subject)?;
    let row = Command::verbs().find(|row| row.aggregate == aggregate && row.verb == verb)?;
    Some(((row.aggregate, row.verb), Name::new(name).ok()?))
}
