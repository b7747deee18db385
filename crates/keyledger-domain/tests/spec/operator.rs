//! The NATS operator.

use keyledger_domain::Aggregate;
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
