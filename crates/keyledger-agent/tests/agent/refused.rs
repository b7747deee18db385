//! Tasks that cannot be done: the reason says how to go on.

use std::{path::Path, time::Duration};

use keyledger_agent::walk::WalkEnd;
use keyledger_custody::{ManagementKeyAlgorithm, Secret, TokenSecrets};
use keyledger_domain::{
    Algorithm,
    token::{FailureCode, Profile, Prompt, TaskKind},
};
use keyledger_testkit::token::{Fault, Firmware, NewSecret, Token, Touch, VirtualTokens};

use crate::{
    desk::{OTHER_PIN, PIN, TestDesk},
    end::assert_provisioned,
    openpgp::openpgp_only,
};

fn failed(desk: &TestDesk, end: &WalkEnd) -> (FailureCode, String) {
    let WalkEnd::Failed { code, detail } = end else {
        panic!("it should have failed: {end:?}");
    };
    let reported = desk.service.failure.as_ref().expect("the service knows");
    assert_eq!(reported.code, *code);
    (*code, detail.clone())
}

#[test]
fn firmware_that_cannot_do_the_profile_is_refused_before_anything_is_touched() {
    VirtualTokens::in_front_of_firmware(1, Firmware(5, 4, 3), |tokens| {
        let token = tokens.token(0);
        // It belongs to somebody, who would lose it.
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        let before = token.state();
        let slot = "9d".parse().unwrap();
        for (algorithm, instead) in [
            (Algorithm::X25519, "p-256"),
            (Algorithm::Rsa4096, "rsa-2048"),
        ] {
            let mut profile = Profile::shipped("service").unwrap();
            profile.piv.get_mut(&slot).unwrap().algorithm = algorithm;
            let mut desk = TestDesk::with_task(TaskKind::Provision, Some(profile));
            let end = desk.walk(&token).unwrap();
            let (code, detail) = failed(&desk, &end);
            assert_eq!(code, FailureCode::Unable);
            for words in ["5.4.3", algorithm.as_str(), instead] {
                assert!(detail.contains(words), "{words}: {detail}");
            }
            assert_eq!(desk.resets_confirmed, 0, "nobody is asked in vain");
            let after = token.state();
            assert_eq!(after.slots, before.slots);
            assert_eq!(after.objects, before.objects);
            assert!(token.pin_is(PIN));
        }
    });
}

#[test]
fn a_token_that_nobody_vouches_for_is_refused_before_anything_is_touched() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        let before = token.state();
        desk.file(TaskKind::Provision);
        desk.service.refuses_attester = Some(("bad_value", "field attester: no trusted authority"));
        let end = desk.walk(&token).unwrap();
        let (code, detail) = failed(&desk, &end);
        assert_eq!(code, FailureCode::Refused);
        assert!(detail.contains("no trusted authority"), "{detail}");
        assert_eq!(desk.resets_confirmed, 0, "nobody is asked in vain");
        let after = token.state();
        assert_eq!((after.slots, after.objects), (before.slots, before.objects));
        assert_eq!(after.pin_tries_left, before.pin_tries_left);
    });
}

#[test]
fn a_blocked_pin_ends_a_verification_and_names_the_way_out() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        desk.file(TaskKind::Verify);
        desk.guesses = true;
        let end = desk.walk(&token).unwrap();
        let (code, _) = failed(&desk, &end);
        assert_eq!(code, FailureCode::PinBlocked);
        assert_eq!(
            desk.pins_asked, 5,
            "it was asked for as often as it may be wrong"
        );
        assert!(code.remedy().contains("token unblock"));
        assert_eq!(token.state().pin_tries_left, 0);
        let told: Vec<_> = desk.tries.iter().map(|t| (t.left, t.was_wrong)).collect();
        let expected = [(5, false), (4, true), (3, true), (2, true), (1, true)];
        assert_eq!(told, expected);
    });
}

/// A program that remembers PINs gives the wrong one again and again.
#[test]
fn the_same_wrong_pin_twice_costs_one_try() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        desk.file(TaskKind::Verify);
        desk.types = "31415926".to_owned();
        let end = desk.walk(&token).unwrap();
        let (code, detail) = failed(&desk, &end);
        assert_eq!(code, FailureCode::Declined);
        assert!(detail.contains("not tried again"), "{detail}");
        assert_eq!(desk.pins_asked, 2);
        assert_eq!(token.state().pin_tries_left, 4);
    });
}

#[test]
fn a_pin_blocked_while_it_is_provisioned_is_unblocked_by_its_own_puk() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        // As if somebody else had blocked the PIN: the token answers once that it is blocked.
        token.fault(Fault::Answer {
            instruction: 0x20,
            nth: 12,
            status: 0x6983,
        });
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
        assert!(token.pin_is(PIN));
    });
}

/// Each failure says how to go on, and that works: after a reset, the token is provisioned again.
fn assert_only_a_reset_helps(token: &Token, code: FailureCode) {
    assert!(code.remedy().contains("token reset"), "{}", code.remedy());
    let mut again = TestDesk::provision("service");
    again.walk_to_proof(token);
    assert_provisioned(&again, token);
}

#[test]
fn a_puk_that_is_not_custodys_cannot_unblock() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        let other = TokenSecrets::generate(ManagementKeyAlgorithm::Aes192, false).unwrap();
        desk.service.secrets = Some(other);
        for left in (0..5).rev() {
            desk.file(TaskKind::Unblock);
            let end = desk.walk(&token).unwrap();
            let (code, detail) = failed(&desk, &end);
            assert_eq!(code, FailureCode::PukBlocked, "{detail}");
            assert_eq!(token.state().puk_tries_left, left);
        }
        assert_only_a_reset_helps(&token, FailureCode::PukBlocked);
    });
}

#[test]
fn a_management_key_that_custody_does_not_have_cannot_be_rotated() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        let other = TokenSecrets::generate(ManagementKeyAlgorithm::Aes192, false).unwrap();
        desk.service.secrets = Some(other);
        desk.file(TaskKind::RotateSecrets);
        let end = desk.walk(&token).unwrap();
        let (code, _) = failed(&desk, &end);
        assert_eq!(code, FailureCode::ManagementKeyUnknown);
        assert_only_a_reset_helps(&token, code);
    });
}

/// A token that was reset and is not finished is of no use. So a person who was away finds the task where it was.
#[test]
fn a_token_that_nobody_touches_is_waited_for_and_given_up_only_where_nothing_is_lost() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        token.touch(Touch::TimedOut);
        let mut desk = TestDesk::provision("person");
        desk.patience.rest = Duration::from_millis(700);
        let (hand, mut pauses) = (token.clone(), 0);
        desk.while_waiting = Some(Box::new(move || {
            pauses += 1;
            if pauses == 4 {
                hand.touch(Touch::Given);
            }
        }));
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
        assert!(desk.prompts.iter().filter(|p| **p == Prompt::Touch).count() > 8);

        token.touch(Touch::TimedOut);
        desk.file(TaskKind::Verify);
        let end = desk.walk(&token).unwrap();
        let (code, detail) = failed(&desk, &end);
        assert_eq!(code, FailureCode::NotTouched);
        assert!(detail.contains("4 times"), "{detail}");
        assert!(!token.state().pin_is_factory);
    });
}

#[test]
fn a_pin_that_the_token_finds_too_simple_is_chosen_anew() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        for status in [0x6985, 0x6a80] {
            token.clear_faults();
            token.fault(Fault::RefusesPin {
                pin: PIN.to_owned(),
                status,
            });
            let mut desk = TestDesk::provision("service");
            desk.walk_to_proof(&token);
            assert!(token.pin_is(OTHER_PIN));
            let state = token.state();
            assert_eq!((state.pin_tries_left, state.puk_tries_left), (5, 5));
            desk.file(TaskKind::Unblock);
            desk.walk_to_proof(&token);
            assert!(token.pin_is(OTHER_PIN));
        }
    });
}

/// The agent replaces a secret that it made itself. A PIN that the person chose, the person chooses again, for both applets.
#[test]
fn whatever_a_token_finds_too_simple_is_made_or_chosen_anew() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let profile = openpgp_only(
            [Algorithm::Ed25519, Algorithm::X25519, Algorithm::Ed25519],
            false,
        );
        for (secret, status) in [
            (NewSecret::Puk, 0x6985),
            (NewSecret::Puk, 0x6a80),
            (NewSecret::OpenPgpAdminPin, 0x6985),
            (NewSecret::OpenPgpResetCode, 0x6985),
            (NewSecret::OpenPgpPin, 0x6985),
        ] {
            let mut desk = TestDesk::with_task(TaskKind::Provision, Some(profile.clone()));
            for kind in [
                TaskKind::Provision,
                TaskKind::RotateSecrets,
                TaskKind::Unblock,
            ] {
                desk.file(kind);
                token.fault(Fault::FindsTooSimple {
                    secret,
                    times: 2,
                    status,
                });
                desk.walk_to_proof(&token);
                // A rotation sets no PIN, and an unblocking sets only a PIN.
                token.clear_faults();
                let known = desk.service.secrets.as_ref().unwrap();
                let text = |secret: &Secret| String::from_utf8(secret.expose().to_vec()).unwrap();
                assert!(token.puk_is(&text(&known.puk)), "{secret:?} {kind:?}");
                let (admin, code) = (&known.openpgp_admin_pin, &known.openpgp_reset_code);
                assert!(token.openpgp_admin_pin_is(&text(admin.as_ref().unwrap())));
                assert!(token.openpgp_reset_code_is(&text(code.as_ref().unwrap())));
                let anew = secret == NewSecret::OpenPgpPin;
                let pin = if anew { OTHER_PIN } else { PIN };
                assert!(
                    token.pin_is(pin) && token.openpgp_pin_is(pin),
                    "{secret:?} {kind:?}"
                );
                desk.types = pin.to_owned();
            }
        }
    });
}

/// This does not go on for ever: a token that accepts nothing is broken.
#[test]
fn a_token_that_finds_everything_too_simple_is_given_up() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let (secret, status) = (NewSecret::Puk, 0x6985);
        token.fault(Fault::FindsTooSimple {
            secret,
            times: 100,
            status,
        });
        let mut desk = TestDesk::provision("service");
        let end = desk.walk(&token).unwrap();
        let (code, detail) = failed(&desk, &end);
        assert_eq!(code, FailureCode::Misbehaved);
        assert!(detail.contains("made at random too simple"), "{detail}");
    });
}

#[test]
fn a_token_with_pin_complexity_switched_on_is_provisioned_and_rotated() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        token.fault(Fault::PinComplexity);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        desk.file(TaskKind::RotateSecrets);
        desk.walk_to_proof(&token);
        assert_provisioned(&desk, &token);
    });
}

fn ykman(tokens: &VirtualTokens, token: &Token, arguments: &[&str]) {
    let mut command = tokens.ykman(token);
    let done = command.arg("piv").args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{arguments:?}: {said}");
}

#[test]
fn a_verification_sees_a_blocked_puk_and_a_management_key_of_another_kind() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        let secrets = desk.service.secrets.as_ref().unwrap();
        let key = data_encoding::HEXLOWER.encode(secrets.management_key.expose());
        let new = "0102030405060708010203040506070801020304050607ff";
        let kind = [
            "access",
            "change-management-key",
            "-f",
            "-a",
            "tdes",
            "-m",
            &key,
            "-n",
            new,
        ];
        ykman(tokens, &token, &kind);
        desk.file(TaskKind::Verify);
        let end = desk.walk(&token).unwrap();
        let (code, detail) = failed(&desk, &end);
        assert_eq!(code, FailureCode::ManagementKeyUnknown);
        assert!(detail.contains("somebody changed it"), "{detail}");

        let context = pcsc::Context::establish(pcsc::Scope::User).unwrap();
        let reader = std::ffi::CString::new(token.reader()).unwrap();
        let card = context.connect(&reader, pcsc::ShareMode::Shared, pcsc::Protocols::ANY);
        let card = card.unwrap();
        let mut buffer = [0; 258];
        card.transmit(&[0, 0xa4, 4, 0, 5, 0xa0, 0, 0, 3, 8], &mut buffer)
            .unwrap();
        for _ in 0..6 {
            card.transmit(b"\x00\x24\x00\x81\x101111111122222222", &mut buffer)
                .unwrap();
        }
        drop(card);
        assert_eq!(token.state().puk_tries_left, 0);
        desk.file(TaskKind::Verify);
        let end = desk.walk(&token).unwrap();
        let (code, _) = failed(&desk, &end);
        assert_eq!(code, FailureCode::PukBlocked);
    });
}

/// The algorithm is the same, so only a comparison with the right key shows that it is another key.
#[test]
fn a_verification_sees_another_management_key_of_the_same_kind() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        desk.walk_to_proof(&token);
        let secrets = desk.service.secrets.as_ref().unwrap();
        let known = secrets.management_key.expose().to_vec();
        let key = data_encoding::HEXLOWER.encode(&known);
        let new = "0102030405060708010203040506070801020304050607ff";
        let change = [
            "access",
            "change-management-key",
            "-f",
            "-m",
            &key,
            "-n",
            new,
        ];
        desk.file(TaskKind::Verify);
        desk.walk_to_proof(&token);
        ykman(tokens, &token, &change);
        desk.file(TaskKind::Verify);
        let end = desk.walk(&token).unwrap();
        let (code, detail) = failed(&desk, &end);
        assert_eq!(code, FailureCode::ManagementKeyUnknown);
        assert!(detail.contains("none that custody has"), "{detail}");
        // At another workstation the agent is given no keys, and proves all the rest.
        desk.file(TaskKind::Verify);
        desk.service.gives_secrets = false;
        desk.walk_to_proof(&token);
    });
}

/// A token that is as from the factory except for one object belongs to somebody.
#[test]
fn a_data_object_is_something_to_lose() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let file = tokens.directory().join("object");
        std::fs::write(&file, b"something dear").unwrap();
        let factory = "010203040506070801020304050607080102030405060708";
        // Everybody may read the capabilities; reading the printed information needs the PIN.
        // Objects under own numbers count too: in the free range, and beside the standard's and Yubico's.
        for object in ["0x5fc107", "0x5fc109", "0x5f0001", "0x5fc1f0", "0x5fff77"] {
            let import = [
                "objects",
                "import",
                "-m",
                factory,
                object,
                file.to_str().unwrap(),
            ];
            ykman(tokens, &token, &import);
            let mut desk = TestDesk::with_task(TaskKind::Reset, None);
            desk.walk_to_proof(&token);
            assert_eq!(desk.resets_confirmed, 1, "{object}");
            assert!(token.state().objects.is_empty());
        }
        let mut desk = TestDesk::with_task(TaskKind::Reset, None);
        desk.walk_to_proof(&token);
        assert_eq!(desk.resets_confirmed, 0, "there was nothing on it");
    });
}

#[test]
fn a_killed_pcscd_is_not_a_token_that_went_away() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut desk = TestDesk::provision("service");
        let directory = tokens.directory().to_owned();
        let mut lives = true;
        desk.when_shown = Some(Box::new(move |_| {
            if std::mem::take(&mut lives) {
                kill_pcscd(&directory);
            }
        }));
        let end = desk.walk(&token);
        assert!(end.is_err(), "nobody starts it again: {end:?}");
        assert_eq!(desk.prompts.last(), Some(&Prompt::StartPcscd));
        assert!(!desk.prompts.contains(&Prompt::InsertToken));
    });
}

/// Picks one of these tokens by how it was started.
fn kill_pcscd(directory: &Path) {
    let directory = directory.to_str().unwrap();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path();
        let command = std::fs::read_to_string(path.join("cmdline")).unwrap_or_default();
        let program = command.split('\0').next().unwrap_or_default();
        if program.ends_with("pcscd") && command.contains(directory) {
            let pid = entry.file_name().into_string().unwrap();
            let killed = std::process::Command::new("kill")
                .args(["-9", &pid])
                .status();
            assert!(killed.unwrap().success());
            return;
        }
    }
    panic!("there is no pcscd for {directory}");
}

#[test]
fn an_answer_that_no_token_should_give_is_named_with_its_status() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        token.fault(Fault::Answer {
            instruction: 0x47,
            nth: 1,
            status: 0x6f00,
        });
        let mut desk = TestDesk::provision("service");
        let end = desk.walk(&token).unwrap();
        let (code, detail) = failed(&desk, &end);
        assert_eq!(code, FailureCode::Misbehaved);
        assert!(detail.contains("6f00"), "{detail}");
    });
}
