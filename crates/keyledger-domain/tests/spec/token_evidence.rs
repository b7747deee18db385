//! Evidence that is good but for one thing: each fault by the one forgery that reaches it, and what comes of it.

use std::collections::BTreeSet;

use keyledger_domain::{
    Algorithm,
    key::State,
    ledger::ReportFacts,
    token::{
        FailureCode, Firmware, OpenpgpRole, Phase, PinPolicy, Report, Reported, Serial, Slot,
        SlotFinding, Step as Stage, TouchPolicy,
    },
};
use serde_json::json;

use crate::support::{
    SERIAL, Say, Step, World, assigned, attestation, evidence, forged, given, key_on, provision,
    provisioned, say, token, walked,
};

type Forge = fn(&mut Reported, &mut ReportFacts);

const SIGNS: Slot = Slot::SIGNATURE;
const ENTERS: Slot = Slot::AUTHENTICATION;

fn finding(found: &mut ReportFacts) -> &mut SlotFinding {
    found.findings.slots.get_mut(&SIGNS).unwrap()
}

/// What is wrong with keys that were made.
const MADE: [(&str, Forge); 12] = [
    ("attestation", |_, f| {
        finding(f).attested = Err("an unknown root".into())
    }),
    ("serial", |_, f| {
        attestation(f, SIGNS).serial = Serial::new(7).unwrap()
    }),
    ("slot", |_, f| attestation(f, SIGNS).slot = ENTERS),
    ("pin_policy", |_, f| {
        attestation(f, SIGNS).pin = PinPolicy::Once
    }),
    ("touch_policy", |_, f| {
        attestation(f, SIGNS).touch = TouchPolicy::Never
    }),
    ("algorithm", |_, f| {
        attestation(f, SIGNS).public_key = key_on(Algorithm::P384, 1, "piv.9c", 1);
    }),
    ("request", |_, f| finding(f).requested = None),
    ("request", |_, f| {
        finding(f).requested = Some(Err("it is cut off".into()))
    }),
    ("request", |_, f| {
        finding(f).requested = Some(Ok("another key".into()))
    }),
    ("slots", |_, f| f.findings.doubled = Some(SIGNS)),
    ("slots", |_, f| drop(f.findings.slots.remove(&SIGNS))),
    ("openpgp", |r, _| {
        let Report::KeysMade(made) = &mut r.report else {
            return;
        };
        made.openpgp[0].algorithm = Algorithm::P256;
    }),
];

/// What is wrong with the evidence at the end.
const PROVED: [(&str, Forge); 27] = [
    ("nonce", |r, _| evidence(r).nonce = "b2xk".into()),
    ("factory", |r, _| evidence(r).factory_pin_refused = false),
    ("factory", |r, _| evidence(r).factory_puk_refused = false),
    ("factory", |r, _| {
        evidence(r).factory_management_key_refused = false
    }),
    ("slots", |_, f| f.findings.doubled = Some(SIGNS)),
    ("slots", |_, f| drop(f.findings.slots.remove(&SIGNS))),
    ("slots", |_, f| {
        let more = finding(f).clone();
        f.findings.slots.insert(Slot::new(0x82).unwrap(), more);
    }),
    // An imported key cannot be attested at all.
    ("attestation", |_, f| {
        finding(f).attested = Err("it was imported".into())
    }),
    ("serial", |_, f| {
        attestation(f, SIGNS).serial = Serial::new(7).unwrap()
    }),
    ("slot", |_, f| attestation(f, SIGNS).slot = ENTERS),
    ("pin_policy", |_, f| {
        attestation(f, SIGNS).pin = PinPolicy::Never
    }),
    ("touch_policy", |_, f| {
        attestation(f, SIGNS).touch = TouchPolicy::Cached
    }),
    ("algorithm", |_, f| {
        attestation(f, SIGNS).public_key = key_on(Algorithm::Ed25519, 1, "piv.9c", 1);
    }),
    ("other_key", |_, f| {
        attestation(f, SIGNS).public_key = key_on(Algorithm::P256, 1, "piv.9c", 9);
    }),
    ("firmware", |_, f| {
        attestation(f, SIGNS).firmware = Firmware::new(5, 4, 3)
    }),
    ("firmware", |r, _| {
        evidence(r).firmware = Firmware::new(5, 4, 3)
    }),
    ("proof", |_, f| finding(f).proved = Some(false)),
    ("proof", |_, f| finding(f).proved = None),
    ("certificate", |r, _| {
        evidence(r).slots[1].certificate_sha256 = None
    }),
    ("certificate", |r, _| {
        let other = evidence(r).slots[0].certificate_sha256.clone();
        evidence(r).slots[1].certificate_sha256 = other;
    }),
    ("openpgp", |r, _| drop(evidence(r).openpgp.pop())),
    ("openpgp", |r, _| {
        let twice = evidence(r).openpgp[0].clone();
        evidence(r).openpgp[1] = twice;
    }),
    ("openpgp", |r, _| evidence(r).openpgp[0].touch = false),
    ("openpgp", |r, _| {
        evidence(r).openpgp[0].fingerprint = "beef".into()
    }),
    ("openpgp", |r, _| {
        evidence(r).openpgp[0].public_key = key_on(Algorithm::Ed25519, 1, "openpgp.sign", 9);
    }),
    ("openpgp", |_, f| {
        *f.findings.openpgp.get_mut(&OpenpgpRole::Encrypt).unwrap() = false
    }),
    ("openpgp", |_, f| {
        f.findings
            .openpgp
            .retain(|role, _| *role != OpenpgpRole::Sign)
    }),
];

fn under_way() -> Vec<Step> {
    assigned()
        .into_iter()
        .chain([provision("person"), say(Say::Escrow)])
        .collect()
}

/// The fault for which the token went into quarantine.
#[track_caller]
fn quarantined(steps: Vec<Step>, step: Step) -> (String, World) {
    let mut world = given(steps).world();
    let proved: Vec<_> = world.token().keys.iter().map(|k| k.key.clone()).collect();
    let written = world.run(&step).unwrap();
    let keyledger_domain::Event::Token(keyledger_domain::token::Event::Quarantined(q)) =
        &written[0].event
    else {
        panic!("{} was written first", written[0].event.type_name())
    };
    let code = q.code.to_string();
    assert_eq!(world.token().phase, Phase::Quarantined);
    assert_eq!(world.token().fault.as_ref(), Some(&q.fault));
    assert!(world.token().task.is_none());
    // What was proved before waits; what the task made is given up.
    for on_it in world.token().all_keys() {
        // One of custody is on its holder's other tokens too.
        let of_custody = on_it.key.as_str().starts_with("openpgp-");
        let expected = match (proved.contains(&on_it.key), of_custody) {
            (true, false) => State::Suspended,
            (true, true) => State::Active,
            (false, _) => State::Compromised,
        };
        assert_eq!(world.state(on_it.key.as_str()), expected);
    }
    (code, world)
}

#[test]
fn each_forgery_of_keys_is_found() {
    given(under_way())
        .when(say(Say::Make(1, true)))
        .and(|ledger| {
            let token = ledger.tokens().next().unwrap().1;
            assert_eq!(token.state.task.as_ref().unwrap().keys.len(), 7);
        });
    for (at, (code, forge)) in MADE.into_iter().enumerate() {
        let (found, world) = quarantined(under_way(), forged(Say::Make(1, true), forge));
        assert_eq!(found, code, "forgery {at}");
        assert_eq!(
            world.token().keys_ever,
            0,
            "no key of it came into the ledger"
        );
    }
}

#[test]
fn each_forgery_of_evidence_is_found() {
    let walk: Vec<_> = under_way().into_iter().chain(walked(1)).collect();
    given(walk.clone())
        .when(say(Say::Prove))
        .and_state("12345678-9c-2", "active");
    for (at, (code, forge)) in PROVED.into_iter().enumerate() {
        let (found, world) = quarantined(walk.clone(), forged(Say::Prove, forge));
        assert_eq!(found, code, "forgery {at}");
        assert_eq!(
            world.token().keys.len(),
            7,
            "a reset must still destroy them"
        );
    }
}

#[test]
fn a_token_that_was_proved_is_held_to_it_again() {
    for verb in ["verify", "unblock", "rotate-secrets"] {
        let mut filed = provisioned("person");
        filed.extend([token(verb, json!({}))]);
        if verb == "rotate-secrets" {
            filed.push(say(Say::Seal));
        }
        for (at, (code, forge)) in PROVED.into_iter().enumerate() {
            let (found, _) = quarantined(filed.clone(), forged(Say::Prove, forge));
            assert_eq!(found, code, "{verb}, forgery {at}");
        }
    }
}

#[test]
fn evidence_of_an_old_task_serves_no_new_one() {
    let mut world = given(under_way().into_iter().chain(walked(1))).world();
    let (mut replayed, found) = world.honest(SERIAL, "desk", &Say::Prove);
    world.run(&say(Say::Prove)).unwrap();
    world.run(&token("verify", json!({}))).unwrap();
    replayed.task = Some(world.token().task.as_ref().unwrap().filed.task);
    let decision = world.report(replayed, found).unwrap();
    let (_, event) = &decision.events[0];
    let keyledger_domain::Event::Token(keyledger_domain::token::Event::Quarantined(q)) = event
    else {
        panic!("{} was decided", event.type_name())
    };
    assert_eq!(&*q.code, "nonce");
}

#[test]
fn a_reset_is_proved_by_the_factorys_state() {
    let faults: [(&str, Forge); 5] = [
        ("nonce", |r, _| evidence(r).nonce = "b2xk".into()),
        ("not_reset", |r, _| evidence(r).factory_pin_refused = true),
        ("not_reset", |r, _| evidence(r).factory_puk_refused = true),
        ("not_reset", |r, _| {
            evidence(r).factory_management_key_refused = true
        }),
        ("not_reset", |r, _| {
            evidence(r).slots.push(keyledger_domain::token::SlotProof {
                slot: SIGNS,
                attestation: "YQ==".into(),
                proof: "YQ==".into(),
                certificate_sha256: None,
            });
        }),
    ];
    let mut filed = provisioned("service");
    filed.push(token("reset", json!({})));
    for (code, forge) in faults {
        assert_eq!(
            quarantined(filed.clone(), forged(Say::Prove, forge)).0,
            code
        );
    }
}

#[test]
fn every_fault_is_reached() {
    let reached: BTreeSet<_> = MADE.iter().chain(&PROVED).map(|row| row.0).collect();
    let all = [
        "algorithm",
        "attestation",
        "certificate",
        "factory",
        "firmware",
        "nonce",
        "openpgp",
        "other_key",
        "pin_policy",
        "proof",
        "request",
        "serial",
        "slot",
        "slots",
        "touch_policy",
    ];
    // And `not_reset`, of a reset.
    assert_eq!(reached.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn a_certificate_that_was_not_made_is_no_fault_of_the_token() {
    given(under_way())
        .when(forged(Say::Make(1, false), |_, f| f.certificates.clear()))
        .then_rejected("bad_value", "no certificate was made for slot 9a");
    given(under_way())
        .when(forged(Say::Make(1, false), |_, f| {
            f.certificates.get_mut(&SIGNS).unwrap().public_key = "another".into();
        }))
        .then_rejected("bad_value", "no certificate was made for slot 9c");
    // The authority's own serial number.
    given(under_way())
        .when(forged(Say::Make(1, false), |_, f| {
            let certified = &mut f.certificates.get_mut(&SIGNS).unwrap().certified;
            certified.serial = "0000000000000004".into();
        }))
        .then_rejected("name_taken", "key ca");
}

#[test]
fn openpgp_keys_that_no_profile_has_are_a_fault() {
    let mut steps = assigned();
    steps.push(provision("service"));
    let (code, _) = quarantined(
        steps.clone(),
        forged(Say::Make(1, false), |r, _| {
            let Report::KeysMade(made) = &mut r.report else {
                return;
            };
            made.openpgp.push(keyledger_domain::token::OpenpgpKeyMade {
                role: OpenpgpRole::Sign,
                algorithm: Algorithm::Ed25519,
                public_key: key_on(Algorithm::Ed25519, 1, "openpgp.sign", 1),
                created_at: 0,
                fingerprint: "0".repeat(40).into(),
                bind: None,
            });
        }),
    );
    assert_eq!(code, "openpgp");
}

#[test]
fn what_is_too_long_is_refused_and_nothing_is_written() {
    let long: [(Say, Forge, &str); 6] = [
        (
            Say::Prove,
            |r, _| evidence(r).attester = "A".repeat(8_193).into(),
            "bad_value",
        ),
        (
            Say::Prove,
            |r, _| evidence(r).slots[0].proof = "A".repeat(1_025).into(),
            "bad_value",
        ),
        (
            Say::Prove,
            |r, _| {
                let one = evidence(r).slots[0].clone();
                evidence(r).slots = vec![one; 25];
            },
            "limit_reached",
        ),
        (
            Say::Prove,
            |r, _| {
                let one = evidence(r).openpgp[0].clone();
                evidence(r).openpgp = vec![one; 4];
            },
            "limit_reached",
        ),
        (
            Say::Make(1, true),
            |r, _| {
                let Report::KeysMade(made) = &mut r.report else {
                    return;
                };
                made.keys[0].request = Some("A".repeat(8_193).into());
            },
            "bad_value",
        ),
        (
            Say::Seal,
            |r, _| {
                let Report::SecretsSealed(sealed) = &mut r.report else {
                    return;
                };
                sealed.sealed = "A".repeat(5_465).into();
            },
            "bad_value",
        ),
    ];
    let walk: Vec<_> = under_way().into_iter().chain(walked(1)).collect();
    for (said, forge, reason) in long {
        given(walk.clone())
            .when(forged(said, forge))
            .then_rejected(reason, "at most");
    }
}

#[test]
fn a_failure_is_no_fault_of_the_evidence() {
    let mut steps = provisioned("service");
    steps.push(token("verify", json!({})));
    let world = given(steps)
        .when(say(Say::Fail(FailureCode::NotTouched)))
        .world;
    assert_eq!(world.token().phase, Phase::Provisioned);
    assert!(world.token().fault.is_some());
    let again = [
        token("verify", json!({})),
        say(Say::Begin(Stage::Proof)),
        say(Say::Prove),
    ];
    let mut world = world;
    for step in &again {
        world.run(step).unwrap();
    }
    assert!(
        world.token().fault.is_none(),
        "the last task did what it was for"
    );
}
