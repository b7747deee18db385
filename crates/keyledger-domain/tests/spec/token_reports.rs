//! What agents report of tokens: once, for themselves, and no more than there can be.

use keyledger_domain::token::{Applet, FailureCode, Report, Serial, Step as Stage};
use serde_json::json;

use crate::support::{
    SERIAL, Say, Step, Told, announcement, forged, given, provisioned, revoke_user, say, shown,
    surroundings, then, token, token_of, under_way, walked,
};

#[test]
fn an_agent_announces_a_token_once() {
    given(surroundings())
        .when(say(Say::Announce))
        .then(["token 12345678 announced"])
        .given()
        .when(say(Say::Announce))
        .then_nothing()
        .given()
        .when(Step::Told(Told {
            serial: SERIAL,
            workstation: "till",
            say: Say::Announce,
            forge: |_, _| {},
        }))
        .then(["token 12345678 announced"])
        .given()
        .when(forged(Say::Announce, |reported, _| {
            shown(reported).pin_tries = Some(2);
        }))
        .then(["token 12345678 announced"]);
}

#[test]
fn a_task_whose_token_nobody_vouches_for_changes_nothing() {
    let unknown = forged(Say::Attester, |_, found| {
        found.findings.attester = Some("no trusted authority is called CN=Far".into());
    });
    given(then(under_way(), [say(Say::Begin(Stage::Taken))]))
        .when(unknown)
        .then_rejected(
            "bad_value",
            "field attester: no trusted authority is called CN=Far",
        )
        .given()
        .when(say(Say::Attester))
        .then_nothing()
        .given()
        .when(forged(Say::Attester, |reported, _| {
            if let Report::AttesterShown(shown) = &mut reported.report {
                shown.attester = "no base64!".into();
            }
        }))
        .then_rejected("bad_value", "base64 on one line is expected");
}

#[test]
fn a_report_that_comes_twice_adds_nothing() {
    let walk = walked(1);
    for at in [0, 1, 2, 4, 5, 6] {
        let said = walk[..=at].to_vec();
        given(then(under_way(), said))
            .when(walk[at].clone())
            .then_nothing();
    }
    // Nor does a step that lies behind.
    given(then(under_way(), walked(1)))
        .when(say(Say::Begin(Stage::Secrets)))
        .then_nothing();
    given(provisioned("service"))
        .when(say(Say::Prove))
        .then_rejected("task_not_open", "it has ended");
}

#[test]
fn nobody_reports_for_another() {
    let at_the_till = |say| {
        Step::Told(Told {
            serial: SERIAL,
            workstation: "till",
            say,
            forge: |_, _| {},
        })
    };
    for said in [
        Say::Begin(Stage::Taken),
        Say::Seal,
        Say::Make(1, false),
        Say::Prove,
        Say::Fail(FailureCode::Held),
    ] {
        given(under_way())
            .when(at_the_till(said.clone()))
            .then_rejected("task_not_open", "for this agent");
        given(then(under_way(), [revoke_user("desk")]))
            .when(say(said.clone()))
            .then_rejected("unauthorised", "no live agent's");
        given(then(under_way(), [token("cancel", json!({}))]))
            .when(say(said.clone()))
            .then_rejected("task_not_open", "no such task");
        given(under_way())
            .when(forged(said.clone(), |reported, _| {
                reported.task = Some(uuid::Uuid::from_u128(7));
            }))
            .then_rejected("task_not_open", "no such task");
        given(under_way())
            .when(forged(said, |reported, _| {
                reported.agent = "UNOBODY".into()
            }))
            .then_rejected("unauthorised", "no live agent's");
    }
}

#[test]
fn a_report_is_about_the_token_that_it_names() {
    given(under_way())
        .when(forged(Say::Prove, |reported, _| {
            crate::support::evidence(reported).serial = Serial::new(7).unwrap();
        }))
        .then_rejected("bad_value", "another token's");
}

#[test]
fn an_agent_does_not_fill_the_ledger_with_tokens() {
    let of = |serial| {
        Step::Told(Told {
            serial,
            workstation: "desk",
            say: Say::Announce,
            forge: |_, _| {},
        })
    };
    let many = (1..=64).map(of);
    let full = then(surroundings(), many);
    given(full.clone())
        .when(of(65))
        .then_rejected("limit_reached", "nobody enrolled");
    // What is known may still be shown, and who is enrolled makes room.
    given(full.clone()).when(of(64)).then_nothing();
    given(then(full, [token_of(3, "enrol", json!({}))]))
        .when(of(65))
        .then(["token 65 announced"]);
}

#[test]
fn an_agent_takes_no_more_tokens_over_than_it_may_announce() {
    let of = |serial, workstation| {
        Step::Told(Told {
            serial,
            workstation,
            say: Say::Announce,
            forge: |_, _| {},
        })
    };
    let many = (1..=64).map(|serial| of(serial, "desk"));
    let full = then(
        then(surroundings(), [of(100, "till"), of(101, "till")]),
        many,
    );
    given(full.clone())
        .when(of(100, "desk"))
        .then_rejected("limit_reached", "nobody enrolled");
    // One that somebody enrolled is plugged in wherever its holder is.
    given(then(full, [token_of(101, "enrol", json!({}))]))
        .when(of(101, "desk"))
        .then(["token 101 announced"]);
}

#[test]
fn what_should_be_base64_or_hex_is_nothing_else() {
    for odd in ["AAAA\nAAAA", "AA AA", "\u{202e}AAAA", "\u{1b}[2J", "-_-_"] {
        let mut world = given(surroundings()).world();
        let mut announced = announcement(SERIAL);
        announced.slots[0].public_key = odd.into();
        let no = world.announced("desk", announced).unwrap_err();
        assert_eq!(no.reason(), "bad_value", "{odd:?}");
        assert!(no.to_string().contains("base64"), "{no}");
    }
    let proved = then(under_way(), walked(1));
    given(proved.clone())
        .when(forged(Say::Prove, |reported, _| {
            crate::support::evidence(reported).slots[0].proof = "a\n".into();
        }))
        .then_rejected("bad_value", "base64");
    given(proved)
        .when(forged(Say::Prove, |reported, _| {
            crate::support::evidence(reported).slots[2].certificate_sha256 = Some("a\n".into());
        }))
        .then_rejected("bad_value", "hex");
}

#[test]
fn what_no_token_shows_is_refused() {
    type Forge = fn(&mut keyledger_domain::token::Announcement);
    let faults: [(Forge, &str, &str); 4] = [
        (
            |s| s.applets = vec![Applet::Piv; 9],
            "limit_reached",
            "applets",
        ),
        (
            |s| s.slots = vec![s.slots[0].clone(); 25],
            "limit_reached",
            "slots",
        ),
        (
            |s| s.slots = vec![s.slots[0].clone(); 2],
            "bad_value",
            "twice",
        ),
        (
            |s| s.slots[0].public_key = "A".repeat(1_025).into(),
            "bad_value",
            "at most 1024",
        ),
    ];
    for (change, reason, words) in faults {
        let mut world = given(surroundings()).world();
        let mut announced = announcement(SERIAL);
        change(&mut announced);
        let no = world.announced("desk", announced).unwrap_err();
        assert_eq!(no.reason(), reason);
        assert!(no.to_string().contains(words), "{no}");
    }
}
