//! What ends by itself, and what does not go on.

use keyledger_domain::{
    Timestamp,
    views::{EndingKind, NobodyCommands, ending, last_administrator, stuck},
};
use serde_json::{Value, json};

use crate::support::{
    Step, World, active, agent, far_authority, given, install, issue, key, name, person,
    revoke_user, under_way,
};

fn creds(id: &str, days: u16, json: Value) -> Step {
    let mut body = json!({ "role": "service", "expires_days": days });
    let more = json.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    issue(id, "staff", body)
}

fn found(world: &World) -> Vec<(EndingKind, String)> {
    let ending = ending(&world.ledger, world.now, 30);
    let named = ending.into_iter().map(|e| (e.kind, e.name.to_string()));
    named.collect()
}

#[test]
fn credentials_that_end_soon_or_ended_lately_are_found_soonest_first() {
    let given = given([
        creds("late", 40, json!({})),
        creds("b", 20, json!({})),
        creds("a", 10, json!({})),
        creds("gone", 10, json!({})),
        revoke_user("gone"),
        creds("past", 1, json!({})),
        agent("desk"),
    ]);
    let of = |names: &[&str]| -> Vec<(EndingKind, String)> {
        let creds = names.iter().map(|n| (EndingKind::Creds, (*n).to_owned()));
        creds.collect()
    };
    assert_eq!(found(given.world_ref()), of(&["past", "a", "b"]));
    let later = given.and([Step::Later(9)]);
    assert_eq!(
        found(later.world_ref()),
        of(&["a", "b"]),
        "past ended more than a week ago"
    );
}

#[test]
fn an_agents_credentials_are_found_as_such() {
    let given = given([agent("desk")]);
    let end = given.world_ref().ledger.user(&name("desk")).unwrap();
    let end = Timestamp::from_seconds(end.state.expires_at);
    let given = given.at(end.plus_days(-1));
    assert!(found(given.world_ref()).contains(&(EndingKind::Agent, "desk".to_owned())));
}

#[test]
fn credentials_that_were_replaced_are_not_found() {
    let of_ann = json!({ "principal": "ann" });
    let replaced = given([
        person("ann"),
        creds("ann-1", 10, of_ann.clone()),
        creds("ann-2", 200, of_ann.clone()),
    ]);
    assert_eq!(found(replaced.world_ref()), []);
    // Another role is another purpose.
    let other = given([
        person("ann"),
        creds("ann-1", 10, of_ann),
        issue(
            "ann-2",
            "staff",
            json!({ "role": "administrator", "principal": "ann" }),
        ),
    ]);
    assert_eq!(
        found(other.world_ref()),
        [(EndingKind::Creds, "ann-1".to_owned())]
    );
}

#[test]
fn the_newest_certificate_of_a_key_that_lives_is_found() {
    let leaf = install("k", Some("far-ca"), json!({ "authority": false }));
    let given = given(far_authority("far-ca")).and([active("k"), leaf]);
    let end = given
        .world_ref()
        .key("k")
        .certificates()
        .map(|c| c.not_after)
        .max();
    let given = given.at(end.unwrap().plus_days(-29));
    let found = found(given.world_ref());
    assert!(
        found.contains(&(EndingKind::Certificate, "k".to_owned())),
        "{found:?}"
    );
}

#[test]
fn an_older_certificate_that_lasts_longer_hides_no_end_of_the_newest() {
    let leaf = |serial, until| {
        let said = json!({ "authority": false, "serial": serial, "until": until });
        install("k", Some("far-ca"), said)
    };
    let is_found = |steps: Vec<Step>| {
        let world = given(far_authority("far-ca")).and(steps);
        found(world.world_ref()).contains(&(EndingKind::Certificate, "k".to_owned()))
    };
    assert!(is_found(vec![active("k"), leaf("01", 300), leaf("02", 2)]));
    // The other way round the one that ends was replaced.
    assert!(!is_found(vec![active("k"), leaf("01", 2), leaf("02", 300)]));
    // Unless what replaced it was revoked.
    let revoked = json!({ "reason": "because", "serial": "02", "revocation_reason": "superseded" });
    assert!(is_found(vec![
        active("k"),
        leaf("01", 2),
        leaf("02", 300),
        key("revoke-certificate", "k", revoked)
    ]));
}

#[test]
fn the_administrator_that_ends_last_is_named_in_time() {
    let last = |world: &World| {
        let last = last_administrator(&world.ledger, world.now, 14);
        last.map(|last| last.map(|(name, _)| name.to_string()))
    };
    let of = |days| json!({ "role": "administrator", "expires_days": days });
    let two = given([
        issue("ann", "staff", of(20)),
        issue("bob", "staff", of(10)),
        revoke_user("root"),
    ]);
    assert_eq!(last(two.world_ref()), Ok(None));
    let two = two.and([Step::Later(9)]);
    assert_eq!(last(two.world_ref()), Ok(Some("ann".to_owned())));
    let two = two.and([Step::Later(12)]);
    assert_eq!(last(two.world_ref()), Err(NobodyCommands));
}

#[test]
fn a_task_that_is_open_for_more_than_a_day_is_stuck() {
    let given = given(under_way());
    assert_eq!(stuck(&given.world_ref().ledger, given.world_ref().now), []);
    let given = given.and([Step::Later(2)]);
    let stuck = stuck(&given.world_ref().ledger, given.world_ref().now);
    assert_eq!(stuck.len(), 1);
    assert_eq!(stuck[0].workstation, name("desk"));
}
