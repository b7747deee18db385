//! What a process counts about itself. It is counted where it happens, by a call of one line; instances that run in one process count
//! together. How things stand beside that is looked up when somebody asks (`metrics_text`).
//!
//! *Invariant:* no label holds what somebody chose: no name, no nkey, no payload. Labels are verbs, outcomes and kinds, of which there
//! are few.

use std::{sync::LazyLock, time::Duration};

use keyledger_domain::name::Aggregate;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// A command's kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerbLabels {
    aggregate: &'static str,
    verb: &'static str,
}

/// A command's kind and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    aggregate: &'static str,
    verb: &'static str,
    outcome: &'static str,
}

struct Counts {
    commands: Family<OutcomeLabels, Counter>,
    took: Family<VerbLabels, Histogram, fn() -> Histogram>,
    batch: Histogram,
    append: Histogram,
}

static COUNTS: LazyLock<Counts> = LazyLock::new(|| Counts {
    commands: Family::default(),
    took: Family::new_with_constructor(seconds),
    // 1 to 1,024: no batch is larger.
    batch: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
    append: seconds(),
});

/// From half a millisecond to 8 seconds: a client waits for 5.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_5, 2.0, 15))
}

/// A command was answered. What cannot be read is of no verb.
pub(crate) fn command(
    verb: Option<(Aggregate, &'static str)>,
    outcome: &'static str,
    took: Duration,
) {
    let (aggregate, verb) = verb.map_or(("", ""), |(aggregate, verb)| (aggregate.as_str(), verb));
    count(aggregate, verb, outcome);
    let took_by = COUNTS.took.get_or_create(&VerbLabels { aggregate, verb });
    took_by.observe(took.as_secs_f64());
}

/// A command was turned away, because there are too many.
pub(crate) fn turned_away((aggregate, verb): (Aggregate, &'static str)) {
    count(aggregate.as_str(), verb, "busy");
}

fn count(aggregate: &'static str, verb: &'static str, outcome: &'static str) {
    let labels = OutcomeLabels {
        aggregate,
        verb,
        outcome,
    };
    COUNTS.commands.get_or_create(&labels).inc();
}

/// The store acknowledged events that were appended together.
pub(crate) fn appended(events: usize, took: Duration) {
    let events = u32::try_from(events).unwrap_or(u32::MAX);
    COUNTS.batch.observe(f64::from(events));
    COUNTS.append.observe(took.as_secs_f64());
}

/// What was counted since the process was started.
pub(crate) fn counted(registry: &mut Registry) {
    registry.register(
        "commands",
        "Commands answered, by verb and outcome: accepted, or the reason of the refusal",
        COUNTS.commands.clone(),
    );
    registry.register(
        "command_duration_seconds",
        "From a command's arrival to its answer",
        COUNTS.took.clone(),
    );
    registry.register(
        "batch_events",
        "Events appended together",
        COUNTS.batch.clone(),
    );
    registry.register(
        "append_duration_seconds",
        "From the sending of events to the store's acknowledgement",
        COUNTS.append.clone(),
    );
}
