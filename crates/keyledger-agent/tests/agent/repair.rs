//! Tasks after the first: verify, unblock, rotate, reset.

use keyledger_domain::token::TaskKind;
use keyledger_testkit::token::VirtualTokens;

use crate::{
    desk::{Kill, TestDesk},
    end::assert_provisioned,
};

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
        desk.file(TaskKind::Verify);
        desk.guesses = true;
        desk.walk(&token).unwrap();
        assert_eq!(token.state().pin_tries_left, 0);

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
            let old = keyledger_custody::TokenSecrets::from_secret(&old.to_secret()).unwrap();
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
