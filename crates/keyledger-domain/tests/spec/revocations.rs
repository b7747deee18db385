//! Revocation lists: bounded, and never shortened at the price of somebody being let in or kept out.

use keyledger_domain::{
    Event, LEDGER_SIGNING_KEY, Timestamp, VerifiedBy,
    account::{
        self, KEEP_EXPIRED_SECONDS, MAX_JWT_BYTES, RESERVED_JWT_BYTES, RenewalCause, Revocations,
        intent::Intent,
    },
    ledger::Outcome,
    name::{Aggregate, HistoryId},
    record::Why,
    template::TemplateVersion,
};
use serde_json::json;

use crate::support::{
    Given, Step, World, create_account, decision, given, issue, name, offboard, person,
    revoke_user, stamp,
};

/// How many entries the list of account `tight` has room for.
const ROOM: usize = 6;

/// An organisation with an account whose claims leave room for a few revocations only.
fn tight() -> Given {
    let mut world = given([create_account("plain")]).world();
    let plain = world.ledger.account(&name("plain")).unwrap().state.clone();
    let created = |padding: usize| {
        account::Event::Created(account::Created {
            title: plain.title.clone(),
            purpose: plain.purpose,
            nkey: plain.nkey.clone(),
            key: plain.key.clone(),
            signing_keys: vec![account::SigningKey {
                key: name(LEDGER_SIGNING_KEY),
                nkey: plain.signing_keys[0].nkey.clone(),
                role: None,
                scope: None,
            }],
            intent: Intent {
                description: Some("x".repeat(padding).into()),
                ..Intent::new(TemplateVersion::NEWEST)
            },
            issuer: plain.issuer.clone(),
            issued_at: plain.issued_at,
        })
    };
    let bytes = |padding| {
        let account = account::Account::create(&created(padding), world.now).unwrap();
        account.jwt_bytes(ROOM)
    };
    let mut padding = (MAX_JWT_BYTES - bytes(1)) * 3 / 4;
    while bytes(padding + 1) <= MAX_JWT_BYTES {
        padding += 1;
    }
    let target = HistoryId::new(Aggregate::Account, name("tight"));
    let event = Event::Account(created(padding));
    let genesis = stamp(VerifiedBy::Service);
    world.write(decision(vec![(target, event)]), &genesis, &Why::default());
    Given::of(world)
}

fn user(id: &str, days: u16) -> Step {
    issue(id, "tight", json!({ "expires_days": days }))
}

fn users(ids: std::ops::Range<usize>, days: u16) -> Vec<Step> {
    ids.map(|at| user(&format!("u{at}"), days)).collect()
}

fn revoke(ids: std::ops::Range<usize>) -> Vec<Step> {
    ids.map(|at| revoke_user(&format!("u{at}"))).collect()
}

fn list(world: &World) -> Revocations {
    let account = &world.ledger.account(&name("tight")).unwrap().state;
    assert!(account.jwt_bytes(account.revocations.len()) <= MAX_JWT_BYTES + RESERVED_JWT_BYTES);
    account.revocations.clone()
}

fn is_refused(world: &World, id: &str) -> bool {
    let user = &world.ledger.user(&name(id)).unwrap().state;
    list(world).refuses(&user.nkey, user.issued_at)
}

fn look() -> Step {
    Step::Outcome(Outcome::RevocationsExpired(name("tight")))
}

#[test]
fn an_entry_leaves_only_after_the_last_jwt_it_refuses_has_expired() {
    let mut given = tight().and(users(0..2, 10)).and(revoke(0..2));
    let end = given
        .world_ref()
        .ledger
        .user(&name("u0"))
        .unwrap()
        .state
        .expires_at;
    given = given.at(Timestamp::from_seconds(end + KEEP_EXPIRED_SECONDS));
    given.clone().when(look()).then_nothing();
    assert!(is_refused(given.world_ref(), "u0"));
    let then = given
        .at(Timestamp::from_seconds(end + KEEP_EXPIRED_SECONDS + 1))
        .when(look())
        .then(["account tight revocations_expired"]);
    assert!(list(&then.world).is_empty());
    then.given().when(look()).then_nothing();
}

#[test]
fn one_expired_entry_among_many_waits_a_day() {
    let mut steps = users(0..1, 1);
    steps.extend((1..20).map(|at| issue(&format!("u{at}"), "plain", json!({}))));
    let expired = issue("u0", "plain", json!({ "expires_days": 1 }));
    steps[0] = expired;
    let given = given([create_account("plain")])
        .and(steps)
        .and(revoke(0..20));
    let look = || Step::Outcome(Outcome::RevocationsExpired(name("plain")));
    given
        .clone()
        .and([Step::Later(2)])
        .when(look())
        .then_nothing();
    given
        .and([Step::Later(3)])
        .when(look())
        .then(["account plain revocations_expired"]);
}

#[test]
fn what_has_expired_makes_room_for_what_has_not() {
    let then = tight()
        .and(users(0..ROOM, 1))
        .and(revoke(0..ROOM))
        .and([Step::Later(2), user("late", 90)])
        .when(revoke_user("late"))
        .then([
            "user late revoked",
            "account tight revocations_expired",
            "account tight revocation_added",
        ]);
    assert_eq!(list(&then.world).len(), 1);
    assert!(is_refused(&then.world, "late"));
}

#[test]
fn a_full_list_becomes_one_entry_where_nobody_who_stays_is_older() {
    let then = tight()
        .and(users(0..ROOM + 1, 90))
        .and([Step::Later(1), user("stays", 90), Step::Later(1)])
        .and(revoke(0..ROOM))
        .when(revoke_user(&format!("u{ROOM}")))
        .then([
            &format!("user u{ROOM} revoked"),
            "account tight revocations_collapsed",
            "account tight revocation_added",
        ]);
    let list = list(&then.world);
    assert_eq!(list.len(), 1, "the last one is taken in too");
    assert!((0..=ROOM).all(|at| is_refused(&then.world, &format!("u{at}"))));
    assert!(!is_refused(&then.world, "stays"));
    // It goes on: the one entry takes in whoever is older, and grows with whoever is not.
    let then = then.given().when(revoke_user("stays"));
    assert!(is_refused(&then.world, "stays"));
}

#[test]
fn the_one_entry_stays_until_the_last_jwt_of_those_it_took_in_has_expired() {
    let given = tight()
        .and(users(0..ROOM, 10))
        .and([user("long", 90)])
        .and([Step::Later(1)])
        .and(revoke(0..ROOM))
        .and([revoke_user("long"), Step::Later(11)]);
    assert_eq!(list(given.world_ref()).len(), 1);
    given.clone().when(look()).then_nothing();
    assert!(is_refused(given.world_ref(), "long"));
    let then = given.and([Step::Later(79)]).when(look());
    assert!(list(&then.world).is_empty());
}

#[test]
fn a_revocation_that_would_not_be_enforced_is_refused_with_the_way_out() {
    let full = tight()
        .and([user("old", 90), Step::Later(1)])
        .and(users(0..ROOM + 1, 60))
        .and([Step::Later(1)])
        .and(revoke(0..ROOM));
    assert_eq!(list(full.world_ref()).len(), ROOM);
    let last = format!("u{ROOM}");
    full.clone()
        .when(revoke_user(&last))
        .then_rejected("revocations_full", "issue old anew under other names");
    full.clone().when(revoke_user(&last)).then_rejected(
        "revocations_full",
        "leave it, the first an hour after 2026-03-03",
    );
    // The way out is one.
    let replaced = full.and([user("new", 90), revoke_user("old")]);
    let then = replaced.when(revoke_user(&last));
    assert!(is_refused(&then.world, &last) && is_refused(&then.world, "old"));
    assert!((0..ROOM).all(|at| is_refused(&then.world, &format!("u{at}"))));
    assert!(!is_refused(&then.world, "new"));
}

#[test]
fn an_offboarding_that_would_not_be_enforced_is_refused_whole() {
    let of_ann = |at: usize| {
        let body = json!({ "expires_days": 60, "principal": "ann" });
        issue(&format!("u{at}"), "tight", body)
    };
    tight()
        .and([user("old", 90), Step::Later(1), person("ann")])
        .and((0..ROOM + 1).map(of_ann))
        .and([Step::Later(1)])
        .when(offboard("ann"))
        .then_rejected("revocations_full", "account tight");
}

#[test]
fn nobody_is_issued_a_jwt_that_its_account_refuses() {
    let collapsed = tight()
        .and(users(0..ROOM, 90))
        .and([Step::Later(1)])
        .and(revoke(0..ROOM));
    assert!(list(collapsed.world_ref()).all().is_some());
    collapsed
        .clone()
        .and([Step::Later(-1)])
        .when(user("early", 90))
        .then_rejected("bad_date", "refuses everything that was issued until");
    collapsed
        .when(user("in-time", 90))
        .then(["user in-time issued"]);
}

#[test]
fn what_was_revoked_before_lists_could_collapse_stays_until_all_are_younger_than_its_revocation() {
    let mut revocations = tight()
        .world_ref()
        .ledger
        .account(&name("tight"))
        .unwrap()
        .state
        .clone();
    let added = account::Event::RevocationAdded(account::RevocationAdded {
        user: name("u0"),
        nkey: "U0".into(),
        until: 500,
        expires_at: 0,
        issued_at: 500,
        jwt_issued_at: None,
    });
    let collapsed = |until| {
        account::Event::RevocationsCollapsed(account::RevocationsCollapsed {
            until,
            issued_at: 600,
        })
    };
    let at = Timestamp::from_seconds(600);
    revocations.evolve(&added, at);
    revocations.evolve(&collapsed(499), at);
    assert!(revocations.revocations.refuses("U0", 500));
    assert_eq!(revocations.revocations.all(), None);
    revocations.evolve(&collapsed(500), at);
    assert!(revocations.revocations.refuses("U0", 500));
    assert_eq!(revocations.revocations.all().unwrap().expires_at, 0);
}

#[test]
fn a_jwt_is_renewed_above_what_a_server_holds_and_once() {
    let renew = |above| {
        Step::Outcome(Outcome::Renew {
            account: name("staff"),
            above,
            cause: RenewalCause::Lost,
        })
    };
    let iat = |world: &World| {
        world
            .ledger
            .account(&name("staff"))
            .unwrap()
            .state
            .issued_at
    };
    let held = iat(given([]).world_ref()) + 1_000;
    let then = given([]).when(renew(held)).then(["account staff renewed"]);
    assert_eq!(iat(&then.world), held + 1);
    then.given().when(renew(held)).then_nothing();
}

#[test]
fn a_user_whose_jwt_no_client_could_send_is_not_issued() {
    let long = |count: usize| {
        let keys: Vec<_> = (0..count).map(|at| format!("{at:0>60}")).collect();
        issue(
            "orders",
            "staff",
            json!({ "role": "service", "keys": keys }),
        )
    };
    given([])
        .when(long(64))
        .then_rejected("bad_value", "refused by nats-server");
    given([]).when(long(20)).then(["user orders issued"]);
    let subjects: Vec<_> = (0..64)
        .map(|at| format!("{at}.{}", "x".repeat(60)))
        .collect();
    given([create_account("plain")])
        .when(issue("a", "plain", json!({ "publish": subjects })))
        .then_rejected("bad_value", "field publish");
}
