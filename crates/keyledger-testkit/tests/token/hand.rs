//! What a hand does to a token: plugs it in, pulls it out, touches it, or does not.

use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use keyledger_testkit::token::{Fault, Token, Touch, VirtualTokens, When};
use keyledger_testkit::{PATIENCE, Process, tools};
use yubikey::piv::{self, AlgorithmId, SlotId};
use yubikey::{Error, MgmKey, PinPolicy, TouchPolicy, YubiKey};

use crate::client::{PIN, Raw, generate, generate_with, open, open_as_administrator};

const SLOT: SlotId = SlotId::Authentication;
const P256: AlgorithmId = AlgorithmId::EccP256;
const GENERATE: u8 = 0x47;

#[test]
fn what_is_pulled_out_is_gone_and_comes_back_with_its_keys_and_nothing_proved() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut client = open_as_administrator(&token);
        let public = generate(&mut client, SLOT, P256);
        token.remove();
        assert!(!token.state().inserted);
        assert!(sign(&mut client).is_err());
        eventually(|| YubiKey::open().is_err());
        token.insert();

        let mut client = open(&token);
        assert_eq!(sign(&mut client), Err(Error::AuthenticationError));
        client.verify_pin(PIN).unwrap();
        sign(&mut client).unwrap();
        assert_eq!(token.state().slots[&0x9a].public_key, public);
    });
}

#[test]
fn a_token_pulled_out_in_mid_command_has_done_it_or_not() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        for (when, done) in [(When::Before, false), (When::After, true)] {
            let mut client = open_as_administrator(&token);
            token.fault(Fault::Remove {
                instruction: GENERATE,
                nth: 1,
                when,
            });
            let (pin, touch) = (PinPolicy::Default, TouchPolicy::Default);
            let pulled = piv::generate(&mut client, SLOT, P256, pin, touch).unwrap_err();
            assert!(matches!(pulled, Error::PcscError { .. }), "{pulled:?}");
            let state = token.state();
            assert!(!state.inserted);
            assert_eq!(state.faults_left, 0, "once");
            assert_eq!(state.slots.contains_key(&0x9a), done);
            token.insert();
        }
        let mut client = open_as_administrator(&token);
        generate(&mut client, SLOT, P256);
    });
}

#[test]
fn the_nth_command_fails_once_and_all_are_counted() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut client = open_as_administrator(&token);
        let before = token.state().operations.get(&GENERATE).copied();
        assert_eq!(before, None);
        token.fault(Fault::Answer {
            instruction: GENERATE,
            nth: 2,
            status: 0x6f00,
        });
        generate(&mut client, SLOT, P256);
        let public = token.state().slots[&0x9a].public_key.clone();
        let (pin, touch) = (PinPolicy::Default, TouchPolicy::Default);
        let refused = piv::generate(&mut client, SLOT, P256, pin, touch);
        assert_eq!(refused.unwrap_err(), Error::GenericError);
        assert_eq!(
            token.state().slots[&0x9a].public_key,
            public,
            "nothing done"
        );
        generate(&mut client, SLOT, P256);
        assert_eq!(token.state().operations[&GENERATE], 3);
    });
}

#[test]
fn a_key_blinks_until_it_is_touched() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut client = open_as_administrator(&token);
        generate_with(
            &mut client,
            SLOT,
            P256,
            PinPolicy::Never,
            TouchPolicy::Always,
        );
        sign(&mut client).unwrap();
        assert_eq!(token.state().touches, 1);

        token.touch(Touch::TimedOut);
        assert_eq!(sign(&mut client), Err(Error::AuthenticationError));

        token.touch(Touch::Withheld);
        thread::scope(|scope| {
            let signing = scope.spawn(|| sign(&mut client));
            eventually(|| token.state().awaiting_touch);
            assert!(!signing.is_finished());
            token.touch(Touch::Given);
            signing.join().unwrap().unwrap();
        });
        assert_eq!(token.state().touches, 2);

        token.touch(Touch::Withheld);
        thread::scope(|scope| {
            let signing = scope.spawn(|| sign(&mut client));
            eventually(|| token.state().awaiting_touch);
            token.remove();
            let pulled = signing.join().unwrap();
            assert!(matches!(pulled, Err(Error::PcscError { .. })), "{pulled:?}");
        });
        assert_eq!(token.state().touches, 2);
    });
}

#[test]
fn a_cached_touch_is_good_for_the_next_use() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut client = open_as_administrator(&token);
        generate_with(
            &mut client,
            SLOT,
            P256,
            PinPolicy::Never,
            TouchPolicy::Cached,
        );
        sign(&mut client).unwrap();
        token.touch(Touch::TimedOut);
        sign(&mut client).unwrap();
        assert_eq!(token.state().touches, 1);
    });
}

#[test]
fn a_management_key_may_want_to_be_touched_too() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut client = open_as_administrator(&token);
        let key = MgmKey::get_default(&client).unwrap();
        key.set_manual(&mut client, true).unwrap();
        drop(client);
        let mut client = open(&token);
        token.touch(Touch::TimedOut);
        assert!(client.authenticate(&key).is_err());
        token.touch(Touch::Given);
        client.authenticate(&key).unwrap();
        assert_eq!(token.state().touches, 1);
    });
}

#[test]
fn another_serial_is_told_everywhere_on_demand() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let says = |raw: &Raw| {
            raw.ask("00a4040006d27600012401");
            let openpgp = raw.ask("00ca004f")[20..28].to_owned();
            raw.ask("00a4040005a000000308");
            (raw.ask("00f80000"), openpgp)
        };
        let raw = Raw::open(&token);
        assert_eq!(says(&raw), ("000f42419000".into(), "01000001".into()));
        token.fault(Fault::PosesAsSerial { serial: 2_000_001 });
        assert_eq!(says(&raw), ("001e84819000".into(), "02000001".into()));
        token.clear_faults();
        assert_eq!(says(&raw), ("000f42419000".into(), "01000001".into()));
    });
}

#[test]
fn a_stack_ends_however_its_starter_ends() {
    let directory = tempfile::tempdir().unwrap();
    let control = directory.path().join("control");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let start = || {
        let mut command = Command::new(tools::virtual_token());
        command.arg("--dir").arg(directory.path());
        let mut process = Process::spawn(command);
        runtime.block_on(process.wait_for_line("ready: ", Duration::from_secs(60)));
        UnixStream::connect(&control).unwrap();
        process
    };
    let mut process = start();
    process.kill9(); // that process only
    eventually(|| UnixStream::connect(&control).is_err());
    let mut process = start();
    runtime.block_on(process.terminate());
    eventually(|| UnixStream::connect(&control).is_err());
}

#[test]
fn six_tokens_at_once_are_six_tokens() {
    VirtualTokens::in_front_of(6, |tokens| {
        let all: Vec<Token> = (0..6).map(|index| tokens.token(index)).collect();
        thread::scope(|scope| {
            for token in &all {
                scope.spawn(|| {
                    let mut client = open_as_administrator(token);
                    generate(&mut client, SLOT, P256);
                    sign(&mut client).unwrap();
                });
            }
        });
        let mut keys: Vec<_> = all
            .iter()
            .map(|token| token.state().slots[&0x9a].public_key.clone())
            .collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 6);
        all[3].remove();
        eventually(|| YubiKey::open_by_serial(yubikey::Serial(all[3].serial())).is_err());
        open(&all[2]);
    });
}

#[test]
fn a_stack_started_again_has_the_same_tokens() {
    let directory = tempfile::tempdir().unwrap();
    let mut tokens = VirtualTokens::start_in(directory.path(), 2);
    let root = tokens.attestation_root_pem();
    let run = |tokens: &VirtualTokens, arguments: &[&str]| {
        let mut command = tokens.ykman(&tokens.token(1));
        command.args(arguments).output().unwrap().status.success()
    };
    assert!(run(
        &tokens,
        &[
            "piv",
            "access",
            "change-pin",
            "-P",
            "123456",
            "-n",
            "246810"
        ]
    ));
    tokens.kill9();
    assert!(!run(&tokens, &["piv", "info"]));
    tokens.restart();
    assert!(tokens.token(1).pin_is("246810"));
    assert!(tokens.token(0).pin_is("123456"));
    drop(tokens);
    let tokens = VirtualTokens::start_in(directory.path(), 2);
    assert!(tokens.token(1).pin_is("246810"));
    assert_eq!(tokens.attestation_root_pem(), root);
}

fn sign(client: &mut YubiKey) -> Result<(), Error> {
    piv::sign_data(client, &[1; 32], P256, SLOT).map(drop)
}

fn eventually(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(20));
    }
}
