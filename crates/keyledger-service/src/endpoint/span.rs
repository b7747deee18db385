//! The spans of requests in the log. They have ids and what a request is for, and never its payload.
//!
//! They are for debugging only: to format them would cost each command some microseconds.

use keyledger_domain::{Name, name::Aggregate, record::Ids};
use tracing::{
    Span,
    field::{Empty, display},
};

/// The span of a command, or of a report as one.
pub(super) fn of_command(verb: Option<(Aggregate, &'static str)>, name: Option<&Name>) -> Span {
    let (aggregate, verb) = verb.unzip();
    tracing::debug_span!(
        "command",
        aggregate = aggregate.map(Aggregate::as_str),
        verb,
        name = name.map(Name::as_str),
        command_id = Empty,
        correlation_id = Empty,
    )
}

/// Says in the span of now which ids its command has.
pub(super) fn record_ids(ids: Ids) {
    let span = Span::current();
    span.record("command_id", display(ids.command));
    span.record("correlation_id", display(ids.correlation));
}
