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

#[test]
fn the_operator_is_made_by_the_bootstrap_only() {
    given([])
        .when(describe("other", "Other"))
        .then_rejected("not_found", "operator other");
}
