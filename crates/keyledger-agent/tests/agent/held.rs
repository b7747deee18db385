//! Another program holds the token.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

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
fn a_program_in_a_transaction_holds_the_token_too() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut card = hold(&token, ShareMode::Shared);
        let transaction = card.transaction().unwrap();
        let mut desk = TestDesk::provision("service");
        let end = desk.walk(&token).unwrap();
        let WalkEnd::Failed { code, detail } = end else {
            panic!("{end:?}");
        };
        assert_eq!(code, FailureCode::Held);
        assert!(detail.contains("as far as this user can see") || detail.contains("no program"));
        drop(transaction);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
    });
}

#[test]
fn scdaemon_lets_go_when_it_is_asked() {
    const HOME: &str = "KEYLEDGER_TEST_GNUPGHOME";
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let Some(home) = std::env::var_os(HOME) else {
            // GnuPG's home is set by the environment, which a process cannot safely change for itself.
            let home = tempfile::tempdir().unwrap();
            fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
            let reader = format!("disable-ccid\nreader-port {}\n", token.reader());
            fs::write(home.path().join("scdaemon.conf"), reader).unwrap();
            let run = Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "held::scdaemon_lets_go_when_it_is_asked",
                    "--nocapture",
                ])
                .env("GNUPGHOME", home.path())
                .env(HOME, home.path())
                .env("KEYLEDGER_VIRTUAL_TOKENS", tokens.directory())
                .envs([tokens.env()])
                .output()
                .unwrap();
            let _ = Command::new("gpgconf")
                .args(["--homedir".as_ref(), home.path().as_os_str()])
                .args(["--kill", "all"])
                .status();
            let said = String::from_utf8_lossy(&run.stdout);
            assert!(
                said.contains("1 passed"),
                "{said}{}",
                String::from_utf8_lossy(&run.stderr)
            );
            return;
        };
        let status = Command::new("gpg")
            .args(["--batch", "--card-status"])
            .output();
        let status = status.expect("gpg is missing: `./dev tools` says how to get it");
        assert!(status.status.success(), "{home:?}: {status:?}");
        let taken = Context::establish(Scope::User).unwrap().connect(
            &std::ffi::CString::new(token.reader()).unwrap(),
            ShareMode::Shared,
            Protocols::ANY,
        );
        assert_eq!(taken.err(), Some(pcsc::Error::SharingViolation));
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
        assert!(
            !desk.prompts.contains(&Prompt::ReleaseToken),
            "nobody had to be asked"
        );
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
