//! Retries: a command under a used id is answered again only if it is the one that came first.

use keyledger_domain::{
    Aggregate, Command, Record, Stamp, VerifiedBy,
    token::{Report, Reported, SecretsWanted, Step as Stage},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    SERIAL, Say, Step, World, agent, assigned, command, curve_key, given, provision, provisioned,
    say, stamp, then, token,
};

fn parsed(aggregate: Aggregate, verb: &str, body: &Value) -> Command {
    let payload = body.to_string();
    Command::parse(aggregate, verb, payload.as_bytes())
        .unwrap()
        .0
}

/// A world, the event of its last step, and who sent it.
fn last(steps: Vec<Step>) -> (World, Record) {
    let world = given(steps).world();
    let newest = world.records().last().unwrap().0.ids.command;
    let mut records = world.records().into_iter().map(|(record, ..)| record);
    let first = records.find(|record| record.ids.command == newest).unwrap();
    (world, first)
}

fn somebody_else() -> Stamp {
    Stamp {
        user: "UBOB".into(),
        ..(*stamp(VerifiedBy::RequestInfo)).clone()
    }
}

/// Another curve key than everybody's.
fn own_curve_key() -> String {
    nkeys::XKey::new_from_raw([8; 32]).public_key()
}

/// The report of a task under way, as an agent would send it under a used id.
fn report(world: &mut World, say: &Say) -> Reported {
    world.honest(SERIAL, "desk", say).0
}

fn is_retry(reported: Reported, first: &Record) -> bool {
    Command::Report(Box::new(reported)).is_retry_of(first, &first.principal)
}

#[test]
fn a_release_is_answered_again_to_who_asked_and_to_the_same_receiver() {
    let body = |seal_to: &str| json!({ "reason": "because", "seal_to": seal_to });
    let asked = |seal_to: &str| parsed(Aggregate::Token, "release", &body(seal_to));
    let release = token("release", json!({ "seal_to": curve_key() }));
    let (_, first) = last(then(provisioned("service"), [release]));
    assert!(asked(&curve_key()).is_retry_of(&first, &first.principal));
    assert!(!asked(&curve_key()).is_retry_of(&first, &somebody_else()));
    assert!(!asked(&own_curve_key()).is_retry_of(&first, &first.principal));
    // What an agent was given is no approver's.
    let wanted = [token("unblock", json!({})), say(Say::Want)];
    let (_, first) = last(then(provisioned("service"), wanted));
    assert!(!asked(&curve_key()).is_retry_of(&first, &first.principal));
}

#[test]
fn a_recovery_is_answered_again_to_who_asked_for_the_same_key_and_receiver() {
    let key = "openpgp-0000000000000001";
    let body = |key: &str, seal_to: &str| json!({ "reason": "r", "key": key, "seal_to": seal_to });
    let asked = |body: &Value| parsed(Aggregate::Principal, "recover-key", body);
    let same = body(key, &curve_key());
    let recover = command(Aggregate::Principal, "recover-key", "ann", same.clone());
    let (_, first) = last(then(provisioned("person"), [recover]));
    assert!(asked(&same).is_retry_of(&first, &first.principal));
    assert!(!asked(&same).is_retry_of(&first, &somebody_else()));
    let others = [body(key, &own_curve_key()), body("another", &curve_key())];
    for other in others {
        assert!(
            !asked(&other).is_retry_of(&first, &first.principal),
            "{other}"
        );
    }
}

#[test]
fn secrets_wanted_under_the_id_of_another_report_are_no_retry() {
    let begun = [
        token("rotate-secrets", json!({})),
        say(Say::Begin(Stage::Secrets)),
    ];
    let (mut world, progressed) = last(then(provisioned("service"), begun));
    let wanted = report(&mut world, &Say::Want);
    assert!(!is_retry(wanted.clone(), &progressed));
    let (_, announced) = last(vec![agent("desk"), say(Say::Announce)]);
    assert!(!is_retry(wanted, &announced));
}

#[test]
fn secrets_are_wanted_again_by_the_same_agent_for_the_same_task_and_receiver() {
    let steps = [token("unblock", json!({})), say(Say::Want)];
    let (mut world, first) = last(then(provisioned("service"), steps));
    let wanted = report(&mut world, &Say::Want);
    assert!(is_retry(wanted.clone(), &first));
    let again = Command::Report(Box::new(wanted.clone()));
    assert!(!again.is_retry_of(&first, &somebody_else()));
    let other_task = Reported {
        task: Some(Uuid::from_u128(7)),
        ..wanted.clone()
    };
    assert!(!is_retry(other_task, &first));
    let other_receiver = Reported {
        report: Report::SecretsWanted(SecretsWanted {
            serial: wanted.report.serial(),
            seal_to: own_curve_key().into(),
        }),
        ..wanted
    };
    assert!(!is_retry(other_receiver, &first));
    assert!(!is_retry(report(&mut world, &Say::Escrow), &first));
}

#[test]
fn a_report_is_the_retry_of_its_own_kind_only() {
    let all = [
        Say::Begin(Stage::Taken),
        Say::Escrow,
        Say::Seal,
        Say::Make(1, true),
        Say::Prove,
    ];
    let mut steps = then(assigned(), [provision("person")]);
    for told in &all {
        let mut before = given(steps.clone()).world();
        steps.push(say(told.clone()));
        let (_, first) = last(steps.clone());
        for other in &all {
            let is_same = std::mem::discriminant(other) == std::mem::discriminant(told);
            let reported = report(&mut before, other);
            assert_eq!(is_retry(reported, &first), is_same, "{other:?} of {told:?}");
        }
    }
}

#[test]
fn a_task_is_the_retry_of_its_own_kind_only() {
    let (_, verify) = last(then(provisioned("service"), [token("verify", json!({}))]));
    let asked = |verb| parsed(Aggregate::Token, verb, &json!({ "reason": "because" }));
    for verb in ["verify", "reset", "unblock", "rotate-secrets"] {
        let is_retry = asked(verb).is_retry_of(&verify, &verify.principal);
        assert_eq!(is_retry, verb == "verify", "{verb}");
    }
}
