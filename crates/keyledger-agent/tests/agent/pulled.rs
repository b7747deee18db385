//! The token is pulled during a command, and plugged in again.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use keyledger_agent::walk::WalkEnd;
use keyledger_domain::token::{FailureCode, Profile, Prompt, Slot, TaskKind};
use keyledger_testkit::token::{Fault, Token, VirtualTokens, When};

use crate::{desk::TestDesk, end::assert_provisioned};

/// The instructions of a walk, and at how many of each the token is pulled: the first ones, because they differ in what came before.
const MOMENTS: [(u8, u32); 11] = [
    (0xa4, 4), // SELECT
    (0x20, 3), // VERIFY
    (0x24, 4), // CHANGE REFERENCE DATA
    (0xfb, 1), // RESET
    (0xfa, 1), // SET PIN RETRIES
    (0xff, 1), // SET MANAGEMENT KEY
    (0x87, 4), // GENERAL AUTHENTICATE
    (0x47, 2), // GENERATE
    (0xf9, 2), // ATTEST
    (0xdb, 1), // PUT DATA
    (0xf7, 3), // METADATA
];

#[test]
fn a_token_pulled_at_any_command_goes_on_when_it_is_back() {
    VirtualTokens::in_front_of(2, |tokens| {
        let walks = [When::Before, When::After].map(|when| {
            let token = tokens.token(usize::from(when == When::After));
            std::thread::spawn(move || {
                for (instruction, times) in MOMENTS {
                    for nth in 1..=times {
                        let desk = TestDesk::provision("service");
                        pulled_once(desk, &token, instruction, nth, when);
                    }
                }
            })
        });
        for walk in walks {
            walk.join().unwrap();
        }
    });
}

fn pulled_once(mut desk: TestDesk, token: &Token, instruction: u8, nth: u32, when: When) {
    token.fault(Fault::Remove {
        instruction,
        nth,
        when,
    });
    let back = Arc::new(AtomicUsize::new(0));
    let hand = (token.clone(), Arc::clone(&back));
    desk.while_waiting = Some(Box::new(move || {
        if !hand.0.state().inserted {
            hand.0.insert();
            hand.1.fetch_add(1, Ordering::Relaxed);
        }
    }));
    desk.walk_to_proof(token);
    let place = format!("{instruction:02x} number {nth} {when:?}");
    assert_eq!(back.load(Ordering::Relaxed), 1, "pulled once at {place}");
    assert_provisioned(&desk, token);
}

/// The instructions whose answers are cut off, each at several lengths: less than a status, and more.
const CUT_OFF: [u8; 9] = [0xfd, 0xf8, 0xf7, 0xf9, 0xcb, 0x47, 0x24, 0x20, 0x87];

/// Half an answer must not make the walk report that the token is broken.
#[test]
fn an_answer_that_a_pull_cuts_off_is_a_pull() {
    VirtualTokens::in_front_of(2, |tokens| {
        let walks = [0, 1].map(|index| {
            let token = tokens.token(index);
            std::thread::spawn(move || {
                for instruction in CUT_OFF {
                    for bytes in [index, index + 2] {
                        let mut desk = TestDesk::provision("service");
                        token.fault(Fault::CutOff {
                            instruction,
                            nth: 2,
                            bytes,
                        });
                        let hand = token.clone();
                        desk.while_waiting = Some(Box::new(move || hand.insert()));
                        desk.walk_to_proof(&token);
                        let left = token.state().faults_left;
                        assert_eq!(left, 0, "{instruction:02x} at {bytes} bytes");
                        assert_provisioned(&desk, &token);
                    }
                }
            })
        });
        for walk in walks {
            walk.join().unwrap();
        }
    });
}

/// The instructions of OpenPGP's part, as above.
const OPENPGP_MOMENTS: [(u8, u32); 9] = [
    (0xe6, 1), // TERMINATE
    (0x44, 1), // ACTIVATE
    (0xf2, 1), // SET PIN RETRIES
    (0x24, 2), // CHANGE REFERENCE DATA
    (0xda, 6), // PUT DATA: the reset code, then what makes a key one
    (0xf9, 2), // ATTEST: the key that vouches
    (0x47, 3), // GENERATE: the key that vouches, then OpenPGP's
    (0x2a, 2), // sign, decipher
    (0x88, 1), // INTERNAL AUTHENTICATE
];

#[test]
fn a_token_pulled_while_openpgp_is_set_up_goes_on_when_it_is_back() {
    VirtualTokens::in_front_of(2, |tokens| {
        let walks = [When::Before, When::After].map(|when| {
            let token = tokens.token(usize::from(when == When::After));
            std::thread::spawn(move || {
                let mut profile = Profile::shipped("person").unwrap();
                // The key that signs the request for custody's key.
                profile.piv.retain(|slot, _| *slot == Slot::AUTHENTICATION);
                profile.piv.values_mut().for_each(|p| p.certificate = None);
                for (instruction, times) in OPENPGP_MOMENTS {
                    for nth in 1..=times {
                        let task = (TaskKind::Provision, Some(profile.clone()));
                        let desk = TestDesk::with_task(task.0, task.1);
                        pulled_once(desk, &token, instruction, nth, when);
                    }
                }
            })
        });
        for walk in walks {
            walk.join().unwrap();
        }
    });
}

#[test]
fn a_token_that_becomes_another_in_mid_task_stops_everything() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("person");
        let hand = token.clone();
        let serial = 2_000_001;
        desk.when_shown = Some(Box::new(move |prompt| {
            if prompt == Prompt::Touch {
                hand.fault(Fault::PosesAsSerial { serial });
            }
        }));
        let end = desk.walk(&token).unwrap();
        let WalkEnd::Failed { code, detail } = end else {
            panic!("{end:?}");
        };
        assert_eq!(code, FailureCode::SerialChanged);
        assert!(detail.contains("2000001"), "{detail}");
        assert!(
            desk.service.keys_made.is_empty(),
            "nothing of it was reported"
        );
        assert!(desk.service.evidence.is_none());
    });
}

#[test]
fn another_token_in_its_place_is_left_alone() {
    VirtualTokens::in_front_of(2, |tokens| {
        let (token, other) = (tokens.token(0), tokens.token(1));
        token.remove();
        let before = other.state();
        let mut desk = TestDesk::provision("service");
        // The walk repeats what is missing. The answers tell it that the task was cancelled.
        let (hand, mut said) = (token.clone(), 0);
        desk.when_shown = Some(Box::new(move |prompt| {
            said += usize::from(prompt == Prompt::InsertToken);
            if said == 2 {
                hand.insert();
            }
        }));
        desk.walk_to_proof(&token);
        assert_eq!(desk.prompts[..2], [Prompt::InsertToken; 2]);
        assert_provisioned(&desk, &token);
        let after = other.state();
        assert_eq!(after.slots, before.slots);
        assert!(after.pin_is_factory && after.puk_is_factory);
        let told = |instruction| after.operations.get(&instruction).copied();
        assert_eq!(told(0x20), None, "no PIN was given to it");
    });
}
