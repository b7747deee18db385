//! PIN, PUK and management key: wrong, blocked, unblocked, changed, lost.

use keyledger_testkit::token::{Firmware, ManagementAlgorithm, VirtualTokens};
use yubikey::{Error, MgmAlgorithmId, MgmKey};

use crate::client::{PIN, PUK, Raw, generate, open, open_as_administrator};
use yubikey::piv::{AlgorithmId, SlotId};

#[test]
fn a_pin_wrong_three_times_is_blocked_until_the_puk_sets_another() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut client = open(&token);
        for tries in [2, 1, 0, 0] {
            let refused = client.verify_pin(b"999999").unwrap_err();
            assert_eq!(refused, Error::WrongPin { tries });
            assert_eq!(token.state().pin_tries_left, tries);
        }
        assert_eq!(
            client.verify_pin(PIN).unwrap_err(),
            Error::WrongPin { tries: 0 },
            "the right one too"
        );
        client.unblock_pin(PUK, b"246810").unwrap();
        client.verify_pin(b"246810").unwrap();
        assert!(token.pin_is("246810"));
        assert!(!token.pin_is("123456"));
        assert!(!token.state().pin_is_factory);
        assert_eq!(token.state().pin_tries_left, 3);
    });
}

#[test]
fn a_token_is_reset_only_when_pin_and_puk_are_blocked_and_keeps_its_attestation_key() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut client = open_as_administrator(&token);
        generate(&mut client, SlotId::Authentication, AlgorithmId::EccP256);
        MgmKey::generate(MgmAlgorithmId::Aes256, &mut rand::rng())
            .unwrap()
            .set_manual(&mut client, false)
            .unwrap();
        assert!(client.reset_device().is_err());
        client.block_puk().unwrap();
        for _ in 0..3 {
            client.verify_pin(b"999999").unwrap_err();
        }
        assert_eq!(token.state().puk_tries_left, 0);
        client.reset_device().unwrap();

        let state = token.state();
        assert!(state.pin_is_factory && state.puk_is_factory && state.management_key_is_factory);
        assert_eq!((state.pin_tries_left, state.puk_tries_left), (3, 3));
        assert_eq!(state.management_algorithm, ManagementAlgorithm::Aes192);
        assert!(
            state.slots.is_empty() && state.objects.is_empty(),
            "{state:?}"
        );
        let mut client = open_as_administrator(&token);
        generate(&mut client, SlotId::Authentication, AlgorithmId::EccP256);
        yubikey::piv::attest(&mut client, SlotId::Authentication).unwrap();
    });
}

#[test]
fn pin_puk_and_tries_are_changed() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut client = open_as_administrator(&token);
        client.set_pin_retries(5, 8).unwrap();
        let state = token.state();
        assert_eq!((state.pin_tries, state.puk_tries), (5, 8));
        client.change_pin(PIN, b"87654321").unwrap();
        client.change_puk(PUK, b"1029384").unwrap();
        assert!(token.pin_is("87654321") && token.puk_is("1029384"));
        assert!(client.change_pin(PIN, b"111111").is_err());
        assert_eq!(token.state().pin_tries_left, 4);
        assert!(client.change_puk(PUK, b"11111111").is_err());
        assert_eq!(token.state().puk_tries_left, 7);
        assert!(
            client.change_pin(b"87654321", b"12345").is_err(),
            "too short"
        );
        assert!(token.pin_is("87654321"));

        // Tries are given only to who knows both, and take PIN and PUK with them.
        let mut client = open(&token);
        assert!(client.set_pin_retries(3, 3).is_err());
        assert_eq!(token.state().pin_tries, 5);
    });
}

#[test]
fn the_management_key_may_be_of_four_algorithms() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut client = open_as_administrator(&token);
        for (algorithm, kept) in [
            (MgmAlgorithmId::ThreeDes, ManagementAlgorithm::TripleDes),
            (MgmAlgorithmId::Aes128, ManagementAlgorithm::Aes128),
            (MgmAlgorithmId::Aes192, ManagementAlgorithm::Aes192),
            (MgmAlgorithmId::Aes256, ManagementAlgorithm::Aes256),
        ] {
            let key = MgmKey::generate(algorithm, &mut rand::rng()).unwrap();
            key.set_manual(&mut client, false).unwrap();
            assert_eq!(token.state().management_algorithm, kept);
            assert!(token.management_key_is(key.as_ref()));
            assert!(!token.state().management_key_is_factory);

            drop(client); // it resets the card
            client = open(&token);
            let factory = MgmKey::get_default(&client).unwrap();
            assert!(client.authenticate(&factory).is_err());
            client.authenticate(&key).unwrap();
        }
    });
}

#[test]
fn a_management_key_lies_on_the_token_behind_the_pin() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut client = open_as_administrator(&token);
        let key = MgmKey::generate(MgmAlgorithmId::Aes256, &mut rand::rng()).unwrap();
        key.set_protected(&mut client).unwrap();

        let mut client = open(&token);
        assert!(MgmKey::get_protected(&mut client).is_err());
        client.verify_pin(PIN).unwrap();
        let found = MgmKey::get_protected(&mut client).unwrap();
        assert_eq!(found.as_ref(), key.as_ref());
        client.authenticate(&found).unwrap();
    });
}

#[test]
fn older_firmware_starts_with_a_3des_key_and_lacks_what_came_later() {
    VirtualTokens::in_front_of_firmware(1, Firmware(5, 2, 4), |tokens| {
        let token = tokens.token(0);
        assert_eq!(
            token.state().management_algorithm,
            ManagementAlgorithm::TripleDes
        );
        let raw = Raw::piv(&token);
        assert_eq!(raw.ask("00fd0000"), "0502049000");
        assert_eq!(raw.ask("00f70080"), "6d00", "metadata came with 5.3");
        assert_eq!(raw.ask("00f69c9a"), "6d00", "moving keys came with 5.7");
        drop(raw);
        let mut client = open_as_administrator(&token);
        let refused = yubikey::piv::generate(
            &mut client,
            SlotId::Authentication,
            AlgorithmId::Ed25519,
            yubikey::PinPolicy::Default,
            yubikey::TouchPolicy::Default,
        );
        assert_eq!(refused.unwrap_err(), Error::AlgorithmError);
    });
}

#[test]
fn whoever_only_answers_a_challenge_is_believed_too() {
    VirtualTokens::in_front_of(1, |tokens| {
        use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
        use data_encoding::HEXLOWER;
        let raw = Raw::piv(&tokens.token(0));
        let is_let_in = |raw: &Raw| raw.ask("00db3fff085c035fc1055301aa") == "9000";
        assert!(!is_let_in(&raw));

        let wrong = format!("00870a9b147c128210{}", "00".repeat(16));
        assert_eq!(raw.ask(&wrong), "6a80", "no challenge was asked for");
        let challenge = raw.ask("00870a9b047c028100");
        assert_eq!(raw.ask(&wrong), "6982");
        assert_ne!(raw.ask("00870a9b047c028100"), challenge, "always another");
        let challenge = raw.ask("00870a9b047c028100");
        let mut block =
            aes::Block::try_from(&*HEXLOWER.decode(&challenge.as_bytes()[8..40]).unwrap()).unwrap();
        let key = [1, 2, 3, 4, 5, 6, 7, 8].repeat(3);
        aes::Aes192::new_from_slice(&key)
            .unwrap()
            .encrypt_block(&mut block);
        let right = format!("00870a9b147c128210{}", HEXLOWER.encode(&block));
        assert_eq!(raw.ask(&right), "9000");
        assert!(is_let_in(&raw));
    });
}
