//! The OpenPGP half of a person's token.

use keyledger_domain::{
    Algorithm,
    token::{Profile, Prompt, Report, Slot, TaskKind},
};
use keyledger_testkit::token::VirtualTokens;

use crate::{
    desk::{Kill, TestDesk},
    end::assert_provisioned,
};

fn person() -> TestDesk {
    TestDesk::with_task(TaskKind::Provision, Profile::shipped("person"))
}

/// Only what this is about, and the PIV key that vouches, so that a walk is short.
fn openpgp_only(algorithms: [Algorithm; 3], touch: bool) -> Profile {
    let mut profile = Profile::shipped("person").unwrap();
    profile.piv.retain(|slot, _| *slot == Slot::AUTHENTICATION);
    profile
        .piv
        .values_mut()
        .for_each(|plan| plan.certificate = None);
    let plan = profile.openpgp.as_mut().unwrap();
    let subkeys = [&mut plan.sign, &mut plan.encrypt, &mut plan.authenticate];
    for (subkey, algorithm) in subkeys.into_iter().zip(algorithms) {
        subkey.algorithm = algorithm;
        subkey.touch = touch;
        subkey.escrow &= algorithm == Algorithm::X25519;
    }
    profile
}

#[test]
fn a_person_gets_both_applets_with_one_pin() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = person();
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
        // PIV: two keys, for request and proof; OpenPGP: three, for the proof.
        let touches = desk.prompts.iter().filter(|p| **p == Prompt::Touch);
        assert_eq!(touches.count(), 7);

        desk.file(TaskKind::Verify);
        let before = token.state();
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
        let after = token.state();
        assert_eq!(after.openpgp.sign, before.openpgp.sign);
        assert_eq!(after.openpgp.decrypt, before.openpgp.decrypt);
    });
}

#[test]
fn nist_curves_prove_themselves_too() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let profile = openpgp_only([Algorithm::P256; 3], false);
        let mut desk = TestDesk::with_task(TaskKind::Provision, Some(profile));
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
        assert_eq!(token.state().touches, 0);
    });
}

#[test]
fn a_walk_killed_at_any_call_keeps_the_keys_that_it_reported() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let algorithms = [Algorithm::Ed25519, Algorithm::X25519, Algorithm::Ed25519];
        for moment in 1.. {
            let profile = openpgp_only(algorithms, true);
            let mut desk = TestDesk::with_task(TaskKind::Provision, Some(profile));
            desk.kill_at = Some(Kill::After(moment));
            let ended = desk.walk(&token).is_ok();
            desk.kill_at = None;
            if ended {
                assert!(moment > 15, "a walk has more calls than {moment}");
                break;
            }
            desk.walk_to_proof(&token);
            assert_provisioned(&desk, &token);
        }
    });
}

/// Custody's key is on the card after any crash, and in no journal; what is asked for again is asked for with a new curve key.
#[test]
fn a_key_of_custody_is_imported_whenever_the_agent_is_killed_and_kept_nowhere() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let algorithms = [Algorithm::Ed25519, Algorithm::X25519, Algorithm::Ed25519];
        for moment in 1.. {
            let profile = openpgp_only(algorithms, false);
            let mut desk = TestDesk::with_task(TaskKind::Provision, Some(profile));
            desk.kill_at = Some(Kill::Before(moment));
            let ended = desk.walk(&token).is_ok();
            desk.kill_at = None;
            if !ended {
                desk.walk_to_proof(&token);
            }
            assert_provisioned(&desk, &token);
            let scalar = desk.service.escrowed.scalar();
            let holds = |bytes: &[u8]| bytes.windows(32).any(|w| w == scalar.expose());
            assert!(!desk.journal().values().any(|kept| holds(kept)));
            let asked = desk.reports.iter().filter_map(|report| match report {
                Report::EscrowWanted(wanted) => Some(&wanted.seal_to),
                _ => None,
            });
            let receivers: std::collections::BTreeSet<_> = asked.clone().collect();
            assert_eq!(receivers.len(), asked.count());
            if ended {
                assert_eq!(desk.service.given, 1);
                break;
            }
        }
    });
}

#[test]
fn a_key_that_somebody_left_on_the_card_gives_way_to_that_of_custody() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let algorithms = [Algorithm::Ed25519, Algorithm::X25519, Algorithm::Ed25519];
        let mut profile = openpgp_only(algorithms, false);
        profile.openpgp.as_mut().unwrap().encrypt.escrow = false;
        let mut desk = TestDesk::with_task(TaskKind::Provision, Some(profile.clone()));
        desk.walk_to_proof(&token);
        assert!(token.state().openpgp.decrypt.unwrap().generated);
        // The same task again, as if its journal were full and the profile another: nothing is reset, only the key is wrong.
        profile.openpgp.as_mut().unwrap().encrypt.escrow = true;
        desk.service.task.profile = Some(profile);
        desk.service.keys_made.clear();
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
    });
}

#[test]
fn secrets_are_rotated_and_a_pin_unblocked_in_both_applets_and_a_reset_empties_both() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = person();
        desk.walk_to_proof(&token);
        desk.file(TaskKind::RotateSecrets);
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
        desk.file(TaskKind::Unblock);
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
        desk.file(TaskKind::Reset);
        desk.walk_to_proof(&token);
        let state = token.state().openpgp;
        assert!(state.pin_is_factory && state.admin_pin_is_factory);
        assert_eq!(
            (state.sign, state.decrypt, state.authenticate),
            (None, None, None)
        );
    });
}
