//! The agent is killed at any moment: it ends the same.

use keyledger_agent::{desk::DeskError, walk::WalkError};
use keyledger_testkit::token::VirtualTokens;

use crate::{
    desk::{Kill, TestDesk},
    end::assert_provisioned,
};

#[test]
fn a_walk_killed_at_any_call_of_its_desk_ends_as_if_it_had_not_been() {
    VirtualTokens::in_front_of(2, |tokens| {
        let modes: [fn(usize) -> Kill; 2] = [Kill::Before, Kill::After];
        let walks = modes.map(|mode| {
            let token = tokens.token(usize::from(mode(1) == Kill::After(1)));
            std::thread::spawn(move || {
                let mut survived = 0;
                for moment in 1.. {
                    let mut desk = TestDesk::provision("service");
                    desk.kill_at = Some(mode(moment));
                    match desk.walk(&token) {
                        Err(WalkError::Desk(DeskError::Stopping)) => {}
                        Ok(_) => break,
                        other => panic!("killed at call {moment}: {other:?}"),
                    }
                    survived += 1;
                    let resets = desk.service.keys_made.len();
                    desk.kill_at = None;
                    desk.walk_to_proof(&token);
                    assert!(desk.service.keys_made.len() >= resets);
                    assert_provisioned(&desk, &token);
                }
                assert!(survived > 20, "a walk has more calls than {survived}");
            })
        });
        for walk in walks {
            walk.join().unwrap();
        }
    });
}
