//! What is counted and how things stand, for Prometheus: on a loopback port, and as `{prefix}.queries.metrics`.
//!
//! *Invariant:* no label holds what somebody chose, as in `metrics`.

use keyledger_domain::{
    Timestamp,
    account::Account,
    views::{EndingKind, ending},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::{metrics::counted, shared::Shared};

/// What ends within so many days is counted.
const SOON_DAYS: u16 = 30;

/// One of several kinds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

/// Everything that is counted and that stands, in the text format of OpenMetrics.
pub(crate) fn text(shared: &Shared) -> String {
    let mut registry = Registry::with_prefix("keyledger");
    counted(&mut registry);
    let now = (shared.clock)();
    requests_and_servers(&mut registry, shared);
    folded(&mut registry, shared, now);
    let mut text = String::new();
    encode(&mut text, &registry).expect("a String takes everything");
    text
}

fn requests_and_servers(registry: &mut Registry, shared: &Shared) {
    kinds(
        registry,
        "requests_waiting",
        "Requests that are worked on or wait for their turn, by family",
        &shared.families.ahead(),
    );
    kinds(
        registry,
        "servers",
        "Servers, by whether they answer when they are asked what they hold",
        &[
            ("answering", shared.servers.answering().len()),
            ("silent", shared.servers.silent().len()),
        ],
    );
    let position = shared.live.position();
    number(
        registry,
        "ledger_sequence",
        "The sequence of the last stored event that was folded",
        position.sequence,
    );
    number(
        registry,
        "ledger_events",
        "Events that were folded",
        position.digest.events(),
    );
}

/// What the ledger says now.
fn folded(registry: &mut Registry, shared: &Shared, now: Timestamp) {
    let ledger = shared.live.ledger.read();
    let ends = ending(&ledger, now, SOON_DAYS);
    let of = |kind| ends.iter().filter(|ending| ending.kind == kind).count();
    kinds(
        registry,
        "ending_within_30_days",
        "What ends within 30 days or ended within the last 7, by kind",
        &[
            ("creds", of(EndingKind::Creds)),
            ("agent", of(EndingKind::Agent)),
            ("certificate", of(EndingKind::Certificate)),
        ],
    );
    let accounts = ledger.accounts().map(|(_, account)| &account.state);
    let is_confirmed = |account: &&Account| account.confirmed == Some(account.issued_at);
    let (confirmed, unconfirmed): (Vec<_>, Vec<_>) = accounts.partition(is_confirmed);
    kinds(
        registry,
        "accounts",
        "Accounts, by whether every server is known to hold the newest JWT",
        &[
            ("confirmed", confirmed.len()),
            ("unconfirmed", unconfirmed.len()),
        ],
    );
    let keys = ledger.keys().map(|(_, key)| &key.state);
    let unerased = keys.filter(|key| key.state.is_destroyed() && !key.erased);
    let tokens = || ledger.tokens().map(|(_, token)| &token.state);
    let superseded = tokens().filter(|token| !token.superseded_entries.is_empty());
    let tasks = tokens().filter(|token| token.task.is_some());
    kinds(
        registry,
        "effects_pending",
        "What events ask for outside the ledger and is not known to be done",
        &[
            ("push_jwt", unconfirmed.len()),
            ("erase_key", unerased.count()),
            ("erase_secrets", superseded.count()),
            ("finish_offboarding", ledger.unfinished_offboardings().len()),
            ("task", tasks.count()),
        ],
    );
}

fn kinds(
    registry: &mut Registry,
    name: &'static str,
    about: &'static str,
    values: &[(&'static str, usize)],
) {
    let family = Family::<KindLabels, Gauge>::default();
    for (kind, value) in values {
        let gauge = family.get_or_create(&KindLabels { kind });
        gauge.set(i64::try_from(*value).unwrap_or(i64::MAX));
    }
    registry.register(name, about, family);
}

fn number(registry: &mut Registry, name: &'static str, about: &'static str, value: u64) {
    let gauge = Gauge::<i64>::default();
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    registry.register(name, about, gauge);
}
