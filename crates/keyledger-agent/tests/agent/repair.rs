//! Tasks after the first: verify, unblock, rotate, reset.

use keyledger_agent::walk::WalkEnd;
use keyledger_custody::TokenSecrets;
use keyledger_domain::token::{FailureCode, TaskKind};
use keyledger_testkit::token::{Fault, Token, Touch, VirtualTokens, When};

use crate::{
    desk::{Kill, TestDesk, piv_part},
    end::assert_provisioned,
};

/// This many wrong PINs block it.
fn block_the_pin(desk: &mut TestDesk, token: &Token) {
    desk.file(TaskKind::Verify);
    desk.guesses = true;
    desk.walk(token).unwrap();
    desk.guesses = false;
    assert_eq!(token.state().pin_tries_left, 0);
}

fn copy(secrets: &TokenSecrets) -> TokenSecrets {
    TokenSecrets::from_secret(&secrets.to_secret()).unwrap()
}

/// The task is cancelled: the secrets that it sealed are doubtful, and its journal is gone.
fn cancel(desk: &mut TestDesk) {
    desk.file(TaskKind::Verify);
}

#[test]
fn a_rotation_that_nobody_touches_has_changed_nothing() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("person");
        desk.walk_to_proof(&token);
        token.touch(Touch::TimedOut);
        desk.file(TaskKind::RotateSecrets);
        let end = desk.walk(&token).unwrap();
        assert!(
            matches!(
                &end,
                WalkEnd::Failed {
                    code: FailureCode::NotTouched,
                    ..
                }
            ),
            "{end:?}"
        );
        let proved = desk.service.secrets.as_ref().unwrap();
        assert!(token.management_key_is(proved.management_key.expose()));
        assert!(token.puk_is(std::str::from_utf8(proved.puk.expose()).unwrap()));

        token.touch(Touch::Given);
        desk.file(TaskKind::RotateSecrets);
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
    });
}

/// Wherever the task was cut off, custody has the secrets that the token has now. The management key tells which they are.
#[test]
fn a_rotation_that_was_cancelled_at_any_moment_strands_no_token() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        let mut cut_off = 0;
        for moment in 1.. {
            desk.file(TaskKind::RotateSecrets);
            desk.kill_at = Some(Kill::After(moment));
            let done = desk.walk(&token).is_ok();
            desk.kill_at = None;
            if done {
                break;
            }
            cut_off += 1;
            cancel(&mut desk);
            desk.file(TaskKind::RotateSecrets);
            desk.walk_to_proof(&token);
            assert_provisioned(&desk, &token);
        }
        assert!(cut_off > 10, "{cut_off}");
    });
}

/// The PUK was set or was not. The agent is given both PUKs, and the try that the wrong one costs is restored.
#[test]
fn a_pin_is_unblocked_after_rotations_that_failed() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        // The PUK is changed after the management key. The token is pulled before that, and after it.
        for when in [When::Before, When::After] {
            desk.file(TaskKind::RotateSecrets);
            token.fault(Fault::Remove {
                instruction: 0x24,
                nth: 1,
                when,
            });
            desk.patience.interruptions = 0;
            let end = desk.walk(&token).unwrap();
            assert!(matches!(end, WalkEnd::Failed { .. }), "{end:?}");
            desk.patience.interruptions = 50;
            token.insert();
        }
        assert_eq!(
            desk.service.before.len(),
            2,
            "of both it is not known which is set"
        );
        block_the_pin(&mut desk, &token);
        desk.file(TaskKind::Unblock);
        desk.walk_to_proof(&token);
        let state = token.state();
        assert_eq!((state.pin_tries_left, state.puk_tries_left), (5, 5));
        desk.file(TaskKind::RotateSecrets);
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
    });
}

#[test]
fn a_puk_with_a_single_try_is_not_blocked_by_a_pull() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut profile = piv_part("service");
        profile.pin.puk_retries = 1;
        let mut desk = TestDesk::with_task(TaskKind::Provision, Some(profile));
        desk.walk_to_proof(&token);
        // The change of the PUK; then each command by which it is set through the factory's: number of tries, PIN, PUK.
        for (instruction, nth) in [(0x24, 1), (0xfa, 1), (0x24, 2), (0x24, 3)] {
            for when in [When::Before, When::After] {
                desk.file(TaskKind::RotateSecrets);
                for (instruction, nth, when) in [(0x24, 1, When::After), (instruction, nth, when)] {
                    token.fault(Fault::Remove {
                        instruction,
                        nth,
                        when,
                    });
                }
                let hand = token.clone();
                desk.while_waiting = Some(Box::new(move || hand.insert()));
                desk.walk_to_proof(&token);
                assert_eq!(token.state().faults_left, 0, "{instruction:02x} {nth}");
                assert_provisioned(&desk, &token);
            }
        }
    });
}

/// The service files no such task, but a token's workstation may change meanwhile. Then the task must not stay open for ever.
#[test]
fn a_task_that_is_refused_the_secrets_ends_with_the_reason() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        let why = (
            "unauthorised",
            "a token's secrets go only to the workstation where it was last proved",
        );
        for kind in [TaskKind::Unblock, TaskKind::RotateSecrets] {
            desk.file(kind);
            desk.service.refuses_secrets = Some(why);
            let end = desk.walk(&token).unwrap();
            let told = desk
                .service
                .failure
                .as_ref()
                .expect("the service hears of it");
            assert_eq!(told.code, FailureCode::Refused, "{end:?}");
            assert!(told.detail.to_string().contains("last proved"), "{end:?}");
        }
    });
}

#[test]
fn a_verification_proves_again_and_changes_nothing() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("person");
        desk.walk_to_proof(&token);
        let before = token.state();
        desk.file(TaskKind::Verify);
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
        assert_eq!(desk.pins_asked, 1);
        let after = token.state();
        assert_eq!((after.slots, after.objects), (before.slots, before.objects));
    });
}

#[test]
fn a_blocked_pin_is_unblocked_with_the_puk_from_custody() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        block_the_pin(&mut desk, &token);
        desk.file(TaskKind::Unblock);
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
    });
}

#[test]
fn new_secrets_are_in_custody_before_they_are_on_the_token_wherever_it_is_killed() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        let puk = desk.service.secrets.as_ref().unwrap().puk.expose().to_vec();
        for moment in 1.. {
            let old = desk.service.secrets.as_ref().unwrap();
            let old = copy(old);
            desk.file(TaskKind::RotateSecrets);
            desk.kill_at = Some(Kill::After(moment));
            let done = desk.walk(&token).is_ok();
            desk.kill_at = None;
            // The service gives the secrets that it has marked as set: the old ones, until the task ends.
            if !done && !desk.journal().contains_key("secrets.old") {
                desk.service.secrets = Some(old);
            }
            desk.walk_to_proof(&token);
            assert_provisioned(&desk, &token);
            if done {
                break;
            }
        }
        assert!(!token.puk_is(std::str::from_utf8(&puk).unwrap()));
    });
}

#[test]
fn a_reset_token_is_as_the_factory_made_it_and_says_so() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        desk.file(TaskKind::Reset);
        desk.walk_to_proof(&token);
        assert_eq!(desk.resets_confirmed, 1);
        let evidence = desk.service.evidence.as_ref().unwrap();
        assert!(!evidence.factory_pin_refused && !evidence.factory_puk_refused);
        assert!(!evidence.factory_management_key_refused);
        let state = token.state();
        assert!(state.slots.is_empty() && state.objects.is_empty());
        assert!(state.pin_is_factory && state.management_key_is_factory);
    });
}
