//! A key and its certificates: how long it lives for them, how one is revoked, when an authority's key may go.

use keyledger_domain::{
    Aggregate, Command, Timestamp,
    key::{self, RevocationReason, Serial},
    views::{Budget, InventoryQuery, InventorySort, ending, inventory, row},
};
use serde_json::{Value, json};

use crate::support::{
    BEGINNING, Step, World, active, authority, far_authority, far_key, generate, given, history,
    install, key, name, please, revoke,
};

fn day(n: i64) -> Timestamp {
    BEGINNING.plus_days(n)
}

/// A root for twenty years, made with its certificate in one command.
fn root(id: &str) -> Step {
    let certify = json!({ "subject": "Root", "days": 7_300, "path_length": 1 });
    let body = json!({
        "algorithm": "p-384", "purposes": ["certify"], "activate": true, "certify": certify,
    });
    key("generate", id, body)
}

fn certify(id: &str, more: Value) -> Step {
    let mut body = json!({ "subject": "Orders", "issuer": "root" });
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    key("certify", id, body)
}

/// The public key of a P-256 key that nobody has.
fn p256_key(n: u8) -> String {
    let start = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
    let mut der = data_encoding::HEXLOWER.decode(start.as_bytes()).unwrap();
    der.extend([n; 64]);
    data_encoding::BASE64.encode(&der)
}

fn serial_of(world: &World, id: &str) -> String {
    world
        .key(id)
        .certificates()
        .next_back()
        .unwrap()
        .serial
        .to_string()
}

fn revoke_certificate(id: &str, serial: &str, why: &str) -> Step {
    let body = json!({ "reason": "because", "serial": serial, "revocation_reason": why });
    key("revoke-certificate", id, body)
}

#[test]
fn a_key_lives_as_long_as_its_certificates() {
    let then = given([]).when(root("root")).then([
        "key root generated",
        "key root activated",
        "key root certified",
        "key root scheduled",
    ]);
    assert_eq!(then.world.key("root").protect_stop_at, Some(day(7_300)));
    // A leaf of three years, over a key that would have ended after two and a half.
    let then = then
        .given()
        .when(active("orders"))
        .given()
        .when(certify("orders", json!({ "days": 1_095 })))
        .then(["key orders certified", "key orders scheduled"]);
    assert_eq!(then.world.key("orders").protect_stop_at, Some(day(1_095)));
    let then = then.given().when(Step::Later(1_000)).given();
    let then = then.when(Step::Tick);
    assert_eq!(then.world.state("orders").as_str(), "active");
    assert_eq!(then.world.state("root").as_str(), "active");
    // Shorter than the key, it moves nothing.
    given([root("root"), active("orders")])
        .when(certify("orders", json!({ "days": 30 })))
        .then(["key orders certified"]);
}

#[test]
fn what_was_certified_before_its_activation_lives_as_long_too() {
    let then = given([
        root("root"),
        generate("orders"),
        certify("orders", json!({ "days": 1_095 })),
    ])
    .when(please("activate", "orders"));
    then.given()
        .when(Step::Tick)
        .then(["key orders scheduled"])
        .and(|ledger| {
            let key = &ledger.key(&name("orders")).unwrap().state;
            assert_eq!(key.protect_stop_at, Some(day(1_095)));
        });
}

#[test]
fn a_root_elsewhere_lives_as_long_as_its_certificate() {
    let then = given([far_key("far-ca")])
        .when(install("far-ca", None, json!({ "until": 7_300 })))
        .then(["key far-ca certified", "key far-ca scheduled"]);
    assert_eq!(then.world.key("far-ca").protect_stop_at, Some(day(7_300)));
    // The same in one command, under a name that is taken for nothing less.
    let certificate = json!({ "serial": "1", "from": 0, "until": 7_300, "authority": true });
    let body = json!({
        "algorithm": "p-256", "public_key": p256_key(1), "purposes": ["certify"],
        "activate": true, "install": { "certificate": certificate.to_string() },
    });
    given([]).when(key("register", "far-ca", body)).then([
        "key far-ca registered",
        "key far-ca activated",
        "key far-ca certified",
        "key far-ca scheduled",
    ]);
}

#[test]
fn a_key_comes_to_be_with_its_certificate_or_not_at_all() {
    let born = |more: Value| {
        let mut certify = json!({ "subject": "Root", "days": 7_300, "path_length": 1 });
        certify
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let body = json!({
            "algorithm": "p-384", "purposes": ["certify"], "activate": true, "certify": certify,
        });
        key("generate", "root", body)
    };
    for (more, reason, words) in [
        (json!({ "path_length": 5 }), "out_of_range", "0 to 4"),
        (json!({ "days": 7_301 }), "out_of_range", "1 to 7300"),
        (json!({ "days": 0 }), "out_of_range", "1 to 7300"),
        (json!({ "until": day(1) }), "bad_value", "not both"),
        (json!({ "issuer": "nobody" }), "not_found", "nobody"),
        (
            json!({ "usages": vec!["client_auth"; 7] }),
            "limit_reached",
            "usages",
        ),
    ] {
        let then = given([]).when(born(more));
        then.then_rejected(reason, words)
            .and(|ledger| assert!(ledger.key(&name("root")).is_none()));
    }
    let long = json!({ "days": null, "until": day(7_301) });
    given([])
        .when(born(long))
        .then_rejected("bad_date", "7,300 days");
    let past = json!({ "days": null, "until": day(0) });
    given([])
        .when(born(past))
        .then_rejected("bad_date", "not in the future");
    // The key must be one that can certify.
    let body = json!({
        "algorithm": "ed25519", "activate": true, "certify": { "subject": "Root", "days": 30, "path_length": 0 },
    });
    given([])
        .when(key("generate", "root", body))
        .then_rejected("bad_value", "must be active, in custody");
}

#[test]
fn of_an_issuer_elsewhere_a_key_comes_to_be_if_its_certificate_could_be_asked_for() {
    let issuing = |issuer: &str, length: u8| {
        let certify =
            json!({ "subject": "Issuing", "issuer": issuer, "days": 30, "path_length": length });
        let body = json!({
            "algorithm": "p-384", "purposes": ["certify"], "activate": true, "certify": certify,
        });
        key("generate", "issuing", body)
    };
    let far = || [far_key("far-ca"), install("far-ca", None, json!({}))];
    given(far())
        .when(issuing("far-ca", 0))
        .then(["key issuing generated", "key issuing activated"]);
    given(far())
        .when(issuing("far-ca", 9))
        .then_rejected("out_of_range", "0 to 4");
}

#[test]
fn its_dates_can_be_extended_while_it_is_active_and_not_cut_below_its_certificates() {
    let world = || given([root("root"), Step::Later(100)]);
    world()
        .when(key(
            "schedule",
            "root",
            json!({ "protect_stop_at": day(7_400) }),
        ))
        .then(["key root scheduled"]);
    world()
        .when(key(
            "schedule",
            "root",
            json!({ "protect_stop_at": day(2_000) }),
        ))
        .then_rejected("bad_date", "a certificate over it holds longer");
    // What may not process that long is not certified that long.
    let dates = json!({ "algorithm": "ed25519", "process_stop_at": day(100) });
    given([root("root"), key("generate", "k", dates)])
        .when(certify("k", json!({ "days": 101 })))
        .then_rejected("bad_date", "recipient-usage period ends before");
}

#[test]
fn rotation_is_not_asked_for_where_it_is_refused() {
    let mut world = given([root("root"), Step::Later(7_000)]).world();
    world.run(&Step::Tick).unwrap();
    assert!(!world.key("root").rotation_overdue);
    let row = row(&world.ledger, &name("root")).unwrap();
    assert_eq!(row.rotation_due_at, None);
    given([root("root")])
        .when(please("rotate", "root"))
        .then_rejected("in_use", "the certificates it signed");
}

#[test]
fn the_end_that_a_clock_makes_is_no_revocation() {
    let ended = given([active("k"), Step::Later(1_000)]).when(Step::Tick);
    assert!(
        ended
            .and_state("k", "deactivated")
            .world
            .key("k")
            .ended_by_clock()
    );
    let by_hand = given([active("k"), Step::Later(10)]).when(please("deactivate", "k"));
    assert!(!by_hand.world.key("k").ended_by_clock());
    let revoked = given([active("k"), Step::Later(10)]).when(revoke("k", "superseded"));
    assert!(!revoked.world.key("k").ended_by_clock());
}

#[test]
fn a_root_renews_its_own_certificate_and_goes_on() {
    let renew = json!({ "subject": "Root", "days": 7_300, "path_length": 1 });
    let then = given([root("root"), Step::Later(7_000)])
        .when(key("certify", "root", renew.clone()))
        .then(["key root certified", "key root scheduled"]);
    assert_eq!(then.world.key("root").protect_stop_at, Some(day(14_300)));
    let then = then
        .given()
        .and([Step::Later(400), Step::Tick])
        .when(active("orders"));
    let then = then.given().when(certify("orders", json!({ "days": 90 })));
    then.then(["key orders certified"]);
    for (change, reason, words) in [
        (json!({ "issuer": "root" }), "bad_value", "without `issuer`"),
        (
            json!({ "path_length": null }),
            "bad_value",
            "how many authorities",
        ),
        (json!({ "path_length": 5 }), "out_of_range", "0 to 4"),
        (json!({ "days": 7_301 }), "out_of_range", "7300"),
    ] {
        let mut body = renew.clone();
        let change = change.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(change);
        given([root("root")])
            .when(key("certify", "root", body))
            .then_rejected(reason, words);
    }
}

#[test]
fn a_root_elsewhere_is_asked_for_its_next_certificate_and_no_new_key_for_its_first() {
    let world = given(far_authority("far")).and([far_key("new")]).world();
    let wanted: key::Certification = serde_json::from_value::<key::Certify>(
        json!({ "subject": "Far", "days": 90, "path_length": 1 }),
    )
    .unwrap()
    .certification();
    let check = |id| {
        world
            .ledger
            .reader()
            .check_certify_elsewhere(&name(id), &wanted, world.now)
    };
    assert_eq!(check("far"), Ok(()));
    let said = check("new").unwrap_err().to_string();
    assert!(said.contains("offline ca-init"), "{said}");
}

#[test]
fn the_newest_certificate_that_holds_signs() {
    let short = json!({ "serial": "2", "until": 30 });
    let long = json!({ "serial": "1", "until": 365 });
    let world = given([
        far_key("far-ca"),
        install("far-ca", None, long),
        install("far-ca", None, short),
    ])
    .world();
    let key = world.key("far-ca");
    let at = |n| key.authority_at(day(n)).map(|c| &*c.serial);
    assert_eq!(at(29), Some("2"));
    assert_eq!(at(31), Some("1"));
    assert_eq!(at(365), None);
    // A list may still be asked for: under the one that held last.
    assert_eq!(&*key.lists_under(day(400)).unwrap().serial, "1");
}

#[test]
fn two_authorities_may_use_one_serial_number() {
    let far = |id: &str| [far_key(id), install(id, None, json!({ "serial": "1" }))];
    let leaf = |id: &str, issuer: &str| {
        install(
            id,
            Some(issuer),
            json!({ "serial": "77", "authority": false }),
        )
    };
    let mut steps: Vec<_> = far("far-a").into();
    let mut other = crate::support::far_key("far-b");
    if let Step::Command { json, .. } = &mut other {
        json["public_key"] = json!(p256_key(2));
    }
    steps.extend([
        other,
        install("far-b", None, json!({ "serial": "1" })),
        active("orders"),
        active("bills"),
        leaf("orders", "far-a"),
    ]);
    given(steps)
        .when(leaf("bills", "far-b"))
        .then(["key bills certified"])
        .given()
        .when(leaf("bills", "far-a"))
        .then_rejected("bad_value", "77 was used before, over key orders");
}

#[test]
fn a_compromise_is_not_dated_before_the_key() {
    let told = |id: &str, field: &str, at: &str| {
        let body = json!({ "reason": "x", "revocation_reason": "key_compromise", field: at });
        key("revoke", id, body)
    };
    for field in ["compromise_occurred_at", "compromise_detected_at"] {
        given([active("k")])
            .when(told("k", field, "0226-11-20T00:00:00Z"))
            .then_rejected("bad_date", "before 1970");
        given([active("k")])
            .when(told("k", field, "2006-01-01T00:00:00Z"))
            .then_rejected("bad_date", "not made yet");
        given([crate::support::register("k")])
            .when(told("k", field, "1969-12-31T23:59:59Z"))
            .then_rejected("bad_date", "before 1970");
    }
    given([active("k")])
        .when(told("k", "compromise_occurred_at", &day(-1).to_string()))
        .then(["key k revoked"]);
    // Of a key that is kept elsewhere nobody here knows since when it is there.
    given([crate::support::register("k")])
        .when(told("k", "compromise_occurred_at", "2006-01-01T00:00:00Z"))
        .then(["key k revoked"]);
}

#[test]
fn one_certificate_is_revoked_and_its_key_goes_on() {
    let world = given([
        root("root"),
        active("orders"),
        certify("orders", json!({ "days": 90 })),
        certify("orders", json!({ "days": 30 })),
    ]);
    let newest = serial_of(&world.clone().world(), "orders");
    let spelt = newest.to_uppercase();
    let then = world
        .when(revoke_certificate("orders", &spelt, "superseded"))
        .then(["key orders certificate_revoked"])
        .and_state("orders", "active");
    let key = then.world.key("orders");
    let revoked: Vec<_> = key
        .certificates()
        .filter_map(|c| key.revocation_of(c))
        .map(|r| (r.serial.to_string(), r.reason))
        .collect();
    assert_eq!(revoked, [(newest.clone(), RevocationReason::Superseded)]);
    assert_eq!(key.certified_until(), Some(day(90)));
    let seen = row(&then.world.ledger, &name("orders")).unwrap();
    assert_eq!(seen.revoked_certificates, std::slice::from_ref(&newest));
    assert_eq!(seen.certificate.unwrap().not_after, day(90));
    // Again for the same reason: no harm. For another: it says what stands there.
    let then = then
        .given()
        .when(revoke_certificate("orders", &newest, "superseded"))
        .then_nothing();
    then.given()
        .when(revoke_certificate("orders", &newest, "privilege_withdrawn"))
        .then_rejected("bad_value", "already, for superseded");
}

#[test]
fn what_is_no_certificate_to_be_revoked_is_refused() {
    let steps = [
        root("root"),
        active("orders"),
        certify("orders", json!({ "days": 90 })),
    ];
    let world = given(steps);
    let (leaf, own) = {
        let world = world.clone().world();
        (serial_of(&world, "orders"), serial_of(&world, "root"))
    };
    for (id, serial, why, words) in [
        (
            "orders",
            "abcdef",
            "superseded",
            "no certificate over this key",
        ),
        (
            "orders",
            leaf.as_str(),
            "key_compromise",
            "a compromise is of the key",
        ),
        (
            "root",
            own.as_str(),
            "superseded",
            "the root's own certificate",
        ),
    ] {
        world
            .clone()
            .when(revoke_certificate(id, serial, why))
            .then_rejected("bad_value", words);
    }
    world
        .clone()
        .when(Step::Later(91))
        .given()
        .when(revoke_certificate("orders", &leaf, "superseded"))
        .then_rejected("bad_date", "it has expired");
    world
        .when(revoke("orders", "superseded"))
        .given()
        .when(revoke_certificate("orders", &leaf, "superseded"))
        .then_rejected("not_allowed", "revoke-certificate");
}

#[test]
fn a_serial_number_is_read_as_openssl_writes_it() {
    let read = |text: &str| text.parse::<Serial>().map(|s| s.to_string()).ok();
    assert_eq!(read("4F:0A:bc"), Some("4f0abc".to_owned()));
    assert_eq!(read("0x00f"), Some("0f".to_owned()));
    for bad in ["", "0", "xyz", "12 34", &"f".repeat(41)] {
        assert_eq!(read(bad), None, "{bad}");
    }
}

#[test]
fn an_authority_whose_certificate_was_revoked_certifies_no_more() {
    let body = json!({ "algorithm": "p-384", "purposes": ["certify"], "activate": true });
    let steps = [
        root("root"),
        key("generate", "issuing", body),
        certify("issuing", json!({ "days": 90, "path_length": 0 })),
        active("orders"),
    ];
    let world = given(steps);
    let serial = serial_of(&world.clone().world(), "issuing");
    world
        .when(revoke_certificate("issuing", &serial, "superseded"))
        .given()
        .when(certify(
            "orders",
            json!({ "issuer": "issuing", "days": 30 }),
        ))
        .then_rejected("bad_value", "it is no authority, or no more");
}

#[test]
fn an_authority_is_destroyed_once_nothing_it_issued_holds() {
    let ended = || {
        given([
            root("root"),
            active("orders"),
            certify("orders", json!({ "days": 90 })),
            please("deactivate", "root"),
        ])
    };
    ended()
        .when(please("destroy", "root"))
        .then_rejected("in_use", "the certificates it issued");
    ended()
        .when(Step::Later(91))
        .given()
        .when(please("destroy", "root"))
        .then(["key root destroyed"]);
    // The list of a compromised one proves nothing.
    ended()
        .when(revoke("root", "ca_compromise"))
        .given()
        .when(please("destroy", "root"))
        .then(["key root destroyed"]);
    // Its own certificate holds it back from nothing.
    given([root("root"), please("deactivate", "root")])
        .when(please("destroy", "root"))
        .then(["key root destroyed"]);
}

#[test]
fn a_certificate_that_ends_soon_is_among_what_expires() {
    let world = given([
        root("root"),
        active("orders"),
        certify("orders", json!({ "days": 20 })),
        active("bills"),
    ])
    .world();
    let query = InventoryQuery {
        expiring_days: Some(30),
        prefix: None,
        ..InventoryQuery::default()
    };
    let found = inventory(&world.ledger, &query, world.now, Budget::default()).unwrap();
    let names: Vec<_> = found.rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["orders"]);
    assert_eq!(found.rows[0].certified_until, Some(day(20)));
}

#[test]
fn a_row_says_when_the_last_certificate_ends_that_was_not_revoked() {
    let given = given([
        root("root"),
        active("orders"),
        certify("orders", json!({ "days": 20 })),
        active("bills"),
        certify("orders", json!({ "days": 200 })),
    ]);
    let world = given.world_ref();
    let until = |world: &World, id| row(&world.ledger, &name(id)).unwrap().certified_until;
    assert_eq!(until(world, "orders"), Some(day(200)));
    assert_eq!(until(world, "bills"), None);
    let sorted = InventoryQuery {
        sort: Some(InventorySort::CertifiedUntil),
        prefix: Some(name("or")),
        ..InventoryQuery::default()
    };
    let found = inventory(&world.ledger, &sorted, world.now, Budget::default()).unwrap();
    assert_eq!(found.rows[0].name, name("orders"));
    assert!(ending(&world.ledger, world.now, 30).is_empty());
    // Once the longer one is revoked, the shorter one counts: in the row, in what expires, and in what `doctor` says.
    let longer = serial_of(world, "orders");
    let world = given
        .and([revoke_certificate("orders", &longer, "superseded")])
        .world();
    assert_eq!(until(&world, "orders"), Some(day(20)));
    let soon = InventoryQuery {
        expiring_days: Some(30),
        ..InventoryQuery::default()
    };
    let found = inventory(&world.ledger, &soon, world.now, Budget::default()).unwrap();
    assert_eq!(found.rows[0].name, name("orders"));
    let ends = ending(&world.ledger, world.now, 30);
    assert_eq!(ends[0].name, name("orders"));
}

#[test]
fn a_program_certifies_nothing_with_the_key_it_makes() {
    use keyledger_domain::{Aggregate, Command, ledger::Known, stamp::Role};
    let ledger = given(authority("ca")).world().ledger;
    let known = Known {
        user: name("orders"),
        role: Role::Service,
    };
    let certify = json!({ "subject": "Orders", "issuer": "ca", "days": 30 });
    for (verb, body) in [
        (
            "generate",
            json!({ "algorithm": "p-256", "certify": certify }),
        ),
        (
            "register",
            json!({ "algorithm": "p-256", "public_key": "x", "certify": certify }),
        ),
        (
            "register",
            json!({ "algorithm": "p-256", "public_key": "x", "install": { "certificate": "x" } }),
        ),
    ] {
        let (command, _) =
            Command::parse(Aggregate::Key, verb, body.to_string().as_bytes()).unwrap();
        let refused = ledger
            .reader()
            .authorise(&known, &name("orders"), command.any());
        let said = refused.unwrap_err().to_string();
        assert!(said.contains("a service may not certify"), "{said}");
    }
}

#[test]
fn a_name_of_a_certificate_is_what_its_field_says() {
    use keyledger_domain::{Aggregate, Command};
    for (more, words) in [
        (
            json!({ "dns_names": ["www.example.org", "127.0.0.1"] }),
            "field dns_names[1]: 127.0.0.1 is an IP address, not a host name; use ip_addresses",
        ),
        (
            json!({ "dns_names": ["a b"] }),
            "field dns_names[0]: \"a b\" is not a host name",
        ),
        (
            json!({ "dns_names": ["bücher.example"] }),
            "begins with xn--",
        ),
        (
            json!({ "ip_addresses": ["www.example.org"] }),
            "field ip_addresses[0]: \"www.example.org\" is not an IP address",
        ),
        (
            json!({ "emails": ["ada"] }),
            "field emails[0]: \"ada\" is not an e-mail address",
        ),
        (json!({ "serial": "x" }), "unknown field `serial`"),
    ] {
        let mut body = json!({ "subject": "Orders", "issuer": "ca", "days": 30 });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let payload = body.to_string();
        let refused = Command::parse(Aggregate::Key, "certify", payload.as_bytes());
        let said = refused.unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
    }
}

/// What the ledger says beside the acknowledgement of a command that was decided.
fn remarks(world: &World, aggregate: Aggregate, verb: &str, id: &str, body: Value) -> Vec<String> {
    let (command, _) = Command::parse(aggregate, verb, body.to_string().as_bytes()).unwrap();
    let target = history(aggregate, id);
    world.ledger.remarks(&target, command.any(), true)
}

#[test]
fn whoever_revokes_a_key_with_certificates_is_told_which_list_to_publish() {
    let said = |steps: Vec<Step>, id, why: &str| {
        let world = given(steps).and([revoke(id, why)]);
        let body = json!({ "reason": "because", "revocation_reason": why });
        remarks(world.world_ref(), Aggregate::Key, "revoke", id, body)
    };
    let small = || {
        vec![
            root("root"),
            active("web"),
            certify("web", json!({ "days": 90 })),
        ]
    };
    assert_eq!(
        said(small(), "web", "superseded"),
        ["publish the list of root anew: `keyledger ca crl root`"]
    );
    // What has no certificate needs none.
    assert_eq!(
        said(vec![active("plain")], "plain", "superseded"),
        Vec::<String>::new()
    );
    // Of an authority elsewhere the list is asked for.
    let leaf = install("k", Some("far-ca"), json!({ "authority": false }));
    let far = far_authority("far-ca").into_iter();
    let far = far.chain([active("k"), leaf]).collect();
    assert_eq!(
        said(far, "k", "key_compromise"),
        ["publish the list of far-ca anew: `keyledger ca crl far-ca --request crl.request`"]
    );
}

#[test]
fn whoever_gives_up_an_authority_is_told_what_stands_below() {
    let issuing = json!({ "subject": "Issuing", "path_length": 0, "days": 3_650 });
    let below = json!({ "subject": "Web", "issuer": "issuing", "days": 90 });
    let authority = json!({ "algorithm": "p-384", "purposes": ["certify"], "activate": true });
    let world = given([
        root("root"),
        key("generate", "issuing", authority),
        certify("issuing", issuing),
        active("web"),
        key("certify", "web", below),
        active("shop"),
        certify("shop", json!({ "days": 90 })),
        revoke("issuing", "ca_compromise"),
    ]);
    let body = json!({ "reason": "because", "revocation_reason": "ca_compromise" });
    let said = remarks(
        world.world_ref(),
        Aggregate::Key,
        "revoke",
        "issuing",
        body.clone(),
    );
    assert_eq!(
        said,
        [
            "publish the list of root anew: `keyledger ca crl root`",
            "keys with certificates below issuing, to be certified anew by another authority: 1 (`keyledger ca certificates \
             issuing` lists what it issued)",
        ]
    );
    let worthless = |world: &World| -> Vec<String> {
        let keys = world.ledger.worthlessly_certified(world.now);
        keys.into_iter().map(ToString::to_string).collect()
    };
    assert_eq!(worthless(world.world_ref()), ["web"]);
    // One that was certified anew since is no matter any more.
    let anew = world.and([certify("web", json!({ "days": 90 }))]);
    assert_eq!(worthless(anew.world_ref()), Vec::<String>::new());
    let all = anew.and([revoke("root", "ca_compromise")]);
    assert_eq!(worthless(all.world_ref()), ["shop", "web"]);
    let said = remarks(all.world_ref(), Aggregate::Key, "revoke", "root", body);
    assert_eq!(
        said[0],
        "root is a root, and no list names it: take its certificate out of wherever it is trusted"
    );
}

#[test]
fn a_certificate_that_moves_the_end_of_its_key_says_so() {
    let ends = json!({ "protect_stop_at": day(30) });
    let world = given([
        root("root"),
        active("orders"),
        key("schedule", "orders", ends),
        certify("orders", json!({ "days": 400 })),
    ]);
    let body = json!({ "subject": "Orders", "issuer": "root", "days": 400 });
    assert_eq!(
        remarks(world.world_ref(), Aggregate::Key, "certify", "orders", body),
        [format!(
            "the key now protects until {}, as its newest certificate says",
            day(400)
        )]
    );
}
