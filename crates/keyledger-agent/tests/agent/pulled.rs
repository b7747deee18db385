//! The token is pulled in mid-command, and plugged in again.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use keyledger_domain::token::Prompt;
use keyledger_testkit::token::{Fault, Token, VirtualTokens, When};

use crate::{desk::TestDesk, end::assert_provisioned};

/// The instructions of a walk, and how many of each are pulled at: the first ones, which differ in what went before.
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
                        pulled_once(&token, instruction, nth, when);
                    }
                }
            })
        });
        for walk in walks {
            walk.join().unwrap();
        }
    });
}

fn pulled_once(token: &Token, instruction: u8, nth: u32, when: When) {
    let mut desk = TestDesk::provision("service");
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

#[test]
fn another_token_in_its_place_is_left_alone() {
    VirtualTokens::in_front_of(2, |tokens| {
        let (token, other) = (tokens.token(0), tokens.token(1));
        token.remove();
        let before = other.state();
        let mut desk = TestDesk::provision("service");
        let (hand, mut looks) = (token.clone(), 0);
        desk.while_waiting = Some(Box::new(move || {
            looks += 1;
            if looks == 3 {
                hand.insert();
            }
        }));
        desk.walk_to_proof(&token);
        assert_eq!(desk.prompts[0], Prompt::InsertToken);
        assert_provisioned(&desk, &token);
        let after = other.state();
        assert_eq!(after.slots, before.slots);
        assert!(after.pin_is_factory && after.puk_is_factory);
        let told = |instruction| after.operations.get(&instruction).copied();
        assert_eq!(told(0x20), None, "no PIN was given to it");
    });
}
