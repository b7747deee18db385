//! The NATS operator.

use keyledger_domain::{
    Aggregate, EventCid,
    ledger::Outcome,
    operator::{RollbackAccepted, Witness},
};
use serde_json::json;

use crate::support::{Step, command, given};

fn describe(id: &str, title: &str) -> Step {
    command(
        Aggregate::Operator,
        "describe",
        id,
        json!({ "title": title }),
    )
}

#[test]
fn the_operator_is_described() {
    given([])
        .when(describe("acme", "Acme Ltd"))
        .then(["operator acme described"]);
    given([]).when(describe("acme", "Acme")).then_nothing();
}

fn trust(id: &str) -> Step {
    let body = json!({ "certificates": "-----BEGIN CERTIFICATE-----" });
    command(Aggregate::Operator, "trust", id, body)
}

#[test]
fn an_authority_for_attestations_is_trusted_once() {
    given([])
        .when(trust("acme"))
        .then(["operator acme attestation_authority_trusted"]);
    given([trust("acme")]).when(trust("acme")).then_nothing();
    given([])
        .when(trust("other"))
        .then_rejected("not_found", "operator other");
}

#[test]
fn the_operator_is_made_by_the_bootstrap_only() {
    given([])
        .when(describe("other", "Other"))
        .then_rejected("not_found", "operator other");
}

fn accepted(witness: Witness, known_end: u64, end: u64) -> Step {
    Step::Outcome(Outcome::RollbackAccepted(RollbackAccepted {
        witness,
        sequence: 12,
        expected: EventCid::of(b"{}"),
        known_end,
        end,
    }))
}

#[test]
fn a_rollback_is_accepted_once_for_each_thing_that_a_witness_knew() {
    let first = || accepted(Witness::Snapshot, 12, 10);
    given([])
        .when(first())
        .then(["operator acme rollback_accepted"]);
    // Wherever the stream ends by now, it is the same knowledge.
    let later = accepted(Witness::Snapshot, 12, 99);
    given([first()]).when(later).then_nothing();
    for other in [
        accepted(Witness::GenesisFile, 12, 10),
        accepted(Witness::Snapshot, 13, 10),
    ] {
        given([first()])
            .when(other)
            .then(["operator acme rollback_accepted"]);
    }
}
