//! The agent is killed at any moment, and the task ends the same.

use keyledger_agent::desk::DeskError;
use keyledger_testkit::token::VirtualTokens;

use keyledger_domain::token::{Report, Step, TaskKind};

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
                        Err(DeskError::Stopping) => {}
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

#[test]
fn keys_that_vanished_while_the_agent_was_away_are_made_reported_and_certified_again() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        let at_proof =
            |report: &Report| matches!(report, Report::Progressed(p) if p.step == Step::Proof);
        // The certificates are written: only the proof is missing.
        for moment in 1.. {
            desk.kill_at = Some(Kill::After(moment));
            assert!(desk.walk(&token).is_err());
            if desk.reports.last().is_some_and(at_proof) {
                break;
            }
        }
        desk.kill_at = None;
        let reported = desk.service.keys_made.len();
        let mut other = TestDesk::with_task(TaskKind::Reset, None);
        other.walk_to_proof(&token);
        assert!(token.state().slots.is_empty());

        desk.walk_to_proof(&token);
        assert_eq!(desk.service.keys_made.len(), reported + 1);
        let last = desk.service.keys_made.pop().unwrap();
        desk.service.keys_made = vec![last];
        assert_provisioned(&desk, &token);
    });
}
