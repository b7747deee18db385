//! The OpenPGP half of a person's token.

use keyledger_agent::walk::WalkEnd;
use keyledger_domain::{
    Algorithm,
    token::{Profile, Prompt, Report, Slot, TaskKind},
};
use keyledger_testkit::token::{Fault, VirtualTokens, When};

use crate::{
    desk::{Kill, TestDesk},
    end::assert_provisioned,
};

fn person() -> TestDesk {
    TestDesk::with_task(TaskKind::Provision, Profile::shipped("person"))
}

/// A short profile: OpenPGP, and the one PIV key that signs the request for custody's key.
pub(crate) fn openpgp_only(algorithms: [Algorithm; 3], touch: bool) -> Profile {
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

/// After any crash, custody's key is on the card and in no journal. Each request for it uses a new curve key.
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

/// With a single try, none is left to find out whether a change of the admin PIN took effect before it was cut off.
#[test]
fn an_admin_pin_with_a_single_try_is_not_blocked_by_a_pull() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let algorithms = [Algorithm::Ed25519, Algorithm::X25519, Algorithm::Ed25519];
        let mut profile = openpgp_only(algorithms, false);
        profile.openpgp.as_mut().unwrap().retries = 1;
        // CHANGE REFERENCE DATA is PUK, PIN, admin PIN in a provisioning; PUK, admin PIN in a rotation. Then the PIN by the admin's, and the
        // retries, once or twice.
        let provisioning = [(0x24, 3), (0x2c, 1), (0xf2, 1)];
        let rotation = [(0xf2, 1), (0xff, 1), (0x24, 1), (0x24, 2), (0xf2, 2)];
        let cuts = |all: &[(u8, u32)]| {
            let both = |(instruction, nth)| {
                [When::Before, When::After].map(|when| (instruction, nth, when))
            };
            all.iter().copied().flat_map(both).collect::<Vec<_>>()
        };
        let mut desk = TestDesk::with_task(TaskKind::Provision, Some(profile.clone()));
        let hand = token.clone();
        desk.while_waiting = Some(Box::new(move || hand.insert()));
        for (kind, cuts) in [
            (TaskKind::Provision, cuts(&provisioning)),
            (TaskKind::RotateSecrets, cuts(&rotation)),
        ] {
            for (instruction, nth, when) in cuts {
                desk.file(kind);
                if kind == TaskKind::Provision {
                    desk.service.keys_made.clear();
                }
                token.fault(Fault::Remove {
                    instruction,
                    nth,
                    when,
                });
                desk.walk_to_proof(&token);
                let state = token.state();
                assert_eq!(state.faults_left, 0, "{kind:?} {instruction:02x} {nth}");
                assert_provisioned(&desk, &token);
                let openpgp = state.openpgp;
                let left = (openpgp.pin_tries_left, openpgp.admin_pin_tries_left);
                assert_eq!(left, (1, 1), "{kind:?} {instruction:02x} {nth} {when:?}");
            }
        }
    });
}

/// The task was cancelled and its journal is gone. The number of tries of the admin PIN shows that it is not known which one is set.
#[test]
fn an_admin_pin_with_a_single_try_is_found_again_after_a_rotation_that_was_cancelled() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let algorithms = [Algorithm::Ed25519, Algorithm::X25519, Algorithm::Ed25519];
        let mut profile = openpgp_only(algorithms, false);
        profile.openpgp.as_mut().unwrap().retries = 1;
        let mut desk = TestDesk::with_task(TaskKind::Provision, Some(profile));
        desk.walk_to_proof(&token);
        for (instruction, nth) in [(0xf2, 1), (0xff, 1), (0x24, 1), (0x24, 2), (0xf2, 2)] {
            for when in [When::Before, When::After] {
                desk.file(TaskKind::RotateSecrets);
                token.fault(Fault::Remove {
                    instruction,
                    nth,
                    when,
                });
                desk.patience.interruptions = 0;
                let end = desk.walk(&token).unwrap();
                assert!(matches!(end, WalkEnd::Failed { .. }), "{end:?}");
                desk.patience.interruptions = 50;
                token.insert();
                for kind in [TaskKind::Unblock, TaskKind::RotateSecrets] {
                    desk.file(kind);
                    desk.walk_to_proof(&token);
                }
                assert_provisioned(&desk, &token);
                let left = token.state().openpgp.admin_pin_tries_left;
                assert_eq!(left, 1, "{instruction:02x} {nth} {when:?}");
            }
        }
    });
}
