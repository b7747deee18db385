//! Another program holds the token.

use keyledger_agent::walk::WalkEnd;
use keyledger_domain::token::{FailureCode, Prompt};
use keyledger_testkit::token::{Token, VirtualTokens};
use pcsc::{Card, Context, Disposition, Protocols, Scope, ShareMode};

use crate::{desk::TestDesk, end::assert_provisioned};

fn hold(token: &Token, mode: ShareMode) -> Card {
    let reader = std::ffi::CString::new(token.reader()).unwrap();
    let context = Context::establish(Scope::User).unwrap();
    context.connect(&reader, mode, Protocols::ANY).unwrap()
}

#[test]
fn a_token_held_for_long_fails_the_task_and_one_let_go_of_goes_on() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let card = hold(&token, ShareMode::Exclusive);
        let mut desk = TestDesk::provision("service");
        let end = desk.walk(&token).unwrap();
        let held = |code: &FailureCode| *code == FailureCode::Held;
        assert!(
            matches!(&end, WalkEnd::Failed { code, .. } if held(code)),
            "{end:?}"
        );
        assert!(desk.prompts.contains(&Prompt::ReleaseToken));

        let mut desk = TestDesk::provision("service");
        let mut card = Some(card);
        let mut looks = 0;
        desk.while_waiting = Some(Box::new(move || {
            looks += 1;
            if looks == 4
                && let Some(card) = card.take()
            {
                card.disconnect(Disposition::LeaveCard).ok().unwrap();
            }
        }));
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
    });
}

#[test]
fn a_program_that_only_shares_the_token_is_no_hindrance() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let _card = hold(&token, ShareMode::Shared);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
    });
}
