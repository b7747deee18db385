//! What cannot be done is said, in words that help.

use keyledger_agent::walk::WalkEnd;
use keyledger_custody::{ManagementKeyAlgorithm, TokenSecrets};
use keyledger_domain::token::{FailureCode, Profile, TaskKind};
use keyledger_testkit::token::{Fault, Firmware, Token, Touch, VirtualTokens};

use crate::{
    desk::{PIN, TestDesk},
    end::assert_provisioned,
};

fn failed(desk: &TestDesk, end: &WalkEnd) -> (FailureCode, String) {
    let WalkEnd::Failed { code, detail } = end else {
        panic!("it should have failed: {end:?}");
    };
    let reported = desk.service.failure.as_ref().expect("the service knows");
    assert_eq!(reported.code, *code);
    (*code, detail.clone())
}

#[test]
fn firmware_that_cannot_do_the_profile_is_refused_before_anything_is_touched() {
    VirtualTokens::in_front_of_firmware(1, Firmware(5, 4, 3), |tokens| {
        let token = tokens.token(0);
        let before = token.state();
        let mut profile = Profile::shipped("service").unwrap();
        let slot = "9d".parse().unwrap();
        profile.piv.get_mut(&slot).unwrap().algorithm = keyledger_domain::Algorithm::X25519;
        let mut desk = TestDesk::with_task(TaskKind::Provision, Some(profile));
        let end = desk.walk(&token).unwrap();
        let (code, detail) = failed(&desk, &end);
        assert_eq!(code, FailureCode::Unable);
        assert!(
            detail.contains("5.4.3") && detail.contains("x25519"),
            "{detail}"
        );
        let after = token.state();
        assert_eq!((after.slots, after.objects), (before.slots, before.objects));
        assert!(after.pin_is_factory);
    });
}

#[test]
fn a_blocked_pin_ends_a_verification_and_names_the_way_out() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        desk.file(TaskKind::Verify);
        desk.guesses = true;
        let end = desk.walk(&token).unwrap();
        let (code, _) = failed(&desk, &end);
        assert_eq!(code, FailureCode::PinBlocked);
        assert_eq!(
            desk.pins_asked, 5,
            "it was asked for as often as it may be wrong"
        );
        assert!(code.remedy().contains("token unblock"));
        assert_eq!(token.state().pin_tries_left, 0);
        let told: Vec<_> = desk.tries.iter().map(|t| (t.left, t.was_wrong)).collect();
        let expected = [(5, false), (4, true), (3, true), (2, true), (1, true)];
        assert_eq!(told, expected);
    });
}

/// A program that remembers PINs gives the wrong one again and again.
#[test]
fn the_same_wrong_pin_twice_costs_one_try() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        desk.file(TaskKind::Verify);
        desk.types = "31415926".to_owned();
        let end = desk.walk(&token).unwrap();
        let (code, detail) = failed(&desk, &end);
        assert_eq!(code, FailureCode::Declined);
        assert!(detail.contains("not tried again"), "{detail}");
        assert_eq!(desk.pins_asked, 2);
        assert_eq!(token.state().pin_tries_left, 4);
    });
}

#[test]
fn a_pin_blocked_while_it_is_provisioned_is_unblocked_by_its_own_puk() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        // Somebody else's hand: the token says that the PIN is blocked, once.
        token.fault(Fault::Answer {
            instruction: 0x20,
            nth: 12,
            status: 0x6983,
        });
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
        assert!(token.pin_is(PIN));
    });
}

/// Each is told how to go on, and that works: after a reset, the token is provisioned again.
fn assert_only_a_reset_helps(token: &Token, code: FailureCode) {
    assert!(code.remedy().contains("token reset"), "{}", code.remedy());
    let mut again = TestDesk::provision("service");
    again.walk_to_proof(token);
    assert_provisioned(&again, token);
}

#[test]
fn a_puk_that_is_not_custodys_cannot_unblock() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        let other = TokenSecrets::generate(ManagementKeyAlgorithm::Aes192, false).unwrap();
        desk.service.secrets = Some(other);
        for left in (0..5).rev() {
            desk.file(TaskKind::Unblock);
            let end = desk.walk(&token).unwrap();
            let (code, detail) = failed(&desk, &end);
            assert_eq!(code, FailureCode::PukBlocked, "{detail}");
            assert_eq!(token.state().puk_tries_left, left);
        }
        assert_only_a_reset_helps(&token, FailureCode::PukBlocked);
    });
}

#[test]
fn a_management_key_that_custody_does_not_have_cannot_be_rotated() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        let other = TokenSecrets::generate(ManagementKeyAlgorithm::Aes192, false).unwrap();
        desk.service.secrets = Some(other);
        desk.file(TaskKind::RotateSecrets);
        let end = desk.walk(&token).unwrap();
        let (code, _) = failed(&desk, &end);
        assert_eq!(code, FailureCode::ManagementKeyUnknown);
        assert_only_a_reset_helps(&token, code);
    });
}

#[test]
fn a_token_that_nobody_touches_is_waited_for_and_then_given_up() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        token.touch(Touch::TimedOut);
        let mut desk = TestDesk::provision("person");
        let end = desk.walk(&token).unwrap();
        let (code, detail) = failed(&desk, &end);
        assert_eq!(code, FailureCode::NotTouched);
        assert!(detail.contains("4 times"), "{detail}");
        assert!(!token.state().pin_is_factory);
    });
}

#[test]
fn an_answer_that_no_token_should_give_is_named_with_its_status() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        token.fault(Fault::Answer {
            instruction: 0x47,
            nth: 1,
            status: 0x6f00,
        });
        let mut desk = TestDesk::provision("service");
        let end = desk.walk(&token).unwrap();
        let (code, detail) = failed(&desk, &end);
        assert_eq!(code, FailureCode::Misbehaved);
        assert!(detail.contains("6f00"), "{detail}");
    });
}
