//! Keys in slots: made, imported, moved, used under their policies.

use keyledger_testkit::token::VirtualTokens;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::DecodePublicKey as _;
use rsa::traits::PublicKeyParts as _;
use sha2::{Digest as _, Sha256};
use x509_cert::der::Decode as _;
use x509_cert::spki::SubjectPublicKeyInfoOwned;
use yubikey::piv::{self, AlgorithmId, Origin, RetiredSlotId, RsaKeyData, SlotId};
use yubikey::{Error, PinPolicy, TouchPolicy, YubiKey};

use crate::client::{PIN, Raw, SLOTS, generate, generate_with, open, open_as_administrator};

#[test]
fn every_slot_holds_a_key_that_signs() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut client = open_as_administrator(&token);
        let retired = (0x82..=0x95).map(|id| SlotId::Retired(RetiredSlotId::try_from(id).unwrap()));
        let slots: Vec<_> = SLOTS.into_iter().chain(retired).collect();
        for slot in &slots {
            let public = generate(&mut client, *slot, AlgorithmId::EccP256);
            client.verify_pin(PIN).unwrap();
            signs_with_p256(&mut client, *slot, &public);
        }
        let state = token.state();
        assert_eq!(state.slots.len(), slots.len());
        assert!(state.slots.values().all(|slot| slot.generated));
    });
}

#[test]
fn every_algorithm_makes_keys_that_are_told_by_metadata() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut client = open_as_administrator(&token);
        for algorithm in [
            AlgorithmId::Rsa1024,
            AlgorithmId::Rsa2048,
            AlgorithmId::Rsa3072,
            AlgorithmId::Rsa4096,
            AlgorithmId::EccP256,
            AlgorithmId::EccP384,
            AlgorithmId::Ed25519,
            AlgorithmId::X25519,
        ] {
            let slot = SlotId::Authentication;
            let public = generate(&mut client, slot, algorithm);
            let metadata = piv::metadata(&mut client, slot).unwrap();
            let info = SubjectPublicKeyInfoOwned::from_der(&public).unwrap();
            assert_eq!(metadata.public.as_ref(), Some(&info), "{algorithm:?}");
            assert_eq!(metadata.origin, Some(Origin::Generated));
            assert_eq!(metadata.policy, Some((PinPolicy::Once, TouchPolicy::Never)));
            assert_eq!(
                token.state().slots[&0x9a].public_key,
                public,
                "{algorithm:?}"
            );
            works(&mut client, slot, algorithm, &public);
        }
    });
}

#[test]
fn imported_keys_work_and_are_told_from_made_ones() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut client = open_as_administrator(&token);
        let slot = SlotId::KeyManagement;

        let key = p256::SecretKey::generate();
        let (touch, pin) = (TouchPolicy::Default, PinPolicy::Default);
        piv::import_ecc_key(
            &mut client,
            slot,
            AlgorithmId::EccP256,
            &key.to_bytes(),
            touch,
            pin,
        )
        .unwrap();
        let metadata = piv::metadata(&mut client, slot).unwrap();
        assert_eq!(metadata.origin, Some(Origin::Imported));
        let other = p256::SecretKey::generate();
        let point = other.public_key().to_sec1_bytes();
        let shared = piv::decrypt_data(&mut client, &point, AlgorithmId::EccP256, slot).unwrap();
        let expected = other.diffie_hellman(&key.public_key());
        assert_eq!(&*shared, &expected.raw_secret_bytes()[..]);
        assert!(piv::attest(&mut client, slot).is_err());

        let key = rsa::RsaPrivateKey::new(&mut rand::rng(), 1024).unwrap();
        let bytes = |number: &rsa::BoxedUint| number.to_be_bytes().to_vec();
        use rsa::traits::PrivateKeyParts as _;
        let data = RsaKeyData::new(&bytes(&key.primes()[0]), &bytes(&key.primes()[1])).unwrap();
        piv::import_rsa_key(&mut client, slot, AlgorithmId::Rsa1024, data, touch, pin).unwrap();
        let public = token.state().slots[&0x9d].public_key.clone();
        let kept = rsa::RsaPublicKey::from_public_key_der(&public).unwrap();
        assert_eq!(kept, key.to_public_key());
        works(&mut client, slot, AlgorithmId::Rsa1024, &public);

        let seed = [7; 32];
        piv::import_cv_key(&mut client, slot, AlgorithmId::Ed25519, &seed, touch, pin).unwrap();
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        let signature = piv::sign_data(&mut client, b"hello", AlgorithmId::Ed25519, slot).unwrap();
        use ed25519_dalek::Signer as _;
        assert_eq!(&*signature, &key.sign(b"hello").to_bytes());
        assert!(!token.state().slots[&0x9d].generated);
    });
}

#[test]
fn a_policy_decides_how_often_a_key_wants_the_pin() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut client = open_as_administrator(&token);
        let p256 = AlgorithmId::EccP256;
        for (slot, policy) in SLOTS.into_iter().zip([
            PinPolicy::Once,
            PinPolicy::Default, // always, in this slot
            PinPolicy::Always,
            PinPolicy::Default, // never, in this slot
        ]) {
            generate_with(&mut client, slot, p256, policy, TouchPolicy::Never);
        }
        let [once, always, also_always, never] = SLOTS;
        let digest = [1; 32];
        let mut client = open(&token);
        let mut sign = |slot| piv::sign_data(&mut client, &digest, p256, slot).map(drop);
        sign(never).unwrap();
        for slot in [once, always, also_always] {
            assert_eq!(sign(slot), Err(Error::AuthenticationError));
        }
        client.verify_pin(PIN).unwrap();
        let mut sign = |slot| piv::sign_data(&mut client, &digest, p256, slot).map(drop);
        sign(always).unwrap();
        assert_eq!(sign(also_always), Err(Error::AuthenticationError));
        sign(once).unwrap();
        sign(once).unwrap();
        client.verify_pin(b"999999").unwrap_err();
        let refused = piv::sign_data(&mut client, &digest, p256, once);
        assert_eq!(refused.unwrap_err(), Error::AuthenticationError);
    });
}

#[test]
fn nothing_is_changed_without_the_management_key() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let before = token.state();
        let raw = Raw::piv(&token);
        assert_eq!(raw.ask("0020008008313233343536ffff"), "9000");
        for command in [
            "0047009a05ac03800111",
            "00fe119a220620"
                .to_owned()
                .as_str()
                .trim_end_matches("220620"),
            "00f69c9a",
            "00fa0505",
            "00db3fff085c035fc1055301aa",
        ] {
            assert_eq!(raw.ask(command), "6982", "{command}");
        }
        let after = token.state();
        assert_eq!((before.slots, before.objects), (after.slots, after.objects));
        assert_eq!(after.pin_tries, 3);
    });
}

#[test]
fn a_key_moves_to_an_empty_slot_or_goes() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut client = open_as_administrator(&token);
        let public = generate(&mut client, SlotId::Authentication, AlgorithmId::EccP256);
        generate(&mut client, SlotId::Signature, AlgorithmId::EccP256);
        // The client has no MOVE KEY, and a second session is a session with nothing proved.
        client.disconnect(pcsc::Disposition::LeaveCard).unwrap();
        let raw = Raw::open(&token);
        assert_eq!(raw.ask("00f69c9a"), "6a80", "occupied");
        assert_eq!(raw.ask("00f6829d"), "6a88", "nothing to move");
        assert_eq!(raw.ask("00f6f99a"), "6b00", "not there");
        assert_eq!(raw.ask("00f6829a"), "9000");
        assert_eq!(raw.ask("00f6ff9c"), "9000");
        let state = token.state();
        assert_eq!(state.slots.keys().collect::<Vec<_>>(), [&0x82]);
        assert_eq!(state.slots[&0x82].public_key, public);
    });
}

#[test]
fn objects_are_written_in_parts_read_in_parts_and_removed() {
    VirtualTokens::in_front_of(1, |tokens| {
        let token = tokens.token(0);
        let mut client = open_as_administrator(&token);
        let id = 0x005f_c10a;
        let mut large: Vec<u8> = (0..2500)
            .map(|at| u8::try_from(at % 251).unwrap())
            .collect();
        client.save_object(id, &mut large).unwrap();
        assert_eq!(*client.fetch_object(id).unwrap(), large);
        assert_eq!(token.state().objects, [id]);

        let raw = Raw::piv(&token);
        let whole = raw.ask("00cb3fff0000055c035fc10a0000");
        assert_eq!(whole.len(), 2 * (4 + 2500 + 2), "at once, if one asks so");
        drop(raw);
        let mut client = open_as_administrator(&token);
        client.save_object(id, &mut []).unwrap();
        assert_eq!(client.fetch_object(id).unwrap_err(), Error::NotFound);
        assert!(token.state().objects.is_empty());
    });
}

/// Uses the key and checks the outcome with its public half.
fn works(client: &mut YubiKey, slot: SlotId, algorithm: AlgorithmId, public: &[u8]) {
    let message = b"the task's nonce";
    match algorithm {
        AlgorithmId::EccP256 => signs_with_p256(client, slot, public),
        AlgorithmId::EccP384 => {
            let digest = Sha256::digest(message); // shorter than the curve's
            let signature = piv::sign_data(client, &digest, algorithm, slot).unwrap();
            let verifier = p384::ecdsa::VerifyingKey::from_public_key_der(public).unwrap();
            let signature = p384::ecdsa::Signature::from_der(&signature).unwrap();
            let padded = [&[0; 16][..], &digest].concat();
            verifier.verify_prehash(&padded, &signature).unwrap();
        }
        AlgorithmId::Ed25519 => {
            let message = message.repeat(40); // in several parts
            let signature = piv::sign_data(client, &message, algorithm, slot).unwrap();
            let verifier = ed25519_dalek::VerifyingKey::from_public_key_der(public).unwrap();
            let signature = ed25519_dalek::Signature::from_slice(&signature).unwrap();
            verifier.verify_strict(&message, &signature).unwrap();
        }
        AlgorithmId::X25519 => {
            let own = x25519_dalek::StaticSecret::random_from_rng(&mut rand::rng());
            let point = x25519_dalek::PublicKey::from(&own);
            let shared = piv::decrypt_data(client, point.as_bytes(), algorithm, slot).unwrap();
            let info = SubjectPublicKeyInfoOwned::from_der(public).unwrap();
            let public: [u8; 32] = info.subject_public_key.raw_bytes().try_into().unwrap();
            assert_eq!(&*shared, own.diffie_hellman(&public.into()).as_bytes());
        }
        _ => {
            let public = rsa::RsaPublicKey::from_public_key_der(public).unwrap();
            let mut padded = vec![0xff; public.size()];
            (padded[0], padded[1]) = (0, 1);
            let end = padded.len() - message.len();
            padded[end - 1] = 0;
            padded[end..].copy_from_slice(message);
            let signature = piv::sign_data(client, &padded, algorithm, slot).unwrap();
            public
                .verify(rsa::Pkcs1v15Sign::new_unprefixed(), message, &signature)
                .unwrap();
        }
    }
}

fn signs_with_p256(client: &mut YubiKey, slot: SlotId, public: &[u8]) {
    let digest = Sha256::digest(b"the task's nonce");
    let signature = piv::sign_data(client, &digest, AlgorithmId::EccP256, slot).unwrap();
    let verifier = p256::ecdsa::VerifyingKey::from_public_key_der(public).unwrap();
    let signature = p256::ecdsa::Signature::from_der(&signature).unwrap();
    verifier.verify_prehash(&digest, &signature).unwrap();
}
