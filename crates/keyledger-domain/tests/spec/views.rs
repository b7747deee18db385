//! What the views answer.

use keyledger_domain::{
    Timestamp,
    command::parse_payload,
    token::Step as Stage,
    views::{
        Budget, InventoryPage, InventoryQuery, ListQuery, Page, UserState, credentials, inventory,
        principals, row, timeline, tokens,
    },
};
use serde_json::{Value, json};

use crate::support::{
    BEGINNING, Step, World, active, generate, given, issue, key, name, please, revoke, revoke_user,
};

fn ask(world: &World, question: &Value) -> InventoryPage {
    let query: InventoryQuery = parse_payload(question.to_string().as_bytes()).unwrap();
    inventory(&world.ledger, &query, world.now, Budget::default()).unwrap()
}

fn names(page: &InventoryPage) -> Vec<&str> {
    page.rows.iter().map(|r| r.name.as_str()).collect()
}

/// Keys with all there is to ask for, besides those of the organisation.
fn world() -> World {
    let described = json!({
        "classification": "restricted", "owner": "ann", "labels": { "env": "prod", "tier": "1" },
    });
    given([
        crate::support::person("ann"),
        generate("orders-a"),
        active("orders-b"),
        key("describe", "orders-b", described),
        active("orders-c"),
        revoke("orders-c", "key_compromise"),
        please("archive", "orders-c"),
        key(
            "generate",
            "data",
            json!({ "algorithm": "aes-256", "parent": "orders-b", "activate": true }),
        ),
    ])
    .world()
}

#[test]
fn every_condition_must_hold() {
    let world = world();
    for (question, expected) in [
        (json!({ "name": "data" }), vec!["data"]),
        (json!({ "name": "nowhere" }), vec![]),
        (
            json!({ "prefix": "orders-" }),
            vec!["orders-a", "orders-b", "orders-c"],
        ),
        (
            json!({ "prefix": "orders-", "state": "active" }),
            vec!["orders-b"],
        ),
        (
            json!({ "state": ["pre-active", "compromised"] }),
            vec!["orders-a", "orders-c"],
        ),
        (json!({ "state": [] }), vec![]),
        (json!({ "algorithm": "aes-256" }), vec!["data"]),
        (json!({ "purpose": "encrypt" }), vec!["data"]),
        (json!({ "owner": "ann" }), vec!["orders-b"]),
        (
            json!({ "classification": "restricted", "prefix": "o" }),
            vec!["operator-acme", "orders-b"],
        ),
        (json!({ "custodian": "offline" }), vec!["operator-acme"]),
        (json!({ "parent": "orders-b" }), vec!["data"]),
        (json!({ "class": "data" }), vec!["data"]),
        (json!({ "label": { "env": "prod" } }), vec!["orders-b"]),
        (json!({ "label": { "env": "prod", "tier": "2" } }), vec![]),
        (json!({ "archived": true }), vec!["orders-c"]),
        (json!({ "expiring_days": 89 }), vec![]),
        (json!({ "expiring_days": 90 }), vec!["data"]),
    ] {
        assert_eq!(names(&ask(&world, &question)), expected, "{question}");
    }
    let all = ask(&world, &json!({}));
    assert_eq!(all.total, world.ledger.keys().count());
    assert_eq!(all.next, None);
}

#[test]
fn a_question_is_refused_by_the_field_that_is_wrong() {
    for (question, field) in [
        (json!({ "stat": "active" }), "stat"),
        (json!({ "state": "enabled" }), "state"),
        (json!({ "state": 7 }), "state"),
        (json!({ "sort": "size" }), "sort"),
    ] {
        let no = parse_payload::<InventoryQuery>(question.to_string().as_bytes()).unwrap_err();
        assert!(
            no.to_string().starts_with(&format!("field {field}")),
            "{no}"
        );
    }
    let world = world();
    for (question, reason) in [
        (json!({ "limit": 0 }), "out_of_range"),
        (json!({ "limit": 501 }), "out_of_range"),
        (json!({ "expiring_days": 7_301 }), "out_of_range"),
        (json!({ "after": "created_at:asc:0:k" }), "bad_value"),
        (
            json!({ "after": "nonsense", "sort": "created_at" }),
            "bad_value",
        ),
    ] {
        let query = parse_payload(question.to_string().as_bytes()).unwrap();
        let no = inventory(&world.ledger, &query, world.now, Budget::default()).unwrap_err();
        assert_eq!(no.reason(), reason, "{question}");
    }
}

/// Every page of a question, with a change to the inventory between each two.
fn pages(world: &mut World, question: &Value, mut between: impl FnMut(&mut World)) -> Vec<String> {
    let mut question = question.clone();
    let mut all = Vec::new();
    loop {
        let page = ask(world, &question);
        all.extend(page.rows.iter().map(|r| r.name.to_string()));
        let Some(next) = page.next else { return all };
        question["after"] = json!(next);
        between(world);
    }
}

#[test]
fn in_every_order_the_pages_hold_every_key_once() {
    for sort in [
        "name",
        "created_at",
        "protect_stop_at",
        "rotation_due_at",
        "certified_until",
        "changed_at",
    ] {
        for desc in [false, true] {
            let mut world = world();
            let question = json!({ "sort": sort, "desc": desc, "limit": 2 });
            let whole = ask(&world, &json!({ "sort": sort, "desc": desc }));
            assert_eq!(
                pages(&mut world, &question, |_| ()),
                names(&whole),
                "{sort} {desc}"
            );
            let mut sorted = names(&whole);
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), whole.total);
        }
    }
}

#[test]
fn keys_without_such_a_date_come_last_either_way() {
    for desc in [false, true] {
        let page = ask(
            &world(),
            &json!({ "sort": "rotation_due_at", "desc": desc, "prefix": "o" }),
        );
        let dated: Vec<_> = page
            .rows
            .iter()
            .map(|r| r.rotation_due_at.is_some())
            .collect();
        assert!(dated.is_sorted_by(|a, b| a >= b), "{dated:?}");
    }
}

#[test]
fn pages_stay_in_step_while_keys_come_and_go() {
    let mut world = world();
    let before = names(&ask(&world, &json!({}))).join(" ");
    let mut n = 0;
    let found = pages(&mut world, &json!({ "limit": 3 }), |world| {
        n += 1;
        world.run(&generate(&format!("a-new-{n}"))).unwrap();
        world.run(&please("activate", "orders-a")).unwrap();
    });
    assert_eq!(found.join(" "), before);
}

#[test]
fn a_page_fits_what_the_server_takes() {
    assert_eq!(Budget::of(1 << 20), Budget::default());
    assert_eq!(Budget::of(8 << 20), Budget::default());
    let world = given((0..200).map(|n| active(&format!("k{n}")))).world();
    for max_payload in [8 << 10, 64 << 10, 1 << 20] {
        let budget = Budget::of(max_payload);
        assert!(budget.bytes() < max_payload && budget.base64() / 3 * 4 < budget.bytes());
        let mut query = InventoryQuery {
            prefix: Some(name("k")),
            limit: Some(500),
            ..InventoryQuery::default()
        };
        let mut found = 0;
        loop {
            let page = inventory(&world.ledger, &query, world.now, budget).unwrap();
            let bytes = serde_json::to_vec(&page).unwrap().len();
            assert!(bytes <= budget.bytes(), "{bytes} of {max_payload}");
            found += page.rows.len();
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        assert_eq!(found, 200);
    }
}

#[test]
fn a_page_of_keys_with_long_descriptions_fits_a_message() {
    let long = "what it is for, in words ".repeat(20);
    let described = json!({ "algorithm": "ed25519", "usage": long.trim(), "handling": long.trim(), "disposal": long.trim() });
    let keys = (0..600).map(|n| key("generate", &format!("k{n}"), described.clone()));
    let world = given(keys).world();
    for sort in ["name", "created_at", "protect_stop_at"] {
        let mut question = json!({ "limit": 500, "sort": sort, "desc": true, "prefix": "k" });
        let (mut found, mut pages) = (std::collections::BTreeSet::new(), 0);
        loop {
            let page = ask(&world, &question);
            let bytes = serde_json::to_vec(&page).unwrap().len();
            assert!(
                bytes <= keyledger_domain::views::page::MAX_PAGE_BYTES,
                "{bytes}"
            );
            assert_eq!(page.total, 600);
            for row in page.rows {
                assert!(found.insert(row.name.clone()), "{} twice", row.name);
            }
            pages += 1;
            let Some(next) = page.next else { break };
            question["after"] = json!(next);
        }
        assert!(
            found.len() == 600 && pages > 1,
            "{} on {pages}",
            found.len()
        );
    }
}

#[test]
fn a_row_is_flat_json_without_empty_fields() {
    let world = world();
    let row = row(&world.ledger, &name("orders-c")).unwrap();
    let json = serde_json::to_value(&row).unwrap();
    assert_eq!(json["state"], "compromised");
    assert_eq!(json["custodian"], "software");
    assert_eq!(json["revocation"]["reason"], "key_compromise");
    assert_eq!(json["created_at"], "2026-01-01T00:00:00.000Z");
    assert_eq!(
        (&json["version"], &json["versions"]),
        (&json!(1), &json!(1))
    );
    assert!(
        json.as_object().unwrap().values().all(|v| !v.is_null()),
        "{json}"
    );
    assert!(json.get("owner").is_none() && json.get("labels").is_none());
    assert_eq!(
        serde_json::from_value::<keyledger_domain::views::InventoryRow>(json).unwrap(),
        row
    );
}

#[test]
fn a_timeline_says_who_why_and_what_changed() {
    let mut world = given([active("k")]).world();
    let why = json!({ "reason": "left the company", "ticket": "SEC-1", "owner": "ann" });
    world.run(&crate::support::person("ann")).unwrap();
    world.run(&Step::Later(1)).unwrap();
    world.run(&key("describe", "k", why)).unwrap();
    let records: Vec<_> = world
        .records()
        .into_iter()
        .filter(|r| r.0.history.name == name("k"))
        .collect();
    let timeline = timeline(&records).unwrap();
    assert_eq!(
        timeline.iter().map(|e| &*e.event).collect::<Vec<_>>(),
        ["generated", "activated", "described"]
    );
    let changed =
        |at: usize| -> Vec<_> { timeline[at].changes.iter().map(|c| &*c.field).collect() };
    assert!(changed(0).contains(&"algorithm"));
    assert_eq!(
        changed(1),
        [
            "activated_at",
            "protect_stop_at",
            "rotation_due_at",
            "state"
        ]
    );
    assert_eq!(changed(2), ["owner"]);
    let last = serde_json::to_value(&timeline[2]).unwrap();
    assert_eq!(
        last["changes"],
        json!([{ "field": "owner", "from": null, "to": "ann" }])
    );
    assert_eq!(
        (&last["reason"], &last["ticket"]),
        (&json!("left the company"), &json!("SEC-1"))
    );
    assert_eq!(last["who"]["verified_by"], "request_info");
    assert_eq!(last["cid"], records[2].1.to_string());
    assert_eq!(last["at"], "2026-01-02T00:00:00.000Z");
}

#[test]
fn a_timeline_of_every_kind_is_told() {
    let user = issue("orders", "staff", json!({ "role": "service" }));
    let world = given([user, revoke_user("orders")]).world();
    let timeline = timeline(&world.records()).unwrap();
    assert_eq!(timeline.len(), world.written.len());
    let change = |event: &str, field: &str| {
        let entry = timeline.iter().rfind(|e| e.event == event).unwrap();
        entry
            .changes
            .iter()
            .find(|c| c.field == field)
            .map(|c| (c.from.clone(), c.to.clone()))
    };
    assert_eq!(
        change("revoked", "state"),
        Some((json!("issued"), json!("revoked")))
    );
    assert_eq!(
        change("revocation_added", "revocations"),
        Some((json!(0), json!(1)))
    );
    assert!(change("created", "nkey").is_some());
}

#[test]
fn a_timeline_with_a_gap_is_not_told() {
    let mut records = given([active("k")]).world().records();
    records.remove(0);
    assert!(timeline(&records).is_err());
}

#[test]
fn users_are_issued_expired_or_revoked() {
    let user = |id, days: u16| {
        issue(
            id,
            "staff",
            json!({ "role": "service", "expires_days": days }),
        )
    };
    let world = given([
        user("a", 1),
        user("b", 9),
        user("c", 9),
        revoke_user("c"),
        Step::Later(1),
    ])
    .world();
    let all = ListQuery::default();
    let page = credentials::users(
        &world.ledger,
        &name("staff"),
        &all,
        world.now,
        Budget::default(),
    )
    .unwrap();
    let found: Vec<_> = page
        .rows
        .iter()
        .map(|u| (u.name.as_str(), u.state))
        .collect();
    let expected = [
        ("a", UserState::Expired),
        ("b", UserState::Issued),
        ("c", UserState::Revoked),
        ("root", UserState::Issued),
    ];
    assert_eq!(found, expected);
    assert_eq!(page.rows[0].expires_at, Some(BEGINNING.plus_days(1)));
    let nowhere = credentials::users(
        &world.ledger,
        &name("nowhere"),
        &all,
        world.now,
        Budget::default(),
    );
    assert_eq!(nowhere.unwrap_err().reason(), "not_found");
}

#[test]
fn accounts_and_the_operator_show_their_signing_keys() {
    let world = World::organisation();
    let accounts =
        credentials::accounts(&world.ledger, &ListQuery::default(), Budget::default()).unwrap();
    let found: Vec<_> = accounts
        .rows
        .iter()
        .map(|a| (a.name.as_str(), a.signing_keys.len()))
        .collect();
    assert_eq!(found, [("keys", 2), ("staff", 2), ("sys", 1)]);
    assert!(!accounts.rows[0].confirmed);
    assert_eq!(accounts.rows[0].issued_at, BEGINNING);
    let operator = credentials::operator(&world.ledger).unwrap();
    assert_eq!(
        (operator.name.as_str(), operator.title.as_str()),
        ("acme", "Acme")
    );
}

#[test]
fn lists_by_name_come_in_pages() {
    let people = ["ann", "bob", "cyd"].map(crate::support::person);
    let world = given(people).world();
    let ask = |after: Option<&str>| -> Page<_> {
        let query = ListQuery {
            limit: Some(2),
            after: after.map(name),
        };
        principals::principals(&world.ledger, &query, Budget::default()).unwrap()
    };
    let first = ask(None);
    assert_eq!(
        (first.rows.len(), first.total, first.next.as_deref()),
        (2, 3, Some("bob"))
    );
    let second = ask(Some("bob"));
    assert_eq!((second.rows[0].name.as_str(), second.next), ("cyd", None));
    assert_eq!(ask(Some("bo")).rows[0].name.as_str(), "bob");
}

#[test]
fn a_moment_is_written_to_the_millisecond() {
    assert_eq!(
        Timestamp::from_ms(1).to_string(),
        "1970-01-01T00:00:00.001Z"
    );
}

#[test]
fn a_token_is_shown_with_its_keys_and_its_task() {
    use crate::support::{Say, provision, provisioned, say, token};
    let world = given(provisioned("person")).world();
    let row = tokens::token(&world.ledger, &name("12345678")).unwrap();
    assert_eq!(
        (row.state.as_str(), row.revision),
        (
            "provisioned",
            world.ledger.tokens().next().unwrap().1.head.revision
        )
    );
    assert_eq!(
        (row.principal, row.profile),
        (Some(name("ann")), Some(name("person")))
    );
    assert_eq!(
        (row.workstation, row.proved_at),
        (Some(name("desk")), Some(BEGINNING))
    );
    assert!(row.secrets_in_custody && row.task.is_none() && row.fault.is_none());
    assert!(row.last_task.is_some_and(|task| task.done));
    let places: Vec<_> = row
        .keys
        .iter()
        .map(|k| (k.place.as_str(), k.state.as_str()))
        .collect();
    let expected = [
        "piv.9a",
        "piv.9c",
        "piv.9d",
        "piv.9e",
        "openpgp.sign",
        "openpgp.encrypt",
        "openpgp.authenticate",
    ];
    assert_eq!(places, expected.map(|place| (place, "active")));
    assert!(row.keys[0].certificate_serial.is_some() && row.keys[0].not_after.is_some());
    assert!(row.keys[4].certificate_serial.is_none());
    // A task under way, and the keys made for it.
    let again = [
        provision("service"),
        say(Say::Begin(Stage::Keys)),
        say(Say::Make(2, false)),
    ];
    let world = given(provisioned("person").into_iter().chain(again)).world();
    let row = tokens::token(&world.ledger, &name("12345678")).unwrap();
    let task = row.task.unwrap();
    assert_eq!(
        (task.kind.as_str(), task.step),
        ("provision", Some(Stage::Keys))
    );
    assert!(row.keys.len() == 3 && row.keys.iter().all(|k| k.state == "pre-active"));
    // What went wrong is said.
    let world = given(
        provisioned("person")
            .into_iter()
            .chain([token("lose", json!({}))]),
    )
    .world();
    let row = tokens::token(&world.ledger, &name("12345678")).unwrap();
    assert!(row.state == "lost" && row.keys.iter().all(|k| k.state == "compromised"));
    assert!(tokens::token(&world.ledger, &name("7")).is_none());
    let json = serde_json::to_value(&row).unwrap();
    assert_eq!(
        serde_json::from_value::<tokens::TokenRow>(json).unwrap(),
        row
    );
}

#[test]
fn tokens_are_listed_in_pages() {
    use crate::support::{surroundings, token_of};
    let enrolled = (1..=5).map(|serial| token_of(serial, "enrol", json!({})));
    let world = given(surroundings().into_iter().chain(enrolled)).world();
    let query = |json: Value| parse_payload::<ListQuery>(json.to_string().as_bytes()).unwrap();
    let page = tokens::tokens(
        &world.ledger,
        &query(json!({ "limit": 3 })),
        Budget::default(),
    )
    .unwrap();
    let serials: Vec<_> = page.rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!((serials, page.total), (vec!["1", "2", "3"], 5));
    assert!(page.rows.iter().all(|row| row.state == "enrolled"));
}

#[test]
fn a_page_of_large_rows_fits_a_message() {
    use crate::support::{announcement, surroundings, token_of};
    let mut world = given(surroundings()).world();
    for serial in 1..=60 {
        let mut shown = announcement(serial);
        let slot = shown.slots[0].clone();
        shown.slots = (0x82..=0x95)
            .map(|n| {
                let slot = slot.clone();
                let public_key = "A".repeat(1_024).into();
                let n = keyledger_domain::token::Slot::new(n).unwrap();
                keyledger_domain::token::SlotShown {
                    slot: n,
                    public_key,
                    ..slot
                }
            })
            .collect();
        let decision = world.announced("desk", shown).unwrap();
        let stamp = crate::support::stamp(keyledger_domain::VerifiedBy::Subject);
        world.write(decision, &stamp, &keyledger_domain::record::Why::default());
        world.run(&token_of(serial, "enrol", json!({}))).unwrap();
    }
    let (mut query, mut found, mut pages) = (ListQuery::default(), 0, 0);
    loop {
        let page = tokens::tokens(&world.ledger, &query, Budget::default()).unwrap();
        assert!(serde_json::to_vec(&page).unwrap().len() < 1_000_000);
        (found, pages) = (found + page.rows.len(), pages + 1);
        let Some(next) = page.next else { break };
        query.after = Some(name(&next));
    }
    assert!(found == 60 && pages > 1, "{found} on {pages}");
}
