//! Keys that decrypt: made once for a principal, on each of its tokens, and in custody when the tokens are gone.

use keyledger_domain::{
    Aggregate, Algorithm,
    key::{Custodian, State},
    ledger::ReportFacts,
    token::{
        EscrowWanted, Phase, PinPolicy, Profile, Report, Reported, Serial, Slot, SlotFinding,
        Step as Stage,
    },
};
use serde_json::json;

use crate::support::{
    Say, Step, Told, World, assigned, attestation, command, curve_key, evidence, forged, given,
    key, name, new_escrow, provision, provisioned, say, then, token, token_of, walked,
};

const SECOND: u32 = 87_654_321;

/// What the agent says of ann's second token.
fn of_second(say: Say) -> Step {
    Step::Told(Told {
        serial: SECOND,
        workstation: "desk",
        say,
        forge: |_, _| {},
    })
}

/// The second token of ann, provisioned as the first.
fn second(run: u8) -> Vec<Step> {
    let profile = Profile::shipped("person").unwrap();
    let body = json!({ "workstation": "desk", "profile": profile });
    [
        of_second(Say::Announce),
        token_of(SECOND, "enrol", json!({})),
        token_of(SECOND, "assign", json!({ "principal": "ann" })),
        token_of(SECOND, "provision", body),
        of_second(Say::Escrow),
        of_second(Say::Seal),
        of_second(Say::Make(run, true)),
        of_second(Say::Prove),
    ]
    .into()
}

fn encrypts(world: &World, serial: u32) -> String {
    let keys = &world.token_of(serial).keys;
    let on_it = keys.iter().find(|key| &*key.place == "openpgp.encrypt");
    on_it.unwrap().key.to_string()
}

fn asked() -> Vec<Step> {
    then(assigned(), [provision("person"), say(Say::Escrow)])
}

#[test]
fn a_key_is_made_once_and_given_as_often_as_it_is_asked_for() {
    let given_once = given(then(assigned(), [provision("person")]))
        .when(say(Say::Escrow))
        .then([
            "token 12345678 escrowed_key_released",
            "key openpgp-0000000000000001 generated",
            "key openpgp-0000000000000001 activated",
            "principal ann key_escrowed",
        ]);
    let made = given_once.world.key("openpgp-0000000000000001");
    assert_eq!(made.custodian, Custodian::Software);
    assert_eq!(made.owner, Some(name("ann")));
    assert_eq!(made.entries().count(), 1);
    given_once
        .given()
        .when(say(Say::Escrow))
        .then(["token 12345678 escrowed_key_released"]);
    // Two tokens asked at once, and each had one made.
    given(asked())
        .when(forged(Say::Escrow, |_, found| {
            found.escrow = Some(new_escrow(99));
        }))
        .then_rejected("name_taken", "openpgp-0000000000000001");
}

#[test]
fn only_a_provision_with_escrow_is_given_a_key() {
    given(then(assigned(), [provision("service")]))
        .when(say(Say::Escrow))
        .then_rejected("unauthorised", "given no key of custody");
    for verb in ["verify", "reset", "unblock", "rotate-secrets"] {
        given(
            provisioned("person")
                .into_iter()
                .chain([token(verb, json!({}))]),
        )
        .when(say(Say::Escrow))
        .then_rejected("unauthorised", "given no key of custody");
    }
    given(then(assigned(), [provision("person")]))
        .when(forged(Say::Escrow, |reported, _| {
            if let Report::EscrowWanted(wanted) = &mut reported.report {
                wanted.seal_to = "SXAAAA".into();
            }
        }))
        .then_rejected("compromised", "that is the SEED of an nkey");
}

#[test]
fn a_key_of_custody_goes_to_nobody_for_whom_no_key_of_the_token_vouches() {
    let forgeries: [fn(&mut Reported, &mut ReportFacts); 7] = [
        |r, _| wanted(r).slot = Slot::new(0x82).unwrap(),
        |_, f| f.findings.slots.clear(),
        |_, f| vouching(f).attested = Err("no root".into()),
        |_, f| vouching(f).proved = Some(false),
        |_, f| vouching(f).proved = None,
        |_, f| attestation(f, Slot::AUTHENTICATION).serial = Serial::new(SECOND).unwrap(),
        |_, f| attestation(f, Slot::AUTHENTICATION).pin = PinPolicy::Never,
    ];
    for (at, forge) in forgeries.into_iter().enumerate() {
        given(then(assigned(), [provision("person")]))
            .when(forged(Say::Escrow, forge))
            .then(["token 12345678 quarantined"])
            .and(|ledger| {
                assert!(
                    ledger.reader().escrowed_for(&name("ann")).is_none(),
                    "forgery {at}"
                );
            });
    }
}

fn wanted(reported: &mut Reported) -> &mut EscrowWanted {
    match &mut reported.report {
        Report::EscrowWanted(wanted) => wanted,
        other => panic!("{} asks for no key", other.name()),
    }
}

fn vouching(found: &mut ReportFacts) -> &mut SlotFinding {
    let finding = found.findings.slots.get_mut(&Slot::AUTHENTICATION);
    finding.unwrap()
}

#[test]
fn a_key_that_only_agrees_vouches_for_nobody() {
    let mut profile = Profile::shipped("person").unwrap();
    let plan = profile.piv.get_mut(&Slot::KEY_MANAGEMENT).unwrap();
    (plan.algorithm, plan.certificate) = (Algorithm::X25519, None);
    let body = json!({ "workstation": "desk", "profile": profile });
    given(then(assigned(), [token("provision", body)]))
        .when(forged(Say::Escrow, |r, f| {
            wanted(r).slot = Slot::KEY_MANAGEMENT;
            let finding = vouching(f).clone();
            f.findings.slots.insert(Slot::KEY_MANAGEMENT, finding);
        }))
        .then(["token 12345678 quarantined"]);
}

#[test]
fn a_token_holds_that_very_key_or_is_quarantined() {
    // It made one itself, and asked for none.
    given(then(assigned(), [provision("person")]))
        .when(say(Say::Make(1, true)))
        .and(|ledger| {
            assert_eq!(
                ledger.tokens().next().unwrap().1.state.phase,
                Phase::Quarantined
            )
        });
    for at in 0..3 {
        let forge: fn(&mut _, &mut _) = match at {
            0 => |r, _| made(r).fingerprint = "f".repeat(40).into(),
            1 => |r, _| made(r).created_at += 1,
            _ => |r, _| made(r).public_key = new_escrow(7).escrowed.public_key,
        };
        let world = given(then(asked(), [forged(Say::Make(1, true), forge)])).world();
        assert_eq!(world.token().phase, Phase::Quarantined, "forgery {at}");
        // It was given to who does not tell the truth.
        assert_eq!(world.state("openpgp-0000000000000001"), State::Compromised);
    }
    let other = forged(Say::Prove, |r, _| {
        evidence(r).openpgp[1].fingerprint = "f".repeat(40).into();
    });
    let world = given(then(then(asked(), walked(1)), [other])).world();
    assert_eq!(world.token().phase, Phase::Quarantined);
}

fn made(reported: &mut Reported) -> &mut keyledger_domain::token::OpenpgpKeyMade {
    match &mut reported.report {
        Report::KeysMade(made) => &mut made.openpgp[1],
        other => panic!("{} names no keys", other.name()),
    }
}

#[test]
fn two_tokens_of_a_person_hold_one_key_until_one_of_them_is_lost() {
    let mut world = given(then(provisioned("person"), second(1))).world();
    let first = encrypts(&world, crate::support::SERIAL);
    assert_eq!(encrypts(&world, SECOND), first);
    assert_eq!(world.state(&first), State::Active);
    world.run(&token("lose", json!({}))).unwrap();
    assert_eq!(world.state(&first), State::Compromised);
    assert_eq!(
        world.key(&first).entries().count(),
        1,
        "old mail can be read"
    );
    // What is provisioned next gets another.
    for step in second(2).into_iter().skip(3) {
        world.run(&step).unwrap();
    }
    let next = encrypts(&world, SECOND);
    assert_ne!(next, first);
    assert_eq!(world.state(&next), State::Active);
    assert_eq!(world.state(&first), State::Compromised);
}

#[test]
fn custody_keeps_what_a_reset_takes_from_a_token() {
    let reset = [token("reset", json!({})), say(Say::Prove)];
    let world = given(then(provisioned("person"), reset)).world();
    assert_eq!(world.token().phase, Phase::Enrolled);
    assert!(world.token().imported.is_none());
    let escrowed = world.ledger.reader().escrowed_for(&name("ann")).unwrap();
    assert_eq!(world.state(escrowed.key.as_str()), State::Active);
    let again = [provision("person"), say(Say::Escrow)];
    let steps = then(then(provisioned("person"), again), walked(2));
    let again = given(then(steps, [say(Say::Prove)])).world();
    assert_eq!(again.token().phase, Phase::Provisioned);
    assert_eq!(
        encrypts(&again, crate::support::SERIAL),
        escrowed.key.as_str()
    );
}

#[test]
fn a_lost_token_takes_the_key_along_that_it_was_given_whatever_came_of_the_task() {
    for end in ["cancel", "lose"] {
        let begun = [say(Say::Begin(Stage::Keys)), token(end, json!({}))];
        let mut world = given(then(asked(), begun)).world();
        if end == "cancel" {
            assert_eq!(world.state("openpgp-0000000000000001"), State::Active);
            world.run(&token("lose", json!({}))).unwrap();
        }
        assert_eq!(world.state("openpgp-0000000000000001"), State::Compromised);
    }
    // A reset took it away before.
    let mut world = given(then(asked(), [token("cancel", json!({}))])).world();
    for step in [
        token("reset", json!({ "workstation": "desk" })),
        say(Say::Prove),
        token("lose", json!({})),
    ] {
        world.run(&step).unwrap();
    }
    assert_eq!(world.state("openpgp-0000000000000001"), State::Active);
}

#[test]
fn a_key_that_ended_meanwhile_makes_no_token_provisioned() {
    let ended = key(
        "deactivate",
        "openpgp-0000000000000001",
        json!({ "reason": "r" }),
    );
    given(then(then(asked(), walked(1)), [ended]))
        .when(say(Say::Prove))
        .then_rejected("unauthorised", "not active any more");
}

#[test]
fn a_key_that_tokens_hold_is_not_rotated() {
    let rotate = key("rotate", "openpgp-0000000000000001", json!({}));
    given(asked())
        .when(rotate)
        .then_rejected("no_material", "tokens hold it");
}

#[test]
fn a_key_is_recovered_by_its_name_or_as_the_newest_also_when_the_tokens_are_gone() {
    let recover = |body| command(Aggregate::Principal, "recover-key", "ann", body);
    let asks = json!({ "reason": "r", "seal_to": curve_key() });
    let lost = then(provisioned("person"), [token("lose", json!({}))]);
    given(lost)
        .when(recover(asks.clone()))
        .then(["principal ann key_recovered"]);
    let key = "openpgp-0000000000000001";
    given(provisioned("person"))
        .when(recover(
            json!({ "reason": "r", "seal_to": curve_key(), "key": key }),
        ))
        .then(["principal ann key_recovered"]);
    given(provisioned("person"))
        .when(recover(
            json!({ "reason": "r", "seal_to": curve_key(), "key": "12345678-9a-1" }),
        ))
        .then_rejected("bad_value", "custody has made no such key for ann");
    given(assigned())
        .when(recover(asks))
        .then_rejected("bad_value", "custody has made no such key for ann");
    given(provisioned("person"))
        .when(recover(json!({ "reason": "r", "seal_to": "SXAAAA" })))
        .then_rejected("compromised", "that is the SEED of an nkey");
}
